/** Learning rates that fall in steps. */

import { checkPositiveInteger } from '../../check'
import { nonNegative } from '../rule'
import { type EpochRule, EpochScheduler } from './epoch-scheduler'
import type { AnyOptimizer } from './scheduler'

/** Options of {@link StepLR}. */
export interface StepLROptions {
  /** The factor by which the learning rates fall. Default: 0.1. */
  gamma?: number | undefined
  /** The epoch after which a schedule goes on. Default: -1, a new one. */
  lastEpoch?: number | undefined
}

/** What {@link StepLR} was made with. */
export interface StepLRSettings {
  /** After how many epochs the learning rates fall. */
  stepSize: number
  /** The factor by which they fall. */
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
 * A schedule sets the learning rates of its optimizer when it is made: make it before a state is loaded into the
 * optimizer. `optimizer.step()` comes before {@link step}, once an epoch.
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
   * @param optimizer whose learning rates are changed.
   * @param stepSize after how many epochs they fall.
   * @param options `gamma`: the factor, default 0.1; `lastEpoch`: the epoch after which a schedule goes on, which
   *   needs `initialLr` in the optimizer's groups, default -1: a new one.
   * @throws RangeError for a value out of range; TypeError for something of the wrong kind, or an option that does not
   *   exist.
   */
  constructor(optimizer: AnyOptimizer, stepSize: number, options?: StepLROptions) {
    super(rule, optimizer, { stepSize, gamma: 0.1 }, options, ['gamma'])
  }
}
