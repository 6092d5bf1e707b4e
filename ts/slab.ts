/** A slab allocator for small results: creating a buffer takes longer than filling a small one. */

import { allocate, allocateUnset, bytesOf, type DType } from './dtype'
import type { Floats } from './native'

/**
 * Bytes of a slab. A live array pins its whole slab; a larger slab is not measurably faster.
 */
const SLAB = 2 ** 17

/** The largest array in a slab, in bytes; it bounds the bytes that are lost at the end of a slab. */
const SMALL = 2 ** 15

/** Alignment of the arrays, in bytes. */
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
 * The addon writes all of an array before anything reads it, as with {@link allocateUnset}. A program gets a copy with
 * a buffer of its own: see `Variable.exposed`.
 */
export class SlabAllocator {
  #slab: ArrayBufferLike = new ArrayBuffer(0)
  /** Bytes of the slab that are in use. */
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

/** Results of forward passes on the tape. */
export const resultSlabs = new SlabAllocator()

/** Gradients, in slabs apart from the results: a result that a program keeps for long would pin them. */
export const gradientSlabs = new SlabAllocator()
