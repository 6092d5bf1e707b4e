/** How the states of a recurrent module look in the public API: one tensor, or several. */

import type { Variable } from '../../autograd/variable'
import { type Tensor, wrap } from '../../tensor/tensor'

/** Converts between the public form of the states and their list. */
export interface StateForm<State> {
  /** The argument's name: `hx`. */
  readonly argument: string
  /** The name of each state in messages about its size. */
  readonly labels: readonly string[]
  /** Whether each state has a first dimension for layers and directions. */
  readonly layered: boolean
  /** The states that a value consists of, unchecked. */
  split(value: unknown): readonly unknown[]
  /** The public form of the states. */
  join(states: readonly Variable[]): State
}

/** One state, as a tensor. */
export function oneState(argument: string, label: string, layered: boolean): StateForm<Tensor> {
  return {
    argument,
    labels: [label],
    layered,
    split: (value) => [value],
    join([state]) {
      if (state === undefined) throw new Error('expected a state, got none')
      return wrap(state)
    },
  }
}

/** The gradients of states in their public form: any of several may be missing. */
export type StateGradients<State> = State extends readonly Tensor[]
  ? { readonly [Place in keyof State]: Tensor | null }
  : State
