/** Version, instruction set and threads of the addon. */

import { checkInteger, refuseExtra } from './check'
import { native } from './native'

/** Version, instruction set and threads of the addon. */
export interface BackendInfo {
  /** The version of the addon. */
  version: string
  /** The instruction set in use; `ELMAN_ISA` forces one. */
  isa: string
  /** The instruction sets that this processor supports. */
  isaAvailable: string[]
  /** The number of threads that a large call uses. */
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
  if (arguments.length > 0) refuseExtra('backendInfo', 0, arguments)
  return native.backendInfo()
}

/**
 * Sets the number of threads that a large call uses.
 *
 * No result depends on it. The environment variable `ELMAN_NUM_THREADS` gives the number at the start.
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
  if (arguments.length > 1) refuseExtra('setNumThreads', 1, arguments)
  if (checkInteger('threads', threads) <= 0) {
    throw new RangeError(`set_num_threads expects a positive integer, got: ${threads}`)
  }
  native.setNumThreads(threads)
}

/**
 * The number of threads that a large call uses.
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
  if (arguments.length > 0) refuseExtra('getNumThreads', 0, arguments)
  return native.getNumThreads()
}
