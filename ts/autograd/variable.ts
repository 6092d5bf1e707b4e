/**
 * The two parts of a graph, which refer to each other: variables, values with a position on the tape, and the nodes of the
 * tape, one for each recorded operation.
 *
 * Operations and the tape work on variables alone; `Tensor` is the public wrapper of one.
 */

import { checkIntact } from '../check'
import { type DType, dtypeOf } from '../dtype'
import type { Floats } from '../native'
import { Saved } from './saved'
import { type Sized, Storage, type Stored, sized } from './storage'

/** Where a variable comes from: output number `output` of the operation `node`. */
export interface Origin {
  readonly node: GraphNode
  readonly output: number
}

/** Values with a shape, and a position on the tape. */
export class Variable implements Stored {
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

/**
 * The gradients of an operation's inputs from those of its outputs.
 *
 * @param gradients one for each output; null where none arrived (the operation has several outputs).
 * @param wanted for each input, whether its gradient is needed.
 * @returns one for each input, or null if it is not wanted. An array may be one of `gradients` itself, but two
 *   freshly made results must not overlap.
 */
export type Backward = (
  gradients: readonly (Floats | null)[],
  wanted: readonly boolean[],
) => (Floats | null)[]

/** An operation and its results, as the tape records them. */
export interface Operation {
  /** Its name in messages, as in torch: `TanhBackward0`. */
  readonly name: string
  readonly inputs: readonly Variable[]
  readonly outputs: readonly Variable[]
  /** The inputs and outputs whose values `backward` reads. */
  readonly saves: readonly Variable[]
  readonly backward: Backward
  /** Whether `backward` itself checks that the saved values have not changed. Default: false. */
  readonly fingerprinted?: boolean
  /** Large arrays that only `backward` reads. Default: none. */
  readonly holds?: readonly Floats[]
  /**
   * The cost of `backward`: the elements of an addition that takes as long; 0 if it does not call the addon. Default:
   * the elements of all inputs and outputs.
   */
  readonly work?: number
}

/** Where a gradient goes: an output of an earlier operation (whose values the graph need not keep), or a leaf. */
export type Destination = Origin | Variable

/** What a node needs to run backward; dropped after that. */
interface Work {
  readonly saved: Saved
  readonly holds: readonly Floats[]
  readonly backward: Backward
}

/** A recorded operation. */
export class GraphNode {
  static #count = 0

  /** The number of the operation in the order of execution: greater than those of all nodes that it depends on. */
  readonly order: number
  readonly name: string
  readonly outputs: number
  /** Where the gradients of the inputs go; null where none is needed. Emptied by `release`. */
  parents: readonly (Destination | null)[]
  /** The cost of the backward function; see {@link Operation.work}. */
  readonly work: number
  #work: Work | null
  /** Whether an asynchronous backward pass is using this node. */
  #claimed = false

  constructor(operation: Operation) {
    this.order = GraphNode.#count++
    this.name = operation.name
    this.outputs = operation.outputs.length
    this.parents = operation.inputs.map((input) =>
      input.requiresGrad ? (input.origin ?? input) : null,
    )
    this.work = operation.work ?? elementsOf(operation)
    this.#work = {
      saved: new Saved(operation.name, operation.saves, operation.fingerprinted ?? false),
      holds: operation.holds ?? [],
      backward: operation.backward,
    }
  }

  /**
   * Throws unless a backward pass can begin: all that it reads is there, unchanged by this package, and no asynchronous
   * pass is using this node.
   */
  check(): void {
    this.recheck()
    if (this.#claimed) {
      throw new Error(
        'Trying to backward through the graph a second time while a backwardAsync() is going through it.',
      )
    }
  }

  /** Throws unless all that the backward pass reads is there, unchanged by this package. */
  recheck(): void {
    this.#alive().saved.check()
  }

  /** Throws if any value that the backward pass reads has changed. */
  verify(): void {
    this.#alive().saved.verify()
  }

  /** Everything that the backward pass reads in addition to the gradients. */
  reads(): Floats[] {
    const { saved, holds } = this.#alive()
    return [...saved.values(), ...holds]
  }

  /** Makes {@link check} refuse other backward passes until {@link leave}. */
  claim(): void {
    this.#claimed = true
  }

  /** Ends a claim. */
  leave(): void {
    this.#claimed = false
  }

  /** The gradients of the inputs. */
  run(gradients: readonly (Floats | null)[]): (Floats | null)[] {
    return this.#alive().backward(
      gradients,
      this.parents.map((parent) => parent !== null),
    )
  }

  /** Releases the saved values, and the references to the graph before this node. */
  release(): void {
    this.#work = null
    this.parents = []
  }

  #alive(): Work {
    if (this.#work === null) {
      throw new Error(
        'Trying to backward through the graph a second time (or directly access saved tensors after they have ' +
          'already been freed). Saved intermediate values of the graph are freed when you call backward().',
      )
    }
    return this.#work
  }
}

/** The elements of all inputs and outputs. */
function elementsOf({ inputs, outputs }: Operation): number {
  return [...inputs, ...outputs].reduce((total, { numel }) => total + numel, 0)
}
