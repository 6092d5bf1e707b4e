/** A stepwise learning rate schedule. */

import { checkPositiveInteger, refuseExtra } from '../../check'
import { nonNegative } from '../rule'
import { type EpochRule, EpochScheduler } from './epoch-scheduler'
import type { AnyOptimizer } from './scheduler'

/** Options of {@link StepLR}. */
export interface StepLROptions {
  /** The factor of a reduction. Default: 0.1. */
  gamma?: number | undefined
  /** The epoch after which the schedule continues. Default: -1, a new schedule. */
  lastEpoch?: number | undefined
}

/** The settings of a {@link StepLR}. */
export interface StepLRSettings {
  /** The number of epochs between reductions. */
  stepSize: number
  /** The factor of a reduction. */
  gamma: number
}

const rule: EpochRule<StepLRSettings> = {
  name: 'StepLR',
  checks: { stepSize: checkPositiveInteger, gamma: nonNegative },
  next: ({ lr, epoch }, { stepSize, gamma }) =>
    epoch === 0 || epoch % stepSize !== 0 ? lr : lr * gamma,
}

/**
 * Multiplies the learning rates by `gamma` every `stepSize` epochs, as `torch.optim.lr_scheduler.StepLR`.
 *
 * The constructor sets the learning rates of the optimizer, so create a schedule before you load a state into the
 * optimizer. Call {@link step} once an epoch, after `optimizer.step()`.
 *
 * @example
 * ```ts
 * import { nn, optim } from '@elman/rnn'
 *
 * const optimizer = new optim.SGD(new nn.Linear(3, 1).parameters(), { lr: 0.5 })
 * const scheduler = new optim.lrScheduler.StepLR(optimizer, 2, { gamma: 0.5 })
 * const rates: number[] = []
 * for (let epoch = 0; epoch < 5; epoch += 1) {
 *   rates.push(optimizer.paramGroups[0]?.lr ?? 0)
 *   optimizer.step()
 *   scheduler.step()
 * }
 * console.log(rates) // [ 0.5, 0.5, 0.25, 0.25, 0.125 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html
 */
export class StepLR extends EpochScheduler<StepLRSettings> {
  /**
   * @param optimizer the optimizer whose learning rates are changed.
   * @param stepSize the number of epochs between reductions.
   * @param options `gamma`: the factor, default 0.1; `lastEpoch`: the epoch after which the schedule continues, which
   *   needs `initialLr` in the optimizer's groups, default -1: a new schedule.
   * @throws RangeError for a value out of range; TypeError for an argument of the wrong type, or an unknown option.
   */
  constructor(optimizer: AnyOptimizer, stepSize: number, options?: StepLROptions) {
    if (arguments.length > 3) refuseExtra('StepLR', 3, arguments)
    super(rule, optimizer, { stepSize, gamma: 0.1 }, options, ['gamma'])
  }
}
