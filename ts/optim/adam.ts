/** Adam, and the update rule that AdamW shares with it. */

import { checkBoolean, describe, refuseExtra } from '../check'
import { native } from '../native'
import type { OptimizerParameters, PartialOptions } from './groups'
import { Optimizer } from './optimizer'
import { finite, nonNegative, type Rule } from './rule'

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** The learning rate. Default: 0.001. */
  lr: number
  /** The decay rates of the running means of gradient and squared gradient. Default: [0.9, 0.999]. */
  betas: readonly [number, number]
  /** Added to the denominator. Default: 1e-8. */
  eps: number
  /** The factor of the L2 penalty, or of the decay of AdamW. Default: 0, for AdamW 0.01. */
  weightDecay: number
  /** Whether the largest v so far is used (AMSGrad). Default: false. */
  amsgrad: boolean
  /** Whether the objective is maximized instead of minimized. Default: false. */
  maximize: boolean
}

/** The rule of Adam (`decoupled` false), or of AdamW, whose weight decay bypasses the running means. */
export function adamRule(
  name: string,
  weightDecayDefault: number,
  decoupled: boolean,
): Rule<AdamOptions> {
  return {
    name,
    options: ['lr', 'betas', 'eps', 'weightDecay', 'amsgrad', 'maximize'],
    countsSteps: true,
    allBuffers: ['expAvg', 'expAvgSq', 'maxExpAvgSq'],
    buffers: ({ amsgrad }) => ['expAvg', 'expAvgSq', ...(amsgrad ? ['maxExpAvgSq'] : [])],
    check: (given) => ({
      lr: nonNegative('Invalid learning rate', given.lr ?? 1e-3),
      betas: checkBetas(given.betas ?? [0.9, 0.999]),
      eps: nonNegative('Invalid epsilon value', given.eps ?? 1e-8),
      weightDecay: nonNegative(
        'Invalid weight_decay value',
        given.weightDecay ?? weightDecayDefault,
      ),
      amsgrad: checkBoolean('amsgrad', given.amsgrad ?? false),
      maximize: checkBoolean('maximize', given.maximize ?? false),
    }),
    step({ param, grad, buffers, step }, { betas, lr, eps, weightDecay, maximize }) {
      const [expAvg, expAvgSq, maxExpAvgSq] = buffers
      if (expAvg === undefined || expAvgSq === undefined) return
      native.adamStep(param, grad, expAvg, expAvgSq, maxExpAvgSq ?? null, step, {
        lr,
        beta1: betas[0],
        beta2: betas[1],
        eps,
        weightDecay,
        decoupled,
        maximize,
      })
    },
  }
}

const rule = adamRule('Adam', 0, false)

/**
 * Adaptive moment estimation, as `torch.optim.Adam`.
 *
 *     g = ±grad + weightDecay · p
 *     m = β₁ m + (1 - β₁) g
 *     v = β₂ v + (1 - β₂) g²
 *     p = p - lr · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + eps)      (amsgrad: the largest v so far)
 *
 * where t counts the steps of the parameter.
 *
 * @example
 * ```ts
 * import { nn, optim, randn } from '@elman/rnn'
 *
 * const model = new nn.RNN(3, 8)
 * const optimizer = new optim.Adam(model.parameters(), { lr: 0.002 })
 * const [output] = model.forward(randn([5, 2, 3]))
 * optimizer.zeroGrad()
 * output.mul(output).mean().backward()
 * optimizer.step()
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
 */
export class Adam extends Optimizer<AdamOptions> {
  /**
   * @param parameters tensors, or groups `{ params, …options }` with options of their own.
   * @param options
   * - `lr`: the learning rate. Default: 0.001.
   * - `betas`: the decay rates of the running means of gradient and squared gradient. Default: [0.9, 0.999].
   * - `eps`: added to the denominator. Default: 1e-8.
   * - `weightDecay`: the factor of the L2 penalty. Default: 0.
   * - `amsgrad`: whether the largest v so far is used. Default: false.
   * - `maximize`: whether the objective is maximized instead of minimized. Default: false.
   * @throws RangeError for a value out of range, no parameters, or one that occurs twice or is not a leaf; TypeError
   *   for an argument of the wrong type, or an unknown option.
   */
  constructor(parameters: OptimizerParameters<AdamOptions>, options?: PartialOptions<AdamOptions>) {
    if (arguments.length > 2) refuseExtra('Adam', 2, arguments)
    super(rule, parameters, options)
  }
}

function checkBetas(value: unknown): readonly [number, number] {
  if (!Array.isArray(value) || value.length !== 2) {
    throw new TypeError(`betas should be two numbers, got: ${describe(value)}`)
  }
  return [checkBeta(0, value[0]), checkBeta(1, value[1])]
}

function checkBeta(index: number, value: unknown): number {
  const message = `Invalid beta parameter at index ${index}`
  const beta = finite(message, value)
  if (beta < 0 || beta >= 1) throw new RangeError(`${message}: ${beta}`)
  return beta
}
