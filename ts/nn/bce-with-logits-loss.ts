/** The loss of classification into two classes. */

import { formatShape, refuseExtra, sameShape } from '../check'
import { PointwiseLoss, type PointwiseLossOptions, type PointwiseLossRule } from './pointwise-loss'

const rule: PointwiseLossRule = {
  name: 'BCEWithLogitsLoss',
  owner: 'binary_cross_entropy_with_logits',
  kind: 'logistic',
  checkShapes(input, target) {
    if (sameShape(input, target)) return
    throw new RangeError(
      `Target size (${formatShape(target)}) must be the same as input size (${formatShape(input)})`,
    )
  },
}

/**
 * The binary cross entropy of logits, in nats, as `torch.nn.BCEWithLogitsLoss`.
 *
 *     loss = -target · log σ(input) - (1 - target) · log(1 - σ(input)),   σ(x) = 1 / (1 + exp(-x))
 *
 * averaged or summed over all elements, each of which is a binary classification. The input is a logit, before the
 * sigmoid. The computation is stable for logits of any size.
 *
 * | shape | where |
 * |---|---|
 * | input (…) | logits, any shape |
 * | target (…) | of the same shape and dtype: the probability of the positive class, from 0 to 1 |
 * | output () | a single value; (…) with `reduction: 'none'` |
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const loss = new nn.BCEWithLogitsLoss()
 * const logits = tensor([2, -1], { requiresGrad: true })
 * loss.forward(logits, tensor([1, 0])).backward()
 * console.log(logits.grad?.toArray()) // about [ -0.06, 0.13 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html
 */
export class BCEWithLogitsLoss extends PointwiseLoss {
  /**
   * @param options `reduction`: `'mean'`, `'sum'` or `'none'`. Default: `'mean'`.
   * @throws RangeError for another reduction; TypeError for an option of the wrong type, or an unknown option.
   */
  constructor(options?: PointwiseLossOptions) {
    if (arguments.length > 1) refuseExtra('BCEWithLogitsLoss', 1, arguments)
    super(rule, options)
  }
}
