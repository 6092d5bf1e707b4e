/** The random number generator of the package: torch's Mersenne Twister. */

import { types } from 'node:util'
import { checkUnshared, describe, refuseExtra } from './check'
import type { ByteArray } from './dtype'
import { type NativeGenerator, native } from './native'

/** Draws the numbers of initial weights, dropout masks, `rand` and `randn`. */
// With its type written out: a declaration file would name the package itself, whose types are others.
export const generator: NativeGenerator = new native.Generator()

/**
 * Seeds the random number generator: the numbers are then those of torch after `torch.manual_seed(seed)`.
 *
 * Initial weights, dropout masks, `rand` and `randn` all draw from this one generator.
 *
 * @param seed an integer from -2^63 to 2^64 - 1, a `bigint` beyond 2^53. A negative seed s is the same as s + 2^64.
 * @throws TypeError if it is not an integer; RangeError if it is out of range.
 *
 * @example
 * ```ts
 * import { manualSeed, rand } from '@elman/rnn'
 *
 * manualSeed(0)
 * console.log(rand([2]).data[0]?.toFixed(4)) // 0.4963
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.manual_seed.html
 */
export function manualSeed(seed: number | bigint): void {
  if (arguments.length > 1) refuseExtra('manualSeed', 1, arguments)
  generator.manualSeed(checkSeed(seed))
}

/**
 * The state of the random number generator, for {@link setRngState}: 5056 bytes, the same as torch's.
 *
 * @example
 * ```ts
 * import { getRngState } from '@elman/rnn'
 *
 * console.log(getRngState().length) // 5056
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.get_rng_state.html
 */
export function getRngState(): ByteArray {
  if (arguments.length > 0) refuseExtra('getRngState', 0, arguments)
  return generator.getState() as ByteArray
}

/**
 * Restores a state of the random number generator that {@link getRngState} returned.
 *
 * @throws TypeError if it is not a `Uint8Array`; RangeError if it is not such a state. Nothing changes on an error.
 *
 * @example
 * ```ts
 * import { getRngState, rand, setRngState } from '@elman/rnn'
 *
 * const state = getRngState()
 * const first = rand([3])
 * setRngState(state)
 * const second = rand([3]) // the same numbers
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.set_rng_state.html
 */
export function setRngState(state: Uint8Array): void {
  if (arguments.length > 1) refuseExtra('setRngState', 1, arguments)
  if (!types.isUint8Array(state)) {
    throw new TypeError(`RNG state must be a Uint8Array, got: ${describe(state)}`)
  }
  checkUnshared('state', state)
  generator.setState(state)
}

function checkSeed(seed: unknown): bigint {
  if (typeof seed !== 'bigint' && (typeof seed !== 'number' || !Number.isInteger(seed))) {
    throw new TypeError(`seed should be of type int, got: ${describe(seed)}`)
  }
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RangeError(`a seed beyond 2^53 must be a bigint, got: ${seed}`)
  }
  const value = BigInt(seed)
  if (value < -(2n ** 63n) || value >= 2n ** 64n) {
    throw new RangeError(`Overflow when unpacking long long: seed ${value}`)
  }
  return value
}
