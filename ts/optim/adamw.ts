/** Adam with decoupled weight decay. */

import { refuseExtra } from '../check'
import { type AdamOptions, adamRule } from './adam'
import type { OptimizerParameters, PartialOptions } from './groups'
import { Optimizer } from './optimizer'

const rule = adamRule('AdamW', 1e-2, true)

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`.
 *
 *     p = p - lr · weightDecay · p
 *     m = β₁ m + (1 - β₁) g          g = ±grad
 *     v = β₂ v + (1 - β₂) g²
 *     p = p - lr · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + eps)      (amsgrad: the largest v so far)
 *
 * where t counts the steps of the parameter. Unlike in {@link Adam}, the decay is not part of the gradient, so it does
 * not depend on the size of the gradients.
 *
 * @example
 * ```ts
 * import { nn, optim, randn } from '@elman/rnn'
 *
 * const model = new nn.RNN(3, 8)
 * const optimizer = new optim.AdamW(model.parameters(), { lr: 0.002, weightDecay: 0.05 })
 * const [output] = model.forward(randn([5, 2, 3]))
 * optimizer.zeroGrad()
 * output.mul(output).mean().backward()
 * optimizer.step()
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
 */
export class AdamW extends Optimizer<AdamOptions> {
  /**
   * @param parameters tensors, or groups `{ params, …options }` with options of their own.
   * @param options
   * - `lr`: the learning rate. Default: 0.001.
   * - `betas`: the decay rates of the running means of gradient and squared gradient. Default: [0.9, 0.999].
   * - `eps`: added to the denominator. Default: 1e-8.
   * - `weightDecay`: the factor of the decay. Default: 0.01.
   * - `amsgrad`: whether the largest v so far is used. Default: false.
   * - `maximize`: whether the objective is maximized instead of minimized. Default: false.
   * @throws RangeError for a value out of range, no parameters, or one that occurs twice or is not a leaf; TypeError
   *   for an argument of the wrong type, or an unknown option.
   */
  constructor(parameters: OptimizerParameters<AdamOptions>, options?: PartialOptions<AdamOptions>) {
    if (arguments.length > 2) refuseExtra('AdamW', 2, arguments)
    super(rule, parameters, options)
  }
}
