/** The base of the schedules that depend on the number of the epoch alone. */

import { checkInteger, checkOptions, refuseExtra } from '../../check'
import { hasStepped } from '../optimizer'
import { nonNegative } from '../rule'
import {
  checkCount,
  checkOptimizer,
  LRScheduler,
  learningRates,
  onePerGroup,
  type StateChecks,
} from './scheduler'

/** The state of a schedule by epochs, in addition to its settings. */
export interface EpochState {
  /** The learning rates from which the schedule started. */
  baseLrs: number[]
  /** The number of epochs that have ended. */
  lastEpoch: number
  /** The number of times that the schedule has set the learning rates, the first included. */
  stepCount: number
  /** The learning rates after the last step. */
  lastLr: number[]
}

/** The arguments of a rule: a group's learning rates and the epoch. */
export interface Standing {
  readonly lr: number
  readonly baseLr: number
  readonly epoch: number
  /** Whether this is the call of the constructor. */
  readonly initial: boolean
}

/** What differs between these schedules. */
export interface EpochRule<Options extends object> {
  /** The class's name. */
  readonly name: string
  /** The checks of its own options. */
  readonly checks: StateChecks<Options>
  /** The next learning rate of a group. */
  next(standing: Standing, options: Options): number
}

/** A schedule that depends on the number of the epoch alone. */
export class EpochScheduler<Options extends object> extends LRScheduler<Options & EpochState> {
  readonly #rule: EpochRule<Options>

  /** @internal */
  constructor(
    rule: EpochRule<Options>,
    optimizer: unknown,
    required: Options,
    options: unknown,
    optional: readonly (keyof Options & string)[],
  ) {
    const given = checkOptions(rule.name, options, [...optional, 'lastEpoch'])
    const checked = checkOptimizer(optimizer)
    const own = { ...required }
    for (const name of Object.keys(rule.checks) as (keyof Options & string)[]) {
      own[name] = rule.checks[name](name, given[name] ?? required[name])
    }
    const last = checkLastEpoch(given.lastEpoch ?? -1)
    const current = learningRates(checked)
    const baseLrs = checked.paramGroups.map(({ initialLr }, place) => {
      if (initialLr === undefined && last >= 0) {
        throw new RangeError(
          `param 'initialLr' is not specified in paramGroups[${place}] when resuming a schedule with lastEpoch >= 0`,
        )
      }
      return initialLr ?? current[place] ?? 0
    })
    const state = { ...own, baseLrs, lastEpoch: last, stepCount: 0, lastLr: current }
    super(rule.name, checked, state, {
      ...rule.checks,
      baseLrs: onePerGroup(checked, nonNegative),
      lastEpoch: checkCount,
      stepCount: checkCount,
      lastLr: onePerGroup(checked, nonNegative),
    } as StateChecks<Options & EpochState>)
    this.#rule = rule
    this.#advance(true)
    checked.paramGroups.forEach((group, place) => {
      group.initialLr = baseLrs[place]
    })
  }

  /** The number of epochs that have ended: 0 for a new schedule. */
  get lastEpoch(): number {
    return this.state.lastEpoch
  }

  /** The learning rates of the groups from which the schedule started. */
  get baseLrs(): number[] {
    return [...this.state.baseLrs]
  }

  /**
   * Sets the learning rates of the next epoch. Call it at the end of each epoch, after the optimizer's steps.
   *
   * @throws RangeError or TypeError if a group's learning rate is invalid. Nothing changes on an error.
   */
  step(): void {
    if (arguments.length > 0) refuseExtra('LRScheduler.step', 0, arguments)
    if (this.state.stepCount === 1 && !hasStepped(this.optimizer)) {
      process.emitWarning(
        'Detected call of `lrScheduler.step()` before `optimizer.step()`. They should be called in the opposite ' +
          'order: `optimizer.step()` before `lrScheduler.step()`. Otherwise the first value of the schedule is skipped.',
      )
    }
    this.#advance(false)
  }

  #advance(initial: boolean): void {
    const { state, optimizer } = this
    const epoch = state.lastEpoch + 1
    const next = learningRates(optimizer).map((lr, place) =>
      nonNegative(
        'Invalid learning rate',
        this.#rule.next({ lr, baseLr: state.baseLrs[place] ?? lr, epoch, initial }, state),
      ),
    )
    optimizer.paramGroups.forEach((group, place) => {
      group.lr = next[place] ?? group.lr
    })
    Object.assign(state, { lastEpoch: epoch, stepCount: state.stepCount + 1, lastLr: next })
  }
}

function checkLastEpoch(value: unknown): number {
  const epoch = checkInteger('last_epoch', value)
  if (epoch < -1) throw new RangeError(`last_epoch should be -1 or more, got: ${epoch}`)
  return epoch
}
