/**
 * Work off the event loop.
 *
 * A call of the addon can be recorded instead of being run, and be run later on another thread, on memory of its own:
 *
 *     what the call reads is copied     when it is recorded, or before that in parts
 *     at most two tasks of the process run at a time, the others wait in their order
 *     what it has written is copied back into its arrays, in parts
 *
 * So the task sees nothing of what a program does with an array meanwhile. The event loop runs between the parts.
 */

import { setImmediate } from 'node:timers/promises'
import { describe } from './check'
import { type Floats, native } from './native'

/** Milliseconds of a time slice. */
const SLICE = 4

/** Elements that are copied at a time: a millisecond at most. */
const PART = 2 ** 19

/** Shares this thread with the event loop. */
export class TimeSlices {
  #since = performance.now()

  /** Lets the event loop run if this slice is over. */
  async pause(): Promise<void> {
    if (performance.now() - this.#since < SLICE) return
    await setImmediate()
    this.#since = performance.now()
  }
}

/** A call was made that the addon cannot run in the background. */
export class NotInBackground extends Error {}

/** Calls of the addon that are run on another thread. Call {@link Background.release} in the end. */
export class Background {
  readonly #task = new native.Task()
  readonly #slices: TimeSlices

  constructor(slices: TimeSlices) {
    this.#slices = slices
  }

  /** Copies an array that a call will read, in parts; any other is copied when the call is recorded. */
  copy(array: Floats): Promise<void> {
    return this.#inParts(array, (from, count) => this.#task.copy(array, from, count))
  }

  /**
   * Runs `fn`, whose calls of the addon are only recorded: what they write is there after {@link copyBack}.
   *
   * @throws NotInBackground if one of them has to be run at once.
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
   * Waits until the calls have been run.
   *
   * @returns what the last one gave.
   * @throws what a call threw, or the reason of the signal.
   */
  async run(signal: AbortSignal | null): Promise<number> {
    signal?.throwIfAborted()
    const cancel = (): void => this.#task.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      await this.#task.start()
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
    signal?.throwIfAborted()
    return this.#task.finish()
  }

  /** Copies what the calls have written into an array. Does nothing if they have not. */
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

/** An `AbortSignal`, or null if there is none. */
export function checkSignal(owner: string, value: unknown): AbortSignal | null {
  if (value === undefined || value === null) return null
  if (!(value instanceof AbortSignal)) {
    throw new TypeError(`${owner}(): argument 'signal' must be AbortSignal, not ${describe(value)}`)
  }
  return value
}
