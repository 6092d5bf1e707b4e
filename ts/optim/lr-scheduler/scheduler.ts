/** The base class of all schedules: the optimizer, and a state that can be saved and loaded. */

import { brand } from '../../brand'
import { checkInteger, describe, refuseExtra } from '../../check'
import { ofThisRealm } from '../../realm'
import { refuseCopies } from '../../tools'
import { isOptimizer, type Optimizer } from '../optimizer'
import { nonNegative } from '../rule'

/** Any optimizer with a learning rate. */
export type AnyOptimizer = Optimizer<{
  /** The learning rate. */
  lr: number
}>

const { structuredClone: copied } = ofThisRealm({ structuredClone })

/** The check of each value of a state that is loaded. */
export type StateChecks<State> = {
  readonly [Name in keyof State]: (name: string, value: unknown) => State[Name]
}

// Assigned by the class: access to its private fields for this package.
let plan: (scheduler: LRScheduler<object>, dict: unknown) => () => void
let name: (scheduler: LRScheduler<object>) => string
/** Whether a value is a schedule, and no proxy of one. */
export let isScheduler: (value: unknown) => value is LRScheduler<object>

/** Checks a load of a schedule's state. The function that it returns loads it and cannot fail. */
export function planLoadScheduler(scheduler: LRScheduler<object>, dict: unknown): () => void {
  return plan(scheduler, dict)
}

/** The class's name, as stored in files. */
export function schedulerName(scheduler: LRScheduler<object>): string {
  return name(scheduler)
}

/** The base class of all schedules, which change the learning rates of an optimizer's groups. */
export abstract class LRScheduler<State extends object> {
  /** The optimizer whose learning rates are changed. */
  readonly optimizer: AnyOptimizer
  /** @internal */
  protected readonly state: State & { lastLr: number[] }
  readonly #name: string
  readonly #checks: StateChecks<State>

  /** @internal */
  protected constructor(
    name: string,
    optimizer: AnyOptimizer,
    state: State & { lastLr: number[] },
    checks: StateChecks<State>,
  ) {
    this.#name = name
    this.#checks = checks
    this.optimizer = optimizer
    this.state = state
  }

  /** The learning rates of the groups after the last step. */
  getLastLr(): number[] {
    if (arguments.length > 0) refuseExtra('LRScheduler.getLastLr', 0, arguments)
    return [...this.state.lastLr]
  }

  /** The state of the schedule, as plain values. */
  stateDict(): State {
    if (arguments.length > 0) refuseExtra('LRScheduler.stateDict', 0, arguments)
    return copied(this.state)
  }

  /**
   * Loads a state from {@link stateDict} of a schedule of the same class. The learning rates themselves belong to the
   * optimizer, and are loaded with it.
   *
   * @throws RangeError if the number of groups differs, or a value is out of range; TypeError for a value of the wrong
   *   type. Nothing changes on an error.
   */
  loadStateDict(dict: State): void {
    if (arguments.length > 1) refuseExtra('LRScheduler.loadStateDict', 1, arguments)
    this.#planLoad(dict)()
  }

  static {
    brand(LRScheduler.prototype, 'LRScheduler')
    isScheduler = (value): value is LRScheduler<object> =>
      typeof value === 'object' && value !== null && #checks in value
    refuseCopies(LRScheduler.prototype, 'a schedule changes the optimizer that it was made with')
    plan = (scheduler, dict) => scheduler.#planLoad(dict)
    name = (scheduler) => scheduler.#name
  }

  #planLoad(dict: unknown): () => void {
    if (typeof dict !== 'object' || dict === null) {
      throw new TypeError(`Expected state_dict to be an object, got ${describe(dict)}`)
    }
    const given = dict as Readonly<Record<string, unknown>>
    const loaded: Record<string, unknown> = {}
    for (const name of Object.keys(this.#checks) as (keyof State & string)[]) {
      loaded[name] = this.#checks[name](`${name} in the state of ${this.#name}`, given[name])
    }
    return () => {
      Object.assign(this.state, loaded)
    }
  }
}

/** An optimizer, as the first argument of a schedule. */
export function checkOptimizer(value: unknown): AnyOptimizer {
  if (isOptimizer(value)) return value as AnyOptimizer
  throw new TypeError(`${describe(value)} is not an Optimizer`)
}

/** Checks a count: a non-negative integer. */
export function checkCount(name: string, value: unknown): number {
  const count = checkInteger(name, value)
  if (count < 0) throw new RangeError(`${name} must not be negative, got: ${count}`)
  return count
}

/** The learning rates of the groups. */
export function learningRates({ paramGroups }: AnyOptimizer): number[] {
  return paramGroups.map(({ lr }) => nonNegative('Invalid learning rate', lr))
}

/** A check of a list with one number for each group. */
export function onePerGroup(
  { paramGroups }: AnyOptimizer,
  check: (name: string, value: unknown) => number,
): (name: string, value: unknown) => number[] {
  return (name, value) => {
    if (!Array.isArray(value)) {
      throw new TypeError(`${name} should be an array of numbers, got: ${describe(value)}`)
    }
    if (value.length !== paramGroups.length) {
      throw new RangeError(
        `${name} should have one number for each of the ${paramGroups.length} groups, got ${value.length}`,
      )
    }
    return Array.from(value, (item) => check(name, item))
  }
}
