/** Losses. */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { inTorchWords } from '../check'
import { allocate } from '../dtype'
import { native } from '../native'

/** What a loss returns: all its values, or their mean or sum. */
export type Reduction = 'none' | 'mean' | 'sum'

/**
 * -log softmax(logits)[target], row by row.
 *
 * @param logits (…, C)
 * @param targets one class for each row; copied, so they may change after the call.
 * @returns the leading shape of `logits` for `'none'`, otherwise a single value.
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
  try {
    native.crossEntropyForward(logits.values(), kept, rows, classes, ignoreIndex, reduction, out)
  } catch (error) {
    const outOfRange = /^expected 0 ≤ target < \d+, got (.*)$/
    throw inTorchWords(error, outOfRange, (_, target) => `Target ${target} is out of bounds.`)
  }
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

/** (x - t)², |x - t|, or the binary cross entropy of the logit x. */
export type PointwiseLossKind = 'squared' | 'absolute' | 'logistic'

/** Torch's names of the backward functions. */
const pointwiseNames: Record<PointwiseLossKind, Record<Reduction, string>> = {
  squared: named('MseLossBackward0'),
  absolute: { none: 'AbsBackward0', mean: 'MeanBackward0', sum: 'SumBackward0' },
  logistic: named('BinaryCrossEntropyWithLogitsBackward0'),
}

function named(name: string): Record<Reduction, string> {
  return { none: name, mean: name, sum: name }
}

/** A loss of each element against its target; both tensors have one shape and dtype. */
export function pointwiseLoss(
  kind: PointwiseLossKind,
  input: Variable,
  target: Variable,
  reduction: Reduction,
): Variable {
  const { dtype, numel } = input
  const shape = reduction === 'none' ? input.shape : []
  const out = allocate(dtype, reduction === 'none' ? numel : 1)
  native.pointwiseForward(kind, input.values(), target.values(), reduction, out)
  return apply(
    pointwiseNames[kind][reduction],
    out,
    shape,
    [input, target],
    [input, target],
    (gradient, [toInput, toTarget]) => {
      const gradInput = toInput ? allocate(dtype, numel) : null
      const gradTarget = toTarget ? allocate(dtype, numel) : null
      native.pointwiseBackward(
        kind,
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
