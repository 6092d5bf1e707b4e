/**
 * Variables: values with a shape, and a position on the tape.
 *
 * Operations and the tape work on variables alone; `Tensor` is the public wrapper of one.
 */

import { checkIntact, elementCount } from '../check'
import { type DType, dtypeOf, sharesBuffer } from '../dtype'
import type { Floats } from '../native'
import type { GraphNode } from './node'

/**
 * Values, and how often this package has changed them in place. Variables over the same values share one storage.
 *
 * What is not private in a storage and in a variable is what tools see of a tensor, and what equality compares.
 */
export class Storage {
  /** Replaced by a copy once, at most: see {@link exposed}. */
  data: Floats
  #version = 0
  /** Whether this package allocated the array and no program has received it yet. */
  #unseen: boolean

  constructor(data: Floats, unseen: boolean) {
    this.data = data
    this.#unseen = unseen
  }

  /** How often this package has changed the values in place. */
  get version(): number {
    return this.#version
  }

  /** Counts a change in place. */
  changes(): void {
    this.#version += 1
  }

  /** The values for a program: see {@link Variable.exposed}. */
  exposed(): Floats {
    if (this.#unseen) {
      if (sharesBuffer(this.data)) this.data = this.data.slice()
      this.#unseen = false
    }
    return this.data
  }
}

/** Where a variable comes from: output number `output` of the operation `node`. */
export interface Origin {
  readonly node: GraphNode
  readonly output: number
}

/** An immutable shape and its number of elements. A variable is one itself. */
export interface Sized {
  readonly shape: readonly number[]
  readonly numel: number
}

/** A copy of `shape`, counted. */
export function sized(shape: readonly number[]): Sized {
  return { shape: Object.freeze([...shape]), numel: elementCount(shape) }
}

/** Values with a shape, and a position on the tape. */
export class Variable implements Sized {
  /** Replaced as a whole when a module changes its dtype. */
  storage: Storage
  readonly shape: readonly number[]
  readonly numel: number
  #origin: Origin | null = null
  #grad: Variable | null = null
  #isParameter = false
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

  /** The same with a shape that is counted already. */
  static like(other: Sized, data: Floats): Variable {
    return new Variable(new Storage(data, false), other)
  }

  /** The same over an array of this package without another owner. Its buffer may hold other arrays too. */
  static made(other: Sized, data: Floats): Variable {
    return new Variable(new Storage(data, true), other)
  }

  get dtype(): DType {
    return dtypeOf(this.storage.data)
  }

  /** The operation that made it; null for a leaf. */
  get origin(): Origin | null {
    return this.#origin
  }

  set origin(origin: Origin) {
    this.#origin = origin
  }

  /** The gradient summed up so far; leaves only. */
  get grad(): Variable | null {
    return this.#grad
  }

  set grad(grad: Variable | null) {
    this.#grad = grad
  }

  /** Whether `requiresGrad` was ever set: a module counts such a leaf as a parameter, even while it is frozen. */
  get isParameter(): boolean {
    return this.#isParameter
  }

  /** Whether gradients flow to this variable. */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.#origin !== null
  }

  set requiresGrad(wanted: boolean) {
    this.#requiresGrad = wanted
    if (wanted) this.#isParameter = true
  }

  /** The values; an error if their buffer was detached or resized. */
  values(): Floats {
    const { data } = this.storage
    checkIntact(data, this.numel)
    return data
  }

  /**
   * The values as a program gets them: always the same array, alone in its buffer, so that a program may transfer the
   * buffer or read its bytes.
   */
  exposed(): Floats {
    return this.storage.exposed()
  }

  /** Changes the values in place: graphs that saved the old ones refuse to run backward. */
  mutate<T>(change: (values: Floats) => T): T {
    const values = this.values()
    this.storage.changes()
    return change(values)
  }

  /** Replaces the values, also by those of another dtype: graphs that saved the old ones refuse to run backward. */
  replace(data: Floats): void {
    this.storage.changes()
    this.storage = new Storage(data, false)
  }

  /** The same values as a leaf. */
  detach(): Variable {
    return new Variable(this.storage, this)
  }
}
