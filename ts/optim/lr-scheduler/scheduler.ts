/** What all schedules share: the optimizer, and a state of plain values that can be saved and loaded. */

import { checkInteger, describe } from '../../check'
import { Optimizer } from '../optimizer'
import { nonNegative } from '../rule'

/** Any optimizer: all of them have a learning rate. */
export type AnyOptimizer = Optimizer<{
  /** The learning rate. */
  lr: number
}>

/** How each value of a state is checked when it is loaded. */
export type StateChecks<State> = {
  readonly [Name in keyof State]: (name: string, value: unknown) => State[Name]
}

// The class hands these out, so that the rest of the package reaches what is private to it.
let plan: (scheduler: LRScheduler<object>, dict: unknown) => () => void
let name: (scheduler: LRScheduler<object>) => string

/** Checks a load of a schedule's state; the result carries it out and cannot fail. */
export function planLoadScheduler(scheduler: LRScheduler<object>, dict: unknown): () => void {
  return plan(scheduler, dict)
}

/** The class's name, as files keep it. */
export function schedulerName(scheduler: LRScheduler<object>): string {
  return name(scheduler)
}

/** Changes the learning rates of an optimizer's groups. */
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

  /** The learning rates of the groups as the last step left them. */
  getLastLr(): number[] {
    return [...this.state.lastLr]
  }

  /** Everything that the schedule goes on from, as plain values. */
  stateDict(): State {
    return structuredClone(this.state)
  }

  /**
   * Takes over what {@link stateDict} of such a schedule gave. The learning rates themselves are the optimizer's, and
   * are loaded with it.
   *
   * @throws RangeError if the number of groups differs, or a value is out of range; TypeError for something of the
   *   wrong kind. Nothing has changed then.
   */
  loadStateDict(dict: State): void {
    this.#planLoad(dict)()
  }

  static {
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
  if (value instanceof Optimizer) return value as AnyOptimizer
  throw new TypeError(`${describe(value)} is not an Optimizer`)
}

/** A number of something. */
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
