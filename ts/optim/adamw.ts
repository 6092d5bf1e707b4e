/** Adam with decoupled weight decay. */

import { type AdamOptions, adamRule } from './adam'
import type { OptimizerParameters, PartialOptions } from './groups'
import { Optimizer } from './optimizer'

const rule = adamRule('AdamW', 1e-2, true)

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`:
 *
 *     p = p - lr · weightDecay · p
 *     m = β₁ m + (1 - β₁) g          g = ±grad
 *     v = β₂ v + (1 - β₂) g²
 *     p = p - lr · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + eps)      (amsgrad: the largest v so far)
 *
 * where t counts the steps of the parameter. The decay is not part of the gradient, as with {@link Adam}, so it is the
 * same for parameters with large and with small gradients.
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
   * - `betas`: how much of the running means of gradient and squared gradient is kept. Default: [0.9, 0.999].
   * - `eps`: added to the denominator. Default: 1e-8.
   * - `weightDecay`: the factor of the decay. Default: 0.01.
   * - `amsgrad`: whether the denominator may never shrink. Default: false.
   * - `maximize`: whether to climb instead of to descend. Default: false.
   * @throws RangeError for a value out of range, no parameters, or one that comes twice or is no leaf; TypeError for
   *   something of the wrong kind, or an option that does not exist.
   */
  constructor(parameters: OptimizerParameters<AdamOptions>, options?: PartialOptions<AdamOptions>) {
    super(rule, parameters, options)
  }
}
