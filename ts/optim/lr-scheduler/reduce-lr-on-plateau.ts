/** A schedule that reduces the learning rates when a metric stops improving. */

import { checkChoice, checkOptions, describe, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { isTensor, type Tensor } from '../../tensor/tensor'
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
  /** The factor of a reduction. Default: 0.1. */
  factor?: number | undefined
  /** The number of epochs without improvement that are allowed. Default: 10. */
  patience?: number | undefined
  /** How much better than the best a metric must be to count as an improvement. Default: 0.0001. */
  threshold?: number | undefined
  /** Whether the threshold is relative to the best metric or absolute. Default: `'rel'`. */
  thresholdMode?: 'rel' | 'abs' | undefined
  /** The number of epochs after a reduction that are ignored. Default: 0. */
  cooldown?: number | undefined
  /** The smallest learning rate, of all groups or of each. Default: 0. */
  minLr?: number | readonly number[] | undefined
  /** A reduction by at most this is skipped. Default: 1e-8. */
  eps?: number | undefined
}

/** The state of a {@link ReduceLROnPlateau}. */
export interface PlateauState {
  /** Whether a smaller or a larger metric is better. */
  mode: 'min' | 'max'
  /** The factor of a reduction. */
  factor: number
  /** The number of epochs without improvement that are allowed. */
  patience: number
  /** How much better than the best a metric must be to count as an improvement. */
  threshold: number
  /** Whether the threshold is relative to the best metric or absolute. */
  thresholdMode: 'rel' | 'abs'
  /** The number of epochs after a reduction that are ignored. */
  cooldown: number
  /** The smallest learning rate of each group. */
  minLrs: number[]
  /** A reduction by at most this is skipped. */
  eps: number
  /** The number of epochs that have ended. */
  lastEpoch: number
  /** The best metric so far; infinite before the first. */
  best: number
  /** The number of epochs that are still ignored. */
  cooldownCounter: number
  /** The number of epochs without improvement so far. */
  numBadEpochs: number
  /** The learning rates after the last step. */
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
 * Reduces the learning rates when a metric stops improving, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.
 *
 * They are multiplied by `factor` when the metric has not improved for more than `patience` epochs.
 *
 * A metric improves on the best so far if it is below best · (1 - threshold) or, with an absolute threshold, below best
 * - threshold. With `mode: 'max'`, it must be above best · (1 + threshold) or best + threshold.
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
   * @param optimizer the optimizer whose learning rates are changed.
   * @param options
   * - `mode`: whether a smaller (`'min'`) or a larger (`'max'`) metric is better. Default: `'min'`.
   * - `factor`: the factor of a reduction. Default: 0.1.
   * - `patience`: the number of epochs without improvement that are allowed. Default: 10.
   * - `threshold`: how much better than the best a metric must be to count as an improvement. Default: 0.0001.
   * - `thresholdMode`: whether the threshold is relative to the best metric (`'rel'`) or absolute (`'abs'`). Default:
   *   `'rel'`.
   * - `cooldown`: the number of epochs after a reduction that are ignored. Default: 0.
   * - `minLr`: the smallest learning rate, of all groups or of each. Default: 0.
   * - `eps`: a reduction by at most this is skipped. Default: 1e-8.
   * @throws RangeError for a value out of range; TypeError for an argument of the wrong type, or an unknown option.
   */
  constructor(optimizer: AnyOptimizer, options?: ReduceLROnPlateauOptions) {
    if (arguments.length > 2) refuseExtra('ReduceLROnPlateau', 2, arguments)
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

  /** The number of epochs that have ended: 0 for a new schedule. */
  get lastEpoch(): number {
    return this.state.lastEpoch
  }

  /**
   * Takes the metric of an epoch at its end, and reduces the learning rates if it has stopped improving.
   *
   * @param metrics a number, or a tensor of one element; NaN is not an improvement.
   * @throws TypeError if it is neither; RangeError for a tensor of another size.
   */
  step(metrics: number | Tensor<DType>): void {
    if (arguments.length > 1) refuseExtra('ReduceLROnPlateau.step', 1, arguments)
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
  if (isTensor(metrics)) return metrics.item()
  if (typeof metrics === 'number') return metrics
  throw new TypeError(`metrics should be a number or a Tensor, got: ${describe(metrics)}`)
}

function isBetter(value: number, { mode, threshold, thresholdMode, best }: PlateauState): boolean {
  const sign = mode === 'min' ? -1 : 1
  const limit = thresholdMode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold
  return mode === 'min' ? value < limit : value > limit
}
