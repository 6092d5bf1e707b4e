/** The squared error. */

import { checkSameShape, refuseExtra } from '../check'
import { PointwiseLoss, type PointwiseLossOptions, type PointwiseLossRule } from './pointwise-loss'

const rule: PointwiseLossRule = {
  name: 'MSELoss',
  owner: 'mse_loss',
  kind: 'squared',
  checkShapes: checkSameShape,
}

/**
 * The squared error (input - target)², averaged or summed, as `torch.nn.MSELoss`.
 *
 * | shape | where |
 * |---|---|
 * | input, target (…) | any shape, the same for both: nothing is broadcast |
 * | output () | a single value; (…) with `reduction: 'none'` |
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const loss = new nn.MSELoss()
 * console.log(loss.forward(tensor([1, 2]), tensor([1, 4])).item()) // 2
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
 */
export class MSELoss extends PointwiseLoss {
  /**
   * @param options `reduction`: `'mean'`, `'sum'` or `'none'`. Default: `'mean'`.
   * @throws RangeError for another reduction; TypeError for an option of the wrong type, or an unknown option.
   */
  constructor(options?: PointwiseLossOptions) {
    if (arguments.length > 1) refuseExtra('MSELoss', 1, arguments)
    super(rule, options)
  }
}
