/** Gradient clipping. */

import type { Variable } from '../../autograd/variable'
import { checkBoolean, checkNumber, checkOptions, describe, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { native } from '../../native'
import { pythonFloat } from '../../python'
import { Tensor, variableOf } from '../../tensor/tensor'

/** Options of {@link clipGradNorm_}. */
export interface ClipGradNormOptions {
  /** The p of the p-norm: any number, `Infinity` or `'inf'` for the largest absolute value. Default: 2. */
  normType?: number | 'inf' | '-inf' | undefined
  /** Whether a total norm that is NaN or infinite is an error. Default: false. */
  errorIfNonfinite?: boolean | undefined
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
 * @param options
 * - `normType`: the p of the p-norm, any number; `Infinity` or `'inf'` for the largest absolute value. With 0, the norm is
 *   the number of gradients that are not zero. Default: 2.
 * - `errorIfNonfinite`: whether a total norm that is NaN or infinite is an error. If not, all gradients are scaled by it:
 *   they become NaN or 0. Default: false.
 * @returns the norm before clipping; 0 if there are no gradients.
 * @throws TypeError if something is not a tensor, a number or a boolean, or for an unknown option; RangeError if
 *   `maxNorm` is negative, a number is NaN, or the norm is not finite and `errorIfNonfinite` is set. No gradient changes
 *   on an error.
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
  if (arguments.length > 3) refuseExtra('clipGradNorm_', 3, arguments)
  const given = checkOptions('clipGradNorm_', options, ['normType', 'errorIfNonfinite'])
  const limit = checkNumber('max_norm', maxNorm)
  if (limit < 0) throw new RangeError(`max_norm must not be negative, got: ${limit}`)
  const p = checkNormType(given.normType ?? 2)
  const strict = checkBoolean('error_if_nonfinite', given.errorIfNonfinite ?? false)
  const grads = gradientsOf(parameters)
  const norm = totalNorm(grads, p)
  if (strict && !Number.isFinite(norm)) {
    throw new RangeError(
      `The total norm of order ${pythonFloat(p)} for gradients from \`parameters\` is non-finite, so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set \`error_if_nonfinite=False\``,
    )
  }
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
  if (arguments.length > 2) refuseExtra('clipGradValue_', 2, arguments)
  const limit = checkNumber('clip_value', clipValue)
  if (limit < 0) throw new RangeError(`clip_value must not be negative, got: ${limit}`)
  for (const grad of gradientsOf(parameters)) {
    grad.mutate((values) => native.clip(values, limit))
  }
}

function checkNormType(value: unknown): number {
  if (value === 'inf') return Number.POSITIVE_INFINITY
  if (value === '-inf') return Number.NEGATIVE_INFINITY
  return checkNumber('norm_type', value)
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
  // A count of gradients, unlike another norm, is not that of the two norms.
  if (p === 0) return norms.reduce((sum, count) => sum + count, 0)
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
