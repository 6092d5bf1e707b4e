/** The loss of regression. */

import { checkOptions, checkSameDType, checkSameShape } from '../check'
import { mseLoss, type Reduction } from '../ops/loss'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { checkReduction } from './loss'
import { Module } from './module'

/** Options of {@link MSELoss}. */
export interface MSELossOptions {
  /** Whether the losses of all elements are averaged, summed or kept apart. Default: `'mean'`. */
  reduction?: Reduction | undefined
}

/**
 * The squared distance of each element from its target, as `torch.nn.MSELoss`: (input - target)², averaged or summed.
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
export class MSELoss extends Module {
  /** What is done with the losses of the elements. */
  readonly reduction: Reduction

  /**
   * @param options `reduction`: `'mean'`, `'sum'` or `'none'`. Default: `'mean'`.
   * @throws RangeError for another reduction; TypeError for an option of the wrong kind or that does not exist.
   */
  constructor(options?: MSELossOptions) {
    super()
    const given = checkOptions('MSELoss', options, ['reduction'])
    this.reduction = checkReduction(given.reduction ?? 'mean')
  }

  /**
   * The loss.
   *
   * @param input any shape.
   * @param target of the same shape and dtype; gradients flow to it too, if it needs one.
   * @throws RangeError if the shapes differ; TypeError if the dtypes do, or one is not a tensor.
   */
  forward(input: Tensor, target: Tensor): Tensor {
    const given = checkTensor('mse_loss', 'input', input)
    const wanted = checkTensor('mse_loss', 'target', target)
    checkSameDType('mse_loss(): expected input and target', given.dtype, wanted.dtype)
    checkSameShape(given.shape, wanted.shape)
    return wrap(mseLoss(given, wanted, checkReduction(this.reduction)))
  }
}
