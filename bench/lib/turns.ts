/**
 * Taking turns: all contenders compute a while, one after the other, again and again, so that whatever else the
 * machine is doing, or how warm it is, falls on all of them alike.
 */

import { setTimeout } from 'node:timers/promises'
import type { Prepared } from '../contenders/contender'
import { quantile } from './statistics'

/**
 * Calls are timed in rows so long that each has its share of garbage collection: in shorter ones the median would be a
 * time without any.
 */
const rowMilliseconds = 20

/** After a break the first calls find cold caches and sleeping threads; a row of short calls is spent on them. */
const shortMilliseconds = 5

/** Before its first turn each contender gets so long, above all for the sake of V8's compilers. */
const warmUpMilliseconds = 200

/** Calls that take longer count from the first one on. */
const slowMilliseconds = 2000

/** Threads that the last one has left spinning come to rest. */
const pauseMilliseconds = 10

export interface Effort {
  /** how long each contender is measured in all */
  readonly seconds: number
  /** how many turns that is divided into */
  readonly turns: number
  /** as many measurements at least, even if they take up to three times as long */
  readonly repeats: number
}

/** What the measurements of a contender came to: milliseconds of a call. */
export interface Timing {
  readonly median: number
  readonly lowerQuartile: number
  readonly upperQuartile: number
  /** how many rows of how many calls were timed */
  readonly samples: number
  readonly calls: number
}

/** A contender in the course of a race. */
class Runner {
  readonly times: number[] = []
  spent = 0
  /** calls in a row */
  calls = 1
  /** milliseconds of a call, about */
  estimate = 0

  constructor(
    readonly prepared: Prepared,
    readonly effort: Effort,
  ) {}

  async #sample(samples: number): Promise<number[]> {
    const times = await this.prepared.sample(this.calls, samples)
    this.estimate = quantile(times, 0.5)
    return times
  }

  /** Lets compilers and caches get warm, and finds out how many calls make a row. */
  async warmUp(): Promise<void> {
    const end = performance.now() + warmUpMilliseconds
    do {
      const times = await this.#sample(1)
      // Getting ready has computed once; so slow a contender is warm by that, and its time is dear.
      if (this.estimate > slowMilliseconds) {
        this.#note(times)
        return
      }
      if (this.estimate * this.calls < rowMilliseconds) this.calls *= 2
    } while (performance.now() < end)
  }

  get done(): boolean {
    const { seconds, repeats } = this.effort
    return (
      this.spent >= 3000 * seconds || (this.spent >= 1000 * seconds && this.times.length >= repeats)
    )
  }

  async turn(): Promise<void> {
    const { seconds, turns } = this.effort
    if (this.estimate < shortMilliseconds) await this.#sample(1)
    const row = this.estimate * this.calls
    const samples = Math.max(1, Math.round((1000 * seconds) / turns / row))
    this.#note(await this.#sample(samples))
  }

  #note(times: readonly number[]): void {
    for (const time of times) {
      this.times.push(time)
      this.spent += time * this.calls
    }
  }

  get timing(): Timing {
    return {
      median: quantile(this.times, 0.5),
      lowerQuartile: quantile(this.times, 0.25),
      upperQuartile: quantile(this.times, 0.75),
      samples: this.times.length,
      calls: this.calls,
    }
  }
}

/**
 * Measures contenders in turns.
 *
 * @param between runs before each round
 * @returns a timing for each, in their order
 */
export async function takeTurns(
  contenders: readonly Prepared[],
  effort: Effort,
  between: () => void | Promise<void> = () => {},
): Promise<Timing[]> {
  const runners = contenders.map((prepared) => new Runner(prepared, effort))
  for (const runner of runners) await runner.warmUp()
  for (let round = 0; runners.some((runner) => !runner.done); round += 1) {
    await between()
    // Each round begins with another one: the first place, after `between`, costs up to a tenth more.
    const first = round % runners.length
    for (const runner of [...runners.slice(first), ...runners.slice(0, first)]) {
      if (runner.done) continue
      await setTimeout(pauseMilliseconds)
      await runner.turn()
    }
  }
  return runners.map((runner) => runner.timing)
}
