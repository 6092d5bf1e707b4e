/** Learning rates that fall when nothing gets better. */

import { checkChoice, checkOptions, describe } from '../../check'
import { Tensor } from '../../tensor/tensor'
import { finite, nonNegative } from '../rule'
import {
  type AnyOptimizer,
  checkCount,
  checkOptimizer,
  LRScheduler,
  learningRates,
  onePerGroup,
  type StateChecks,
} from './scheduler'

/** Options of {@link ReduceLROnPlateau}. */
export interface ReduceLROnPlateauOptions {
  /** Whether a smaller or a larger metric is better. Default: `'min'`. */
  mode?: 'min' | 'max' | undefined
  /** The factor by which the learning rates fall. Default: 0.1. */
  factor?: number | undefined
  /** How many epochs without progress are put up with. Default: 10. */
  patience?: number | undefined
  /** How much better than the best a metric has to be to count as progress. Default: 0.0001. */
  threshold?: number | undefined
  /** Whether the threshold is a share of the best metric, or a difference from it. Default: `'rel'`. */
  thresholdMode?: 'rel' | 'abs' | undefined
  /** How many epochs after a fall do not count. Default: 0. */
  cooldown?: number | undefined
  /** The smallest learning rate, of all groups or of each. Default: 0. */
  minLr?: number | readonly number[] | undefined
  /** A fall that is not larger than this is left out. Default: 1e-8. */
  eps?: number | undefined
}

/** What {@link ReduceLROnPlateau} remembers. */
export interface PlateauState {
  /** Whether a smaller or a larger metric is better. */
  mode: 'min' | 'max'
  /** The factor by which the learning rates fall. */
  factor: number
  /** How many epochs without progress are put up with. */
  patience: number
  /** How much better than the best a metric has to be to count as progress. */
  threshold: number
  /** Whether the threshold is a share of the best metric, or a difference from it. */
  thresholdMode: 'rel' | 'abs'
  /** How many epochs after a fall do not count. */
  cooldown: number
  /** The smallest learning rate of each group. */
  minLrs: number[]
  /** A fall that is not larger than this is left out. */
  eps: number
  /** How many epochs have ended. */
  lastEpoch: number
  /** The best metric so far; infinite before the first. */
  best: number
  /** How many epochs do not count yet. */
  cooldownCounter: number
  /** How many epochs there was no progress. */
  numBadEpochs: number
  /** The learning rates as the last step left them. */
  lastLr: number[]
}

const optionNames = [
  ...['mode', 'factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps'],
]

function checkFactor(name: string, value: unknown): number {
  const factor = nonNegative(name, value)
  if (factor >= 1) throw new RangeError('Factor should be < 1.0.')
  return factor
}

function checkBest(name: string, value: unknown): number {
  if (typeof value === 'number') return value
  throw new TypeError(`${name} should be a number, got: ${describe(value)}`)
}

function stateChecks(optimizer: AnyOptimizer): StateChecks<PlateauState> {
  return {
    mode: (_, value) => checkChoice(value, ['min', 'max'], `mode ${String(value)} is unknown!`),
    factor: checkFactor,
    patience: checkCount,
    threshold: finite,
    thresholdMode: (_, value) =>
      checkChoice(value, ['rel', 'abs'], `threshold mode ${String(value)} is unknown!`),
    cooldown: checkCount,
    minLrs: onePerGroup(optimizer, nonNegative),
    eps: nonNegative,
    lastEpoch: checkCount,
    best: checkBest,
    cooldownCounter: checkCount,
    numBadEpochs: checkCount,
    lastLr: onePerGroup(optimizer, nonNegative),
  }
}

/**
 * Multiplies the learning rates by `factor` when a metric has not got better for more than `patience` epochs, as
 * `torch.optim.lr_scheduler.ReduceLROnPlateau`.
 *
 * A metric is better than the best so far if it is below best · (1 - threshold) or, in the absolute mode, below
 * best - threshold; where larger ones are better, above best · (1 + threshold) or best + threshold.
 *
 * @example
 * ```ts
 * import { nn, optim } from '@elman/rnn'
 *
 * const optimizer = new optim.SGD(new nn.Linear(3, 1).parameters(), { lr: 1 })
 * const scheduler = new optim.lrScheduler.ReduceLROnPlateau(optimizer, { patience: 1, factor: 0.5 })
 * for (const loss of [3, 2, 2.1, 2.2, 2.3]) {
 *   optimizer.step()
 *   scheduler.step(loss)
 * }
 * console.log(optimizer.paramGroups[0]?.lr) // 0.5
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html
 */
export class ReduceLROnPlateau extends LRScheduler<PlateauState> {
  /**
   * @param optimizer whose learning rates are changed.
   * @param options
   * - `mode`: whether a smaller (`'min'`) or a larger (`'max'`) metric is better. Default: `'min'`.
   * - `factor`: the factor by which the learning rates fall. Default: 0.1.
   * - `patience`: how many epochs without progress are put up with. Default: 10.
   * - `threshold`: how much better than the best a metric has to be. Default: 0.0001.
   * - `thresholdMode`: whether that is a share of the best (`'rel'`) or a difference (`'abs'`). Default: `'rel'`.
   * - `cooldown`: how many epochs after a fall do not count. Default: 0.
   * - `minLr`: the smallest learning rate, of all groups or of each. Default: 0.
   * - `eps`: a fall that is not larger is left out. Default: 1e-8.
   * @throws RangeError for a value out of range; TypeError for something of the wrong kind, or an option that does not
   *   exist.
   */
  constructor(optimizer: AnyOptimizer, options?: ReduceLROnPlateauOptions) {
    const given = checkOptions('ReduceLROnPlateau', options, optionNames)
    const checked = checkOptimizer(optimizer)
    const checks = stateChecks(checked)
    const mode = checks.mode('mode', given.mode ?? 'min')
    const minLr = given.minLr ?? 0
    const lastLr = learningRates(checked)
    super(
      'ReduceLROnPlateau',
      checked,
      {
        mode,
        factor: checks.factor('factor', given.factor ?? 0.1),
        patience: checks.patience('patience', given.patience ?? 10),
        threshold: checks.threshold('threshold', given.threshold ?? 1e-4),
        thresholdMode: checks.thresholdMode('threshold_mode', given.thresholdMode ?? 'rel'),
        cooldown: checks.cooldown('cooldown', given.cooldown ?? 0),
        minLrs: checks.minLrs('min_lr', Array.isArray(minLr) ? minLr : lastLr.map(() => minLr)),
        eps: checks.eps('eps', given.eps ?? 1e-8),
        lastEpoch: 0,
        best: mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY,
        cooldownCounter: 0,
        numBadEpochs: 0,
        lastLr,
      },
      checks,
    )
  }

  /** How many epochs have ended: 0 for a new schedule. */
  get lastEpoch(): number {
    return this.state.lastEpoch
  }

  /**
   * Notes the metric of an epoch that has ended, and lets the learning rates fall if it is time.
   *
   * @param metrics a number, or a tensor of one element; NaN is no progress.
   * @throws TypeError if it is neither; RangeError for a tensor of another size.
   */
  step(metrics: number | Tensor): void {
    const current = checkMetric(metrics)
    const { state, optimizer } = this
    const before = learningRates(optimizer)
    const better = isBetter(current, state)
    const inCooldown = state.cooldownCounter > 0
    const badEpochs = better || inCooldown ? 0 : state.numBadEpochs + 1
    const falls = badEpochs > state.patience
    const lastLr = before.map((lr, place) => {
      const lower = Math.max(lr * state.factor, state.minLrs[place] ?? 0)
      return falls && lr - lower > state.eps ? lower : lr
    })
    optimizer.paramGroups.forEach((group, place) => {
      group.lr = lastLr[place] ?? group.lr
    })
    Object.assign(state, {
      lastEpoch: state.lastEpoch + 1,
      best: better ? current : state.best,
      cooldownCounter: falls ? state.cooldown : Math.max(state.cooldownCounter - 1, 0),
      numBadEpochs: falls ? 0 : badEpochs,
      lastLr,
    })
  }
}

function checkMetric(metrics: unknown): number {
  if (metrics instanceof Tensor) return metrics.item()
  if (typeof metrics === 'number') return metrics
  throw new TypeError(`metrics should be a number or a Tensor, got: ${describe(metrics)}`)
}

function isBetter(value: number, { mode, threshold, thresholdMode, best }: PlateauState): boolean {
  const sign = mode === 'min' ? -1 : 1
  const limit = thresholdMode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold
  return mode === 'min' ? value < limit : value > limit
}
