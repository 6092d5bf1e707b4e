/** Data types, and arrays of them. */

import { Buffer, constants } from 'node:buffer'
import type { Floats } from './native'

/** The data types of a {@link Tensor}. */
export type DType = 'float32' | 'float64'

/**
 * The array of each dtype, with a buffer that is not shared, so that it fits a `Blob` or `crypto.subtle`: for
 * TypeScript 5.7 and newer `Float32Array<ArrayBuffer>`, for older ones, which lack that type, `Float32Array`.
 */
export interface FloatArrays {
  /** `Float32Array<ArrayBuffer>`. */
  float32: ReturnType<typeof Float32Array.of>
  /** `Float64Array<ArrayBuffer>`. */
  float64: ReturnType<typeof Float64Array.of>
}

/** The array of an {@link IntTensor}, with a buffer that is not shared. */
export type IntArray = ReturnType<typeof Int32Array.of>

/** Bytes in a buffer that is not shared: `Uint8Array<ArrayBuffer>`, see {@link FloatArrays}. */
export type ByteArray = ReturnType<typeof Uint8Array.of>

/** Every dtype of a `Tensor`, in the order in which messages list them. */
export const dtypes: readonly DType[] = ['float32', 'float64']

/** The dtype of an array. */
export function dtypeOf(values: Floats): DType {
  return values.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32'
}

/** Bytes of an element. */
export function bytesOf(dtype: DType): number {
  return dtype === 'float64' ? 8 : 4
}

/**
 * An array of `length` zeros.
 *
 * @throws RangeError if it is longer than an array can be, or there is no memory for it.
 */
export function allocate(dtype: DType, length: number): Floats {
  try {
    return dtype === 'float64' ? new Float64Array(length) : new Float32Array(length)
  } catch (cause) {
    throw new RangeError(`cannot allocate ${length} elements of ${dtype}`, { cause })
  }
}

/** Whether Node's buffers are of this realm; see `ts/realm.ts`. */
const ownBuffers = Buffer.alloc(0).buffer instanceof ArrayBuffer

/** Bytes from which zeroing an array costs more than writing it with cache misses. */
const LARGE = 2 ** 20

/**
 * A new array, not zeroed if it is large: the addon writes all of it before anything reads it.
 *
 * @param cleared whether the addon clears the array first; then a small one is not zeroed here either.
 * @throws RangeError as {@link allocate}.
 */
export function allocateUnset(dtype: DType, length: number, cleared = false): Floats {
  const bytes = length * bytesOf(dtype)
  if (!((cleared || bytes >= LARGE) && bytes <= constants.MAX_LENGTH && ownBuffers)) {
    return allocate(dtype, length)
  }
  try {
    const { buffer } = Buffer.allocUnsafeSlow(bytes) // never a slice of Node's pool
    return dtype === 'float64' ? new Float64Array(buffer) : new Float32Array(buffer)
  } catch {
    return allocate(dtype, length) // or throws the error above
  }
}

/** Whether the array's buffer is larger than the array. */
export function sharesBuffer(values: Floats): boolean {
  return values.byteLength < values.buffer.byteLength
}

/** A new array with the same values in `dtype`. */
export function converted(values: ArrayLike<number>, dtype: DType): Floats {
  const copy = allocate(dtype, values.length)
  copy.set(values)
  return copy
}

/** Whether two arrays have memory in common. */
export function overlap(a: Floats, b: Floats): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  )
}
