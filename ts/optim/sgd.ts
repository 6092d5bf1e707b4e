/** Stochastic gradient descent. */

import { checkBoolean, refuseExtra } from '../check'
import { native } from '../native'
import type { OptimizerParameters, PartialOptions } from './groups'
import { Optimizer } from './optimizer'
import { finite, nonNegative, type Rule } from './rule'

/** Options of {@link SGD}. */
export interface SGDOptions {
  /** The learning rate. Default: 0.001. */
  lr: number
  /** The momentum factor. Default: 0. */
  momentum: number
  /** The dampening of the gradient in the momentum buffer. Default: 0. */
  dampening: number
  /** The factor of the L2 penalty. Default: 0. */
  weightDecay: number
  /** Whether Nesterov momentum is used. Default: false. */
  nesterov: boolean
  /** Whether the objective is maximized instead of minimized. Default: false. */
  maximize: boolean
}

const rule: Rule<SGDOptions> = {
  name: 'SGD',
  options: ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov', 'maximize'],
  countsSteps: false,
  allBuffers: ['momentumBuffer'],
  buffers: ({ momentum }) => (momentum === 0 ? [] : ['momentumBuffer']),
  check(given) {
    const options = {
      lr: nonNegative('Invalid learning rate', given.lr ?? 1e-3),
      momentum: nonNegative('Invalid momentum value', given.momentum ?? 0),
      dampening: finite('Invalid dampening value', given.dampening ?? 0),
      weightDecay: nonNegative('Invalid weight_decay value', given.weightDecay ?? 0),
      nesterov: checkBoolean('nesterov', given.nesterov ?? false),
      maximize: checkBoolean('maximize', given.maximize ?? false),
    }
    if (options.nesterov && (options.momentum <= 0 || options.dampening !== 0)) {
      throw new RangeError('Nesterov momentum requires a momentum and zero dampening')
    }
    return options
  },
  step({ param, grad, buffers, fresh }, options) {
    native.sgdStep(param, grad, buffers[0] ?? null, fresh[0] ?? false, options)
  },
}

/**
 * Stochastic gradient descent with momentum, as `torch.optim.SGD`.
 *
 *     g = ±grad + weightDecay · p
 *     v = momentum · v + (1 - dampening) · g      (v = g at the first step; only with momentum)
 *     p = p - lr · v                              (nesterov: lr · (g + momentum · v); without momentum: lr · g)
 *
 * @example
 * ```ts
 * import { nn, optim, randn } from '@elman/rnn'
 *
 * const model = new nn.Linear(3, 1)
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })
 * optimizer.zeroGrad()
 * model.forward(randn([8, 3])).mean().backward()
 * optimizer.step()
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
 */
export class SGD extends Optimizer<SGDOptions> {
  /**
   * @param parameters tensors, or groups `{ params, …options }` with options of their own.
   * @param options
   * - `lr`: the learning rate. Default: 0.001.
   * - `momentum`: the momentum factor. Default: 0.
   * - `dampening`: the dampening of the gradient in the momentum buffer. Default: 0.
   * - `weightDecay`: the factor of the L2 penalty. Default: 0.
   * - `nesterov`: whether Nesterov momentum is used. Default: false.
   * - `maximize`: whether the objective is maximized instead of minimized. Default: false.
   * @throws RangeError for a value out of range, no parameters, or one that occurs twice or is not a leaf; TypeError
   *   for an argument of the wrong type, or an unknown option.
   */
  constructor(parameters: OptimizerParameters<SGDOptions>, options?: PartialOptions<SGDOptions>) {
    if (arguments.length > 2) refuseExtra('SGD', 2, arguments)
    super(rule, parameters, options)
  }
}
