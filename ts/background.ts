/**
 * Calls of the addon on another thread, while the event loop goes on.
 *
 * A call is recorded, and runs later on copies of its arrays:
 *
 *     copy         what the calls read, in parts or when they are recorded
 *     run          at most two tasks of the process at a time, the others in a queue
 *     copy back    what the calls have written, in parts
 *
 * So a write to an array meanwhile does not reach the task. The event loop runs between the parts.
 */

import { setImmediate } from 'node:timers/promises'
import { onAbort, throwIfAborted } from './foreign'
import { type Floats, native } from './native'

/** Milliseconds of a time slice. */
const SLICE = 4

/** Elements that are copied at a time: a millisecond at most. */
const PART = 2 ** 19

/** Splits work on this thread into time slices, with the event loop in between. */
export class TimeSlices {
  #since = performance.now()

  /** Lets the event loop run if this slice is over. */
  async pause(): Promise<void> {
    if (performance.now() - this.#since < SLICE) return
    await setImmediate()
    this.#since = performance.now()
  }
}

/** Thrown for a call that the addon cannot run in the background. */
export class NotInBackground extends Error {}

/** Runs calls of the addon on another thread. Call {@link Background.release} at the end. */
export class Background {
  readonly #task = new native.Task()
  readonly #slices: TimeSlices

  constructor(slices: TimeSlices) {
    this.#slices = slices
  }

  /**
   * Copies an array that a call will read, in parts. An array not copied before is copied when the call is recorded.
   */
  copy(array: Floats): Promise<void> {
    return this.#inParts(array, (from, count) => this.#task.copy(array, from, count))
  }

  /**
   * Runs `fn` and records its calls of the addon; their results are there after {@link copyBack}.
   *
   * @throws NotInBackground if one of them has to run at once.
   */
  record<T>(fn: () => T): T {
    this.#task.begin()
    let result: { value: T } | { error: unknown }
    try {
      result = { value: fn() }
    } catch (error) {
      result = { error }
    }
    if (!this.#task.end()) throw new NotInBackground()
    if ('error' in result) throw result.error
    return result.value
  }

  /**
   * Runs the recorded calls.
   *
   * @returns the result of the last one.
   * @throws what a call threw, or the reason of the signal.
   */
  async run(signal: AbortSignal | null): Promise<number> {
    throwIfAborted(signal)
    const ignore = signal && onAbort(signal, () => this.#task.cancel())
    try {
      await this.#task.start()
    } finally {
      ignore?.()
    }
    throwIfAborted(signal)
    return this.#task.finish()
  }

  /** Copies the results of the calls back into an array. Does nothing if they have not written to it. */
  copyBack(array: Floats): Promise<void> {
    return this.#inParts(array, (from, count) => {
      this.#task.copyBack(array, from, count)
    })
  }

  /** Frees all memory. */
  release(): void {
    this.#task.release()
  }

  async #inParts(array: Floats, part: (from: number, count: number) => void): Promise<void> {
    const { length } = array
    for (let from = 0; from < length; from += PART) {
      part(from, Math.min(PART, length - from))
      await this.#slices.pause()
    }
  }
}

/** Runs parts of an asynchronous call that begins now: denormal numbers are treated as when it began. */
export function denormalsAsNow(): <R>(part: () => R) => R {
  const wanted = native.getFlushDenormal()
  return (part) => {
    const before = native.getFlushDenormal()
    if (before === wanted) return part()
    native.setFlushDenormal(wanted)
    try {
      return part()
    } finally {
      native.setFlushDenormal(before)
    }
  }
}
