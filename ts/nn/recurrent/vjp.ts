/** Back-propagation through time by hand: the gradients of a call as a function. */

import type { Variable } from '../../autograd/variable'
import { describe, formatShape, sameShape } from '../../check'
import { type RnnCall, rnnVjp } from '../../ops/rnn'
import { type Tensor, variableOf, wrap } from '../../tensor/tensor'
import type { ParameterSpec } from './parameters'

/** The gradients that a pullback gives. */
export interface RNNGradients {
  /** Of the input, in its shape. */
  input: Tensor
  /** Of the initial hidden states, in the shape of hN; also if `hx` was left out. */
  hx: Tensor
  /** Of each parameter, by name in the order of the state dict. */
  parameters: Map<string, Tensor>
}

/** What `vjp` gives. */
export interface RNNVjp {
  /** As from `forward`. */
  output: Tensor
  /** As from `forward`. */
  hN: Tensor
  /**
   * The gradients of a loss from those of `output` and `hN`; either, but not both, may be null. Can be called any
   * number of times.
   *
   * @throws RangeError or TypeError if a gradient does not fit; Error if a parameter, the input or hx was changed in
   *   place since the call of `vjp`.
   */
  pullback(gradOutput: Tensor | null, gradHN: Tensor | null): RNNGradients
}

/** The options of `vjp`. */
export const vjpOptions: readonly string[] = ['lengths']

/** Runs a call without the tape. */
export function vjp(call: RnnCall, specs: readonly ParameterSpec[]): RNNVjp {
  const { output, hN, pullback } = rnnVjp(call)
  return {
    output: wrap(output),
    hN: wrap(hN),
    pullback(gradOutput, gradHN) {
      const dOutput = checkGradient('gradOutput', gradOutput, output)
      const dHN = checkGradient('gradHN', gradHN, hN)
      if (dOutput === null && dHN === null) {
        throw new RangeError('pullback expects gradOutput or gradHN, but got null for both')
      }
      const gradients = pullback(dOutput?.values() ?? null, dHN?.values() ?? null)
      const parameters = new Map<string, Tensor>()
      gradients.parameters.forEach((gradient, place) => {
        const name = specs[place]?.name
        if (name !== undefined) parameters.set(name, wrap(gradient))
      })
      return { input: wrap(gradients.input), hx: wrap(gradients.hx), parameters }
    },
  }
}

/**
 * Checks an upstream gradient of `vjp`'s pullback.
 *
 * @returns its values; null if there is none.
 */
function checkGradient(name: string, gradient: unknown, of: Variable): Variable | null {
  if (gradient == null) return null
  const variable = variableOf(gradient)
  if (variable === null) {
    throw new TypeError(`gradients can be either Tensors or null, but got ${describe(gradient)}`)
  }
  if (variable.dtype !== of.dtype) {
    throw new TypeError(`expected ${name} to have dtype ${of.dtype}, but got: ${variable.dtype}`)
  }
  if (!sameShape(variable.shape, of.shape)) {
    throw new RangeError(
      `Mismatch in shape: ${name} has a shape of ${formatShape(variable.shape)}, expected ${formatShape(of.shape)}`,
    )
  }
  return variable
}
