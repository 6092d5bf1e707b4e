/**
 * What a tensor is underneath: values with a shape, and a place on the tape.
 *
 * Operations and the tape work on variables alone; `Tensor` is the public face of one.
 */

import { checkIntact, elementCount } from '../check'
import { type DType, dtypeOf, sharesBuffer } from '../dtype'
import type { Floats } from '../native'
import type { GraphNode } from './node'

/** Values and how often this package has changed them in place; one storage is shared by all variables that show it. */
export interface Storage {
  /** Replaced by a copy once, at most: see {@link Variable.exposed}. */
  data: Floats
  version: number
  /** Whether the array was made by this package for values that a program has not seen. */
  unseen: boolean
}

/** Where a variable comes from: output number `output` of the operation `node`. */
export interface Origin {
  readonly node: GraphNode
  readonly output: number
}

/** An immutable shape, and how many elements it has. Each variable is one itself. */
export interface Sized {
  readonly shape: readonly number[]
  readonly numel: number
}

/** A copy of `shape`, counted. */
export function sized(shape: readonly number[]): Sized {
  return { shape: Object.freeze([...shape]), numel: elementCount(shape) }
}

/** Values with a shape, and a place on the tape. */
export class Variable implements Sized {
  /** Replaced as a whole when a module changes its dtype. */
  storage: Storage
  readonly shape: readonly number[]
  readonly numel: number
  /** The operation that made it; null for a leaf. */
  origin: Origin | null = null
  /** The gradient summed up so far; leaves only. */
  grad: Variable | null = null
  /** Whether this was ever a leaf that wants a gradient: a module counts it as a parameter even while it is frozen. */
  isParameter = false
  #requiresGrad = false

  constructor(storage: Storage, { shape, numel }: Sized) {
    this.storage = storage
    this.shape = shape
    this.numel = numel
  }

  /** A leaf over `data`, which is used as it is. */
  static of(data: Floats, shape: readonly number[]): Variable {
    return Variable.like(sized(shape), data)
  }

  /** The same with the shape of another one. */
  static like(other: Sized, data: Floats): Variable {
    return new Variable({ data, version: 0, unseen: false }, other)
  }

  /** The same over an array that has no other owner, and which may share its buffer with others. */
  static made(other: Sized, data: Floats): Variable {
    return new Variable({ data, version: 0, unseen: true }, other)
  }

  get dtype(): DType {
    return dtypeOf(this.storage.data)
  }

  /** Whether gradients flow to here. */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.origin !== null
  }

  set requiresGrad(wanted: boolean) {
    this.#requiresGrad = wanted
    if (wanted) this.isParameter = true
  }

  /** The values, checked to be still there. */
  values(): Floats {
    const { data } = this.storage
    checkIntact(data, this.numel)
    return data
  }

  /**
   * The values for a program to have, always the same array: alone in its buffer, so that it may be transferred, or read
   * as bytes, without a thought of others.
   */
  exposed(): Floats {
    const { storage } = this
    if (storage.unseen) {
      if (sharesBuffer(storage.data)) storage.data = storage.data.slice()
      storage.unseen = false
    }
    return storage.data
  }

  /** Changes the values in place: graphs that kept the old ones will refuse to run backward. */
  mutate<T>(change: (values: Floats) => T): T {
    const values = this.values()
    this.storage.version += 1
    return change(values)
  }

  /** Gives this variable other values, of another dtype even: graphs that kept the old ones will refuse to run backward. */
  replace(data: Floats): void {
    this.storage.version += 1
    this.storage = { data, version: 0, unseen: false }
  }

  /** The same values without a past. */
  detach(): Variable {
    return new Variable(this.storage, this)
  }
}
