/** The absolute error. */

import { checkSameShape, refuseExtra } from '../check'
import { PointwiseLoss, type PointwiseLossOptions, type PointwiseLossRule } from './pointwise-loss'

const rule: PointwiseLossRule = {
  name: 'L1Loss',
  owner: 'l1_loss',
  kind: 'absolute',
  checkShapes: checkSameShape,
}

/**
 * The absolute error |input - target|, averaged or summed, as `torch.nn.L1Loss`.
 *
 * Its gradient is the sign of the difference, 0 if they are equal, so outliers weigh less than with {@link MSELoss}.
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
 * const loss = new nn.L1Loss()
 * console.log(loss.forward(tensor([1, 2]), tensor([1, 4])).item()) // 1
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.L1Loss.html
 */
export class L1Loss extends PointwiseLoss {
  /**
   * @param options `reduction`: `'mean'`, `'sum'` or `'none'`. Default: `'mean'`.
   * @throws RangeError for another reduction; TypeError for an option of the wrong type, or an unknown option.
   */
  constructor(options?: PointwiseLossOptions) {
    if (arguments.length > 1) refuseExtra('L1Loss', 1, arguments)
    super(rule, options)
  }
}
