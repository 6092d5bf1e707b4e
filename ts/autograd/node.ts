/** The nodes of the tape: one for each recorded operation. */

import type { Floats } from '../native'
import { isRecording } from './grad-mode'
import { Saved } from './saved'
import { type Origin, Variable } from './variable'

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

/** An operation that has been carried out. */
export interface Operation {
  /** Its name in messages, as in torch: `TanhBackward0`. */
  readonly name: string
  readonly inputs: readonly Variable[]
  readonly outputs: readonly Variable[]
  /** The inputs and outputs whose values `backward` reads. */
  readonly saves: readonly Variable[]
  readonly backward: Backward
  /** Whether `backward` makes sure itself that nothing has been written into them. Default: false. */
  readonly fingerprinted?: boolean
  /** Large arrays that only `backward` reads. Default: none. */
  readonly holds?: readonly Floats[]
  /**
   * How long `backward` takes, in elements that an addition would have to go through; 0 if the addon has no part in
   * it. Default: the elements of all inputs and outputs.
   */
  readonly work?: number
}

/** Where a gradient goes: an output of an earlier operation (whose values the graph need not keep), or a leaf. */
export type Destination = Origin | Variable

/** What a node needs to run backward; dropped once that has happened. */
interface Work {
  readonly saved: Saved
  readonly holds: readonly Floats[]
  readonly backward: Backward
}

/** The multiply-adds of large products that take as long as an addition goes through one element of its arrays. */
export const multiplyAddsOfAnElement = 32

/** A recorded operation. */
export class GraphNode {
  static #count = 0

  /** Operations are numbered as they happen, so a node's number is greater than those of all nodes before it. */
  readonly order: number
  readonly name: string
  readonly outputs: number
  /** Where the gradients of the inputs go; null where none is needed. Emptied by `release`. */
  parents: readonly (Destination | null)[]
  /** How long it takes; see {@link Operation.work}. */
  readonly work: number
  #work: Work | null
  /** Whether a backward pass that takes several turns of the event loop is going through it. */
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
   * Throws unless a backward pass can begin: everything that it reads is there, not changed by this package, and no
   * other pass is going through here.
   */
  check(): void {
    this.recheck()
    if (this.#claimed) {
      throw new Error(
        'Trying to backward through the graph a second time while a backwardAsync() is going through it.',
      )
    }
  }

  /** Throws unless everything that the backward pass reads is there, and not changed by this package. */
  recheck(): void {
    this.#alive().saved.check()
  }

  /** Throws if anything has been written into what the backward pass reads. */
  verify(): void {
    this.#alive().saved.verify()
  }

  /** Everything that the backward pass reads in addition to the gradients. */
  reads(): Floats[] {
    const { saved, holds } = this.#alive()
    return [...saved.values(), ...holds]
  }

  /** Keeps other backward passes away until {@link leave}. */
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

  /** Releases everything that was kept for the backward pass, and of the graph before it. */
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

/** The elements that the backward function of an operation has to do with. */
function elementsOf({ inputs, outputs }: Operation): number {
  return [...inputs, ...outputs].reduce((total, { numel }) => total + numel, 0)
}

/** Whether an operation on these inputs will be recorded: recording is on, and one of them needs a gradient. */
export function willRecord(inputs: readonly Variable[]): boolean {
  return isRecording() && inputs.some((input) => input.requiresGrad)
}

/** Puts an operation on the tape, if it has to be; its outputs then have it as their origin. */
export function record(operation: Operation): void {
  if (!willRecord(operation.inputs)) return
  const node = new GraphNode(operation)
  operation.outputs.forEach((variable, output) => {
    variable.origin = { node, output }
  })
}

/** A new variable made by an operation that has one output and reads `saves` in its backward. */
export function apply(
  name: string,
  data: Floats,
  shape: readonly number[],
  inputs: readonly Variable[],
  saves: readonly Variable[] | 'output',
  backward: (gradient: Floats, wanted: readonly boolean[]) => (Floats | null)[],
  rest: Pick<Operation, 'work' | 'holds'> = {},
): Variable {
  const output = Variable.of(data, shape)
  const nothing = inputs.map(() => null)
  record({
    ...rest,
    name,
    inputs,
    outputs: [output],
    saves: saves === 'output' ? [output] : saves,
    backward: ([gradient], wanted) => (gradient ? backward(gradient, wanted) : nothing),
  })
  return output
}
