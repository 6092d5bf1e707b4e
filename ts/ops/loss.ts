/** How far a model's outputs are from where they should be. */

import { apply } from '../autograd/node'
import type { Variable } from '../autograd/variable'
import { allocate } from '../dtype'
import { native } from '../native'

/** What a loss does with its values: keep them, or return their mean or sum. */
export type Reduction = 'none' | 'mean' | 'sum'

/**
 * -log softmax(logits)[target], row by row.
 *
 * @param logits (…, C)
 * @param targets one class for each row; copied, so they may change after the call.
 * @returns the leading shape of `logits` for `'none'`, else a single value.
 */
export function crossEntropy(
  logits: Variable,
  targets: Int32Array,
  ignoreIndex: number,
  reduction: Reduction,
): Variable {
  const leading = logits.shape.slice(0, -1)
  const classes = logits.shape.at(-1) ?? 0
  const rows = targets.length
  const { dtype, numel } = logits
  const kept = targets.slice()
  const shape = reduction === 'none' ? leading : []
  const out = allocate(dtype, reduction === 'none' ? rows : 1)
  native.crossEntropyForward(logits.values(), kept, rows, classes, ignoreIndex, reduction, out)
  return apply('NllLossBackward0', out, shape, [logits], [logits], (gradient) => {
    const gradLogits = allocate(dtype, numel)
    native.crossEntropyBackward(
      logits.values(),
      kept,
      rows,
      classes,
      ignoreIndex,
      reduction,
      gradient,
      gradLogits,
    )
    return [gradLogits]
  })
}

/** (input - target)², element by element; both have one shape and dtype. */
export function mseLoss(input: Variable, target: Variable, reduction: Reduction): Variable {
  const { dtype, numel } = input
  const shape = reduction === 'none' ? input.shape : []
  const out = allocate(dtype, reduction === 'none' ? numel : 1)
  native.mseForward(input.values(), target.values(), reduction, out)
  return apply(
    'MseLossBackward0',
    out,
    shape,
    [input, target],
    [input, target],
    (gradient, [toInput, toTarget]) => {
      const gradInput = toInput ? allocate(dtype, numel) : null
      const gradTarget = toTarget ? allocate(dtype, numel) : null
      native.mseBackward(
        input.values(),
        target.values(),
        reduction,
        gradient,
        gradInput,
        gradTarget,
      )
      return [gradInput, gradTarget]
    },
  )
}
