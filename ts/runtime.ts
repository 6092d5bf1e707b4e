/** Threads, and what the addon runs on. */

import { checkInteger } from './check'
import { native } from './native'

/** What the arithmetic runs on. */
export interface BackendInfo {
  /** The version of the addon. */
  version: string
  /** The instruction set in use; `ELMAN_ISA` forces one. */
  isa: string
  /** Those that this processor has. */
  isaAvailable: string[]
  /** How many threads a large call is shared among. */
  threads: number
}

/**
 * Version, instruction set and number of threads of the addon.
 *
 * @example
 * ```ts
 * import { backendInfo } from '@elman/rnn'
 *
 * const { isa, threads } = backendInfo()
 * console.log(`${isa} on ${threads} threads`)
 * ```
 */
export function backendInfo(): BackendInfo {
  return native.backendInfo()
}

/**
 * Sets among how many threads a large call is shared. No result depends on it. `ELMAN_NUM_THREADS` sets it from
 * outside.
 *
 * @param threads an integer greater than zero.
 * @throws TypeError if it is not an integer; RangeError if it is less than one.
 *
 * @example
 * ```ts
 * import { getNumThreads, setNumThreads } from '@elman/rnn'
 *
 * setNumThreads(2)
 * console.log(getNumThreads()) // 2
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html
 */
export function setNumThreads(threads: number): void {
  if (checkInteger('threads', threads) <= 0) {
    throw new RangeError(`set_num_threads expects a positive integer, got: ${threads}`)
  }
  native.setNumThreads(threads)
}

/**
 * Among how many threads a large call is shared.
 *
 * @example
 * ```ts
 * import { getNumThreads } from '@elman/rnn'
 *
 * console.log(getNumThreads() >= 1) // true
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.get_num_threads.html
 */
export function getNumThreads(): number {
  return native.getNumThreads()
}
