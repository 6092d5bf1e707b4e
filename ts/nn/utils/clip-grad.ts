/** Gradient clipping. */

import type { Variable } from '../../autograd/variable'
import { checkNumber, checkOptions, describe } from '../../check'
import type { DType } from '../../dtype'
import { native } from '../../native'
import { Tensor, variableOf } from '../../tensor/tensor'

/** Options of {@link clipGradNorm_}. */
export interface ClipGradNormOptions {
  /** The p of the p-norm; may be `Infinity`. Default: 2. */
  normType?: number | undefined
}

/**
 * Scales all gradients in place so that their total norm is at most `maxNorm`, as `torch.nn.utils.clip_grad_norm_`.
 *
 * Each gradient becomes grad · min(1, maxNorm / (norm + 1e-6)), where the norm is taken over the elements of all
 * gradients together.
 *
 * Parameters without a gradient are skipped.
 *
 * @param parameters the parameters, or a single one.
 * @param maxNorm the largest norm that is not reduced.
 * @param options `normType`: the p of the p-norm, or `Infinity`. Default: 2.
 * @returns the norm before clipping; 0 if there are no gradients.
 * @throws TypeError if something is not a tensor or a number; RangeError if `maxNorm` is negative or NaN, or `normType`
 *   is not greater than zero.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const w = tensor([0, 0], { requiresGrad: true })
 * w.mul(tensor([3, 4])).sum().backward()
 * console.log(nn.utils.clipGradNorm_([w], 1)) // 5
 * console.log(w.grad?.toArray()) // about [ 0.6, 0.8 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
 */
export function clipGradNorm_(
  parameters: Iterable<Tensor<DType>> | Tensor<DType>,
  maxNorm: number,
  options?: ClipGradNormOptions,
): number {
  const { normType = 2 } = checkOptions('clipGradNorm_', options, ['normType'])
  const limit = checkNumber('max_norm', maxNorm)
  if (limit < 0) throw new RangeError(`max_norm must not be negative, got: ${limit}`)
  const p = checkNumber('norm_type', normType)
  if (p <= 0) throw new RangeError(`norm_type must be greater than zero, got: ${p}`)
  const grads = gradientsOf(parameters)
  const norm = totalNorm(grads, p)
  const scale = Math.min(1, limit / (norm + 1e-6))
  if (scale !== 1) {
    for (const grad of grads) grad.mutate((values) => native.mulScalar(values, scale, values))
  }
  return norm
}

/**
 * Clamps all gradients in place to [-`clipValue`, `clipValue`], as `torch.nn.utils.clip_grad_value_`.
 *
 * Parameters without a gradient are skipped; NaN stays NaN.
 *
 * @param parameters the parameters, or a single one.
 * @param clipValue the largest absolute value of an element.
 * @throws TypeError if something is not a tensor or a number; RangeError if `clipValue` is negative or NaN.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const w = tensor([0, 0], { requiresGrad: true })
 * w.mul(tensor([3, -0.5])).sum().backward()
 * nn.utils.clipGradValue_([w], 1)
 * console.log(w.grad?.toArray()) // [ 1, -0.5 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html
 */
export function clipGradValue_(
  parameters: Iterable<Tensor<DType>> | Tensor<DType>,
  clipValue: number,
): void {
  const limit = checkNumber('clip_value', clipValue)
  if (limit < 0) throw new RangeError(`clip_value must not be negative, got: ${limit}`)
  for (const grad of gradientsOf(parameters)) {
    grad.mutate((values) => native.clip(values, limit))
  }
}

/** ‖(‖g_i‖_p)_i‖_p over gradients of either dtype. */
function totalNorm(grads: readonly Variable[], p: number): number {
  const norms = (['float32', 'float64'] as const).flatMap((dtype) => {
    const some = grads.filter((grad) => grad.dtype === dtype)
    return some.length === 0
      ? []
      : native.gradNorm(
          some.map((grad) => grad.values()),
          p,
        )
  })
  return norms.length < 2 ? (norms[0] ?? 0) : native.gradNorm([Float64Array.from(norms)], p)
}

/** The gradients of the parameters, each once. */
function gradientsOf(parameters: unknown): Variable[] {
  const list = parameters instanceof Tensor ? [parameters] : parameters
  if (typeof list !== 'object' || list === null || !(Symbol.iterator in list)) {
    throw new TypeError(`parameters should be an iterable of Tensors, got: ${describe(parameters)}`)
  }
  const found = new Set<Variable>()
  for (const parameter of list as Iterable<unknown>) {
    const variable = variableOf(parameter)
    if (variable === null) {
      throw new TypeError(
        `parameters should be an iterable of Tensors, but one is ${describe(parameter)}`,
      )
    }
    if (variable.grad !== null) found.add(variable.grad)
  }
  for (const grad of found) grad.values()
  return [...found]
}
