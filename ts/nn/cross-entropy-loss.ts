/** The loss of multi-class classification. */

import { checkInteger, checkOptions, formatShape, refuseExtra, sameShape } from '../check'
import type { DType } from '../dtype'
import { crossEntropy, type Reduction } from '../ops/loss'
import { type IntTensor, intValues } from '../tensor/int-tensor'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { checkReduction } from './loss'
import { Module } from './module'

/** Options of {@link CrossEntropyLoss}. */
export interface CrossEntropyLossOptions {
  /** A target that is ignored, for padding. Default: -100. */
  ignoreIndex?: number | undefined
  /** Whether the losses of all rows are averaged, summed or returned one by one. Default: `'mean'`. */
  reduction?: Reduction | undefined
}

/**
 * The cross entropy of logits and target classes, in nats, as `torch.nn.CrossEntropyLoss`.
 *
 *     loss = -log( exp(logits[target]) / Σ_c exp(logits[c]) )
 *
 * averaged (or summed) over all rows whose target is not `ignoreIndex`.
 *
 * | shape | where |
 * |---|---|
 * | input (…, C) | logits of C classes; (N, C), (T, B, C), or (C) for a single row |
 * | target (…) | an `IntTensor` of the leading shape, with classes from 0 to C - 1 |
 * | output () | a single value; (…) with `reduction: 'none'` |
 *
 * The classes are always the last dimension, so the outputs of a recurrent module fit as they are; in torch they are
 * the second. If all targets are ignored, the mean is NaN.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const loss = new nn.CrossEntropyLoss()
 * const logits = tensor([[2, 0, 0], [0, 0, 3]], { requiresGrad: true })
 * loss.forward(logits, tensor([0, 2], { dtype: 'int32' })).backward()
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
 */
export class CrossEntropyLoss extends Module {
  /** The target that is ignored. */
  readonly ignoreIndex: number
  /** The reduction of the losses of all rows. */
  readonly reduction: Reduction

  /**
   * @param options `ignoreIndex`: a target that is ignored, default -100; `reduction`: `'mean'`, `'sum'` or `'none'`,
   *   default `'mean'`.
   * @throws RangeError for another reduction; TypeError for an option of the wrong type, or an unknown option.
   */
  constructor(options?: CrossEntropyLossOptions) {
    if (arguments.length > 1) refuseExtra('CrossEntropyLoss', 1, arguments)
    super()
    const given = checkOptions('CrossEntropyLoss', options, ['ignoreIndex', 'reduction'])
    this.ignoreIndex = checkInteger('ignore_index', given.ignoreIndex ?? -100)
    this.reduction = checkReduction(given.reduction ?? 'mean')
  }

  /**
   * The loss.
   *
   * @param input logits, (…, C).
   * @param target classes, (…); copied, so `target.data` may change after the call.
   * @throws RangeError if the shapes do not fit or a target is not a class; TypeError if the input is not a tensor or
   *   the target not an `IntTensor`.
   */
  forward<D extends DType>(input: Tensor<D>, target: IntTensor): Tensor<D> {
    if (arguments.length > 2) refuseExtra('CrossEntropyLoss.forward', 2, arguments)
    const ignoreIndex = checkInteger('ignore_index', this.ignoreIndex)
    const reduction = checkReduction(this.reduction)
    const logits = checkTensor('cross_entropy_loss', 'input', input)
    const targets = intValues(target, 'target')
    if (logits.shape.length === 0) {
      throw new RangeError('Expected input to be at least 1D, got 0D tensor instead')
    }
    const leading = logits.shape.slice(0, -1)
    if (!sameShape(leading, target.shape)) {
      throw new RangeError(
        leading.length === 1 && target.shape.length === 1
          ? `Expected input batch_size (${leading[0]}) to match target batch_size (${target.shape[0]}).`
          : `Expected target size ${formatShape(leading)}, got ${formatShape(target.shape)}`,
      )
    }
    return wrap(crossEntropy(logits, targets, ignoreIndex, reduction))
  }
}
