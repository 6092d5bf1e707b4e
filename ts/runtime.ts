/** Version, instruction set and threads of the addon, and what it does with denormal numbers. */

import { checkInteger, describe, refuseExtra } from './check'
import { native } from './native'

/** Version, instruction set and threads of the addon, and what it does with denormal numbers. */
export interface BackendInfo {
  /** The version of the addon. */
  version: string
  /** The instruction set in use: `avx512`, `avx2`, `neon` or `scalar`, portable vectors; `ELMAN_ISA` forces one. */
  isa: string
  /** The instruction sets that this processor supports. */
  isaAvailable: string[]
  /** The number of threads that a large call uses. */
  threads: number
  /** Whether denormal numbers are taken as zero; see {@link setFlushDenormal}. */
  flushDenormal: boolean
}

/**
 * Version, instruction set and number of threads of the addon, and whether it flushes denormal numbers.
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
 * No result depends on it. The environment variable `ELMAN_NUM_THREADS` gives the number at the start. Without it
 * that is the number of processors that the process may use; on Apple silicon of those the performance cores, because
 * the threads of a time step wait for each other.
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

/**
 * Sets whether the arithmetic of this package takes denormal numbers as zero, as `torch.set_flush_denormal`.
 *
 * Denormal numbers are those below 1.2e-38 in float32 and 2.2e-308 in float64. They arise in states that decay towards
 * zero, and in the gradients of long sequences. Some processors take 20 to 30 times as long to compute with them.
 *
 * It holds for forward and backward passes, tensor operations, losses, optimizers and streams that begin after the call,
 * on all threads that compute for them. An asynchronous call keeps the setting that it began with. A worker thread has a
 * setting of its own. The results are still the same for any number of threads. JavaScript's own arithmetic is not
 * changed, nor is what tensors hold: `tensor`, `data`, files and copies keep denormal numbers. Off at first.
 *
 * @param on whether they are taken as zero.
 * @returns whether the processor can do that. Those of x86-64 and arm64 can.
 * @throws TypeError if `on` is not a boolean.
 *
 * @example
 * ```ts
 * import { setFlushDenormal, tensor } from '@elman/rnn'
 *
 * const x = tensor([1e-310], { dtype: 'float64' })
 * console.log(x.mul(2).item()) // 2e-310
 * console.log(setFlushDenormal(true)) // true
 * console.log(x.mul(2).item()) // 0
 * setFlushDenormal(false)
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.set_flush_denormal.html
 */
export function setFlushDenormal(on: boolean): boolean {
  if (arguments.length > 1) refuseExtra('setFlushDenormal', 1, arguments)
  if (typeof on !== 'boolean') {
    throw new TypeError(`flush_denormal expects a bool, but got ${describe(on)}`)
  }
  return native.setFlushDenormal(on)
}
