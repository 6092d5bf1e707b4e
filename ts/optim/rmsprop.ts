/** Root mean square propagation. */

import { checkBoolean, refuseExtra } from '../check'
import { native } from '../native'
import type { OptimizerParameters, PartialOptions } from './groups'
import { Optimizer } from './optimizer'
import { nonNegative, type Rule } from './rule'

/** Options of {@link RMSprop}. */
export interface RMSpropOptions {
  /** The learning rate. Default: 0.01. */
  lr: number
  /** The decay rate of the running means. Default: 0.99. */
  alpha: number
  /** Added to the denominator. Default: 1e-8. */
  eps: number
  /** The factor of the L2 penalty. Default: 0. */
  weightDecay: number
  /** The momentum factor. Default: 0. */
  momentum: number
  /** Whether the gradient is divided by its standard deviation instead of its root mean square. Default: false. */
  centered: boolean
  /** Whether the objective is maximized instead of minimized. Default: false. */
  maximize: boolean
}

const rule: Rule<RMSpropOptions> = {
  name: 'RMSprop',
  options: ['lr', 'alpha', 'eps', 'weightDecay', 'momentum', 'centered', 'maximize'],
  countsSteps: true,
  allBuffers: ['squareAvg', 'momentumBuffer', 'gradAvg'],
  buffers: ({ momentum, centered }) => [
    'squareAvg',
    ...(momentum === 0 ? [] : ['momentumBuffer']),
    ...(centered ? ['gradAvg'] : []),
  ],
  check: (given) => ({
    lr: nonNegative('Invalid learning rate', given.lr ?? 1e-2),
    alpha: nonNegative('Invalid alpha value', given.alpha ?? 0.99),
    eps: nonNegative('Invalid epsilon value', given.eps ?? 1e-8),
    weightDecay: nonNegative('Invalid weight_decay value', given.weightDecay ?? 0),
    momentum: nonNegative('Invalid momentum value', given.momentum ?? 0),
    centered: checkBoolean('centered', given.centered ?? false),
    maximize: checkBoolean('maximize', given.maximize ?? false),
  }),
  step({ param, grad, buffers }, { centered, ...options }) {
    const [squareAvg, ...others] = buffers
    if (squareAvg === undefined) return
    const momentumBuffer = options.momentum === 0 ? null : (others[0] ?? null)
    const gradAvg = centered ? (others.at(-1) ?? null) : null
    native.rmspropStep(param, grad, squareAvg, gradAvg, momentumBuffer, options)
  },
}

/**
 * Root mean square propagation, as `torch.optim.RMSprop`.
 *
 * The gradient is divided by the root of its running mean square, element by element.
 *
 *     g = ±grad + weightDecay · p
 *     v = alpha · v + (1 - alpha) · g²
 *     a = alpha · a + (1 - alpha) · g                     (only if centered)
 *     d = g / (√v + eps)                                  (centered: g / (√(v - a²) + eps))
 *     b = momentum · b + d,  p = p - lr · b               (without momentum: p = p - lr · d)
 *
 * @example
 * ```ts
 * import { nn, optim, randn } from '@elman/rnn'
 *
 * const model = new nn.RNN(3, 8)
 * const optimizer = new optim.RMSprop(model.parameters(), { lr: 0.001, momentum: 0.9 })
 * const [output] = model.forward(randn([5, 2, 3]))
 * optimizer.zeroGrad()
 * output.mul(output).mean().backward()
 * optimizer.step()
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  /**
   * @param parameters tensors, or groups `{ params, …options }` with options of their own.
   * @param options
   * - `lr`: the learning rate. Default: 0.01.
   * - `alpha`: the decay rate of the running means. Default: 0.99.
   * - `eps`: added to the denominator. Default: 1e-8.
   * - `weightDecay`: the factor of the L2 penalty. Default: 0.
   * - `momentum`: the momentum factor. Default: 0.
   * - `centered`: whether the gradient is divided by its standard deviation instead of its root mean square. Default:
   *   false.
   * - `maximize`: whether the objective is maximized instead of minimized. Default: false.
   * @throws RangeError for a value out of range, no parameters, or one that occurs twice or is not a leaf; TypeError
   *   for an argument of the wrong type, or an unknown option.
   */
  constructor(
    parameters: OptimizerParameters<RMSpropOptions>,
    options?: PartialOptions<RMSpropOptions>,
  ) {
    if (arguments.length > 2) refuseExtra('RMSprop', 2, arguments)
    super(rule, parameters, options)
  }
}
