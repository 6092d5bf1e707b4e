/** A cosine learning rate schedule. */

import { checkPositiveInteger, refuseExtra } from '../../check'
import { nonNegative } from '../rule'
import { type EpochRule, EpochScheduler } from './epoch-scheduler'
import type { AnyOptimizer } from './scheduler'

/** Options of {@link CosineAnnealingLR}. */
export interface CosineAnnealingLROptions {
  /** The smallest learning rate. Default: 0. */
  etaMin?: number | undefined
  /** The epoch after which the schedule continues. Default: -1, a new schedule. */
  lastEpoch?: number | undefined
}

/** The settings of a {@link CosineAnnealingLR}. */
export interface CosineAnnealingLRSettings {
  /** The number of epochs after which the learning rates are `etaMin`. */
  tMax: number
  /** The smallest learning rate. */
  etaMin: number
}

const rule: EpochRule<CosineAnnealingLRSettings> = {
  name: 'CosineAnnealingLR',
  checks: { tMax: checkPositiveInteger, etaMin: nonNegative },
  next({ lr, baseLr, epoch, initial }, { tMax, etaMin }) {
    if (initial) return lr
    // At the minimum of the cosine, where the quotient below would be 0 / 0.
    if ((epoch - 1 - tMax) % (2 * tMax) === 0) {
      return lr + ((baseLr - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2
    }
    const now = 1 + Math.cos((Math.PI * epoch) / tMax)
    const before = 1 + Math.cos((Math.PI * (epoch - 1)) / tMax)
    return (now / before) * (lr - etaMin) + etaMin
  },
}

/**
 * Anneals the learning rates along a cosine, as `torch.optim.lr_scheduler.CosineAnnealingLR`.
 *
 *     lr(t) = etaMin + (lr(0) - etaMin) · (1 + cos(π t / tMax)) / 2
 *
 * after t epochs, computed from the learning rate of the epoch before. Beyond `tMax` it rises again.
 *
 * The constructor sets the learning rates of the optimizer, so create a schedule before you load a state into the
 * optimizer. Call {@link step} once an epoch, after `optimizer.step()`.
 *
 * @example
 * ```ts
 * import { nn, optim } from '@elman/rnn'
 *
 * const optimizer = new optim.Adam(new nn.Linear(3, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, 4)
 * const rates: string[] = []
 * for (let epoch = 0; epoch < 5; epoch += 1) {
 *   rates.push(scheduler.getLastLr()[0]?.toFixed(2) ?? '')
 *   optimizer.step()
 *   scheduler.step()
 * }
 * console.log(rates.join(' ')) // 1.00 0.85 0.50 0.15 0.00
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
 */
export class CosineAnnealingLR extends EpochScheduler<CosineAnnealingLRSettings> {
  /**
   * @param optimizer the optimizer whose learning rates are changed.
   * @param tMax the number of epochs after which they are `etaMin`.
   * @param options `etaMin`: the smallest learning rate, default 0; `lastEpoch`: the epoch after which the schedule
   *   continues, which needs `initialLr` in the optimizer's groups, default -1: a new schedule.
   * @throws RangeError for a value out of range; TypeError for an argument of the wrong type, or an unknown option.
   */
  constructor(optimizer: AnyOptimizer, tMax: number, options?: CosineAnnealingLROptions) {
    if (arguments.length > 3) refuseExtra('CosineAnnealingLR', 3, arguments)
    super(rule, optimizer, { tMax, etaMin: 0 }, options, ['etaMin'])
  }
}
