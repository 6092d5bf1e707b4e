/** The public form of a recurrent module's states: one tensor, or several. */

import type { Variable } from '../../autograd/variable'
import { describe } from '../../check'
import type { DType } from '../../dtype'
import { Tensor, wrap } from '../../tensor/tensor'

/** Converts between the public form of the states and their list. */
export interface StateForm<State> {
  /** The argument's name: `hx`. */
  readonly argument: string
  /** The name of each state as an argument: `hx`, or `hx[0]`. */
  readonly names: readonly string[]
  /** The states by name in messages about their rank: `hx and cx`. */
  readonly together: string
  /** The name of each state in messages about its size. */
  readonly labels: readonly string[]
  /** Whether each state has a first dimension for layers and directions. */
  readonly layered: boolean
  /** The name of one gradient in an argument that holds several. */
  gradientName(argument: string, place: number): string
  /**
   * The states in a value, unchecked.
   *
   * @param owner the function's name in messages.
   * @param argument the value's name.
   */
  split(owner: string, argument: string, value: unknown): readonly unknown[]
  /** The public form of the states. */
  join(states: readonly Variable[]): State
}

/** One state, as a tensor; the form's type has no dtype, so that it fits modules of each. */
export function oneState(
  argument: string,
  label: string,
  layered: boolean,
): StateForm<Tensor<never>> {
  return {
    argument,
    names: [argument],
    together: argument,
    labels: [label],
    layered,
    gradientName: (name) => name,
    split: (_owner, _argument, value) => [value],
    join([state]) {
      if (state === undefined) throw new Error('expected a state, got none')
      return wrap(state)
    },
  }
}

/** The states of an LSTM: the hidden state h and the cell state c. */
export type LSTMState<D extends DType = 'float32'> = [h: Tensor<D>, c: Tensor<D>]

/**
 * h and c, as a pair of tensors; for modules of each dtype, as {@link oneState}.
 *
 * @param operation torch's name of the operation, in messages.
 */
export function twoStates(
  operation: string,
  labels: readonly [h: string, c: string],
  layered: boolean,
): StateForm<LSTMState<never>> {
  return {
    argument: 'hx',
    names: ['hx[0]', 'hx[1]'],
    together: 'hx and cx',
    labels,
    layered,
    gradientName: (name, place) => `${name}[${place}]`,
    split(owner, argument, value) {
      if (!Array.isArray(value)) {
        const got = value instanceof Tensor ? 'Tensor' : describe(value)
        throw new TypeError(
          `${owner}(): argument '${argument}' must be tuple of Tensors, not ${got}`,
        )
      }
      if (value.length !== 2) {
        throw new RangeError(`${operation} expects two hidden states, got ${value.length}`)
      }
      return [...value]
    },
    join([h, c]) {
      if (h === undefined || c === undefined) throw new Error('expected two states')
      return [wrap(h), wrap(c)]
    },
  }
}

/** The gradients of the states in their public form; with several states, any may be null. */
export type StateGradients<State> = State extends readonly unknown[]
  ? { readonly [Place in keyof State]: State[Place] | null }
  : State
