/** Small results side by side in large buffers (slabs): to make a buffer takes longer than to fill a small one. */

import { allocate, allocateUnset, bytesOf, type DType } from './dtype'
import type { Floats } from './native'

/**
 * Bytes of a slab. A live array keeps its whole slab in memory; more bytes save nothing that can be measured.
 */
const SLAB = 2 ** 17

/** The most bytes of an array in a slab: what is left at the end of a slab is lost. */
const SMALL = 2 ** 15

/** Each array begins at one, as an array in memory of its own does. */
const CACHE_LINE = 64

/** An array to allocate. */
export interface Allocation {
  readonly numel: number
  /** Whether the addon clears it before it writes. Default: false. */
  readonly cleared?: boolean
}

/**
 * Allocates results of one kind.
 *
 * The addon writes an array whole before anything reads it, as with {@link allocateUnset}. A program is never given one
 * as it is, since others are in its buffer: see `Variable.exposed`.
 */
export class SlabAllocator {
  #slab: ArrayBufferLike = new ArrayBuffer(0)
  /** Bytes of it that are in use. */
  #used = 0

  /**
   * A new array.
   *
   * @throws RangeError as {@link allocate}.
   */
  allocate(dtype: DType, { numel, cleared }: Allocation): Floats {
    const bytes = numel * bytesOf(dtype)
    if (bytes > SMALL) return allocateUnset(dtype, numel, cleared)
    if (this.#used + bytes > this.#slab.byteLength) {
      this.#slab = allocate('float32', SLAB / bytesOf('float32')).buffer
      this.#used = 0
    }
    const start = this.#used
    this.#used += Math.ceil(bytes / CACHE_LINE) * CACHE_LINE
    return dtype === 'float64'
      ? new Float64Array(this.#slab, start, numel)
      : new Float32Array(this.#slab, start, numel)
  }
}

/** Results of passes that will run backward. */
export const resultSlabs = new SlabAllocator()

/** Gradients: not among the results, since programs keep some of those for long. */
export const gradientSlabs = new SlabAllocator()
