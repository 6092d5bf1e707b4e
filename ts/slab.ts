/** Small results side by side in large buffers: to make a buffer takes longer than to fill it. */

import { allocate, allocateUnset, bytesOf, type DType } from './dtype'
import type { Floats } from './native'

/**
 * Bytes of a buffer. As long as one result is in use, all that were made in the same buffer stay in memory; more bytes
 * would save nothing that can be measured.
 */
const BUFFER = 2 ** 17

/** The most bytes that share a buffer: what is left at its end is lost. */
const SMALL = 2 ** 15

/** Each array begins on one, so that vectors lie in it as in memory of its own. */
const CACHE_LINE = 64

/** An array to be made. */
export interface Room {
  readonly numel: number
  /** Whether the addon clears it before it writes; default: false. */
  readonly cleared?: boolean
}

/**
 * Where results of one kind are made.
 *
 * An array is for the addon to write whole before anybody reads it, as with {@link allocateUnset}. A program must not be
 * given one as it is, since others are in its buffer: see `Variable.exposed`.
 */
export class Pool {
  #buffer: ArrayBufferLike = new ArrayBuffer(0)
  /** Bytes of it that are in use. */
  #used = 0

  /**
   * A new array.
   *
   * @throws RangeError as {@link allocate}.
   */
  allocate(dtype: DType, { numel, cleared }: Room): Floats {
    const bytes = numel * bytesOf(dtype)
    if (bytes > SMALL) return allocateUnset(dtype, numel, cleared)
    if (this.#used + bytes > this.#buffer.byteLength) {
      this.#buffer = allocate('float32', BUFFER / bytesOf('float32')).buffer
      this.#used = 0
    }
    const start = this.#used
    this.#used += Math.ceil(bytes / CACHE_LINE) * CACHE_LINE
    return dtype === 'float64'
      ? new Float64Array(this.#buffer, start, numel)
      : new Float32Array(this.#buffer, start, numel)
  }
}

/** Results of passes that will run backward. */
export const resultPool = new Pool()

/** Gradients: apart from the results, since programs keep some of those for long. */
export const gradientPool = new Pool()
