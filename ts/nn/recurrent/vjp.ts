/** Vector-Jacobian products: the gradients of a call as a function. */

import type { Variable } from '../../autograd/variable'
import { describe, formatShape, refuseExtra, sameShape } from '../../check'
import type { DType } from '../../dtype'
import { type RecurrentCall, recurrentVjp } from '../../ops/recurrent'
import { type Tensor, variableOf, wrap } from '../../tensor/tensor'
import type { Parts } from './module'
import type { StateForm, StateGradients } from './states'

/** The gradients that a pullback gives. */
export interface RNNGradients<D extends DType = 'float32', State = Tensor<D>> {
  /** The gradient of the input, in its shape. */
  input: Tensor<D>
  /** The gradient of the initial states, in the shape of hN, also if these were omitted. */
  hx: State
  /** The gradient of each parameter, by name in the order of the state dict. */
  parameters: Map<string, Tensor<D>>
}

/** The result of `vjp`. */
export interface RNNVjp<
  D extends DType = 'float32',
  State = Tensor<D>,
  Gradients = RNNGradients<D, State>,
> {
  /** As from `forward`. */
  output: Tensor<D>
  /** As from `forward`. */
  hN: State
  /**
   * Computes the gradients of a loss from those of `output` and `hN`. One of the two may be null, and so may one of the
   * states of an `nn.LSTM`. It can be called any number of times.
   *
   * @throws RangeError or TypeError if a gradient does not fit; Error if a parameter, the input or a state was changed
   *   in place since the call of `vjp`.
   */
  pullback(gradOutput: Tensor<D> | null, gradHN: StateGradients<State> | null): Gradients
}

/** Runs a call without the tape, and returns its pullback. */
export function vjp<D extends DType, State, Gradients>(
  call: RecurrentCall,
  specs: Parts['specs'],
  form: StateForm<State>,
): RNNVjp<D, State, Gradients> {
  const { output, states, pullback } = recurrentVjp(call)
  return {
    output: wrap(output),
    hN: form.join(states),
    pullback(gradOutput, gradHN) {
      if (arguments.length > 2) refuseExtra('pullback', 2, arguments)
      const dOutput = checkGradient('gradOutput', gradOutput, output)
      const given = gradHN == null ? [] : form.split('pullback', 'gradHN', gradHN)
      const dStates = states.map((state, place) =>
        checkGradient(form.gradientName('gradHN', place), given[place], state),
      )
      const upstream = [dOutput, ...dStates]
      if (upstream.every((gradient) => gradient === null)) {
        throw new RangeError('pullback expects gradOutput or gradHN, but got null for both')
      }
      const gradients = pullback(upstream.map((gradient) => gradient?.values() ?? null))
      const parameters = new Map<string, Tensor<D>>()
      gradients.parameters.forEach((gradient, place) => {
        const name = specs[place]?.name
        if (name !== undefined) parameters.set(name, wrap(gradient))
      })
      return {
        input: wrap(gradients.input),
        hx: form.join(gradients.states),
        parameters,
        ...(gradients.teacher && { teacher: wrap(gradients.teacher) }),
      } as Gradients
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
