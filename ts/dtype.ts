/** Kinds of numbers, and arrays of them. */

import { Buffer, constants } from 'node:buffer'
import type { Floats } from './native'

/** The kinds of numbers that a {@link Tensor} can hold. */
export type DType = 'float32' | 'float64'

/** Every dtype of a `Tensor`, in the order in which messages list them. */
export const dtypes: readonly DType[] = ['float32', 'float64']

/** The dtype of an array. */
export function dtypeOf(values: Floats): DType {
  return values.BYTES_PER_ELEMENT === 8 ? 'float64' : 'float32'
}

/** Bytes of an element. */
function bytesOf(dtype: DType): number {
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

/** Bytes from which on it takes longer to zero an array than to write it where it is not in the cache. */
const LARGE = 2 ** 20

/**
 * A new array for the addon to write whole before anybody reads it: a large one holds whatever was in memory.
 *
 * @param cleared whether the addon clears it before: then one of any size does.
 * @throws RangeError as {@link allocate}.
 */
export function allocateUnset(dtype: DType, length: number, cleared = false): Floats {
  const bytes = length * bytesOf(dtype)
  if (!((cleared || bytes >= LARGE) && bytes <= constants.MAX_LENGTH)) {
    return allocate(dtype, length)
  }
  try {
    const { buffer } = Buffer.allocUnsafeSlow(bytes) // never a part of a larger one
    return dtype === 'float64' ? new Float64Array(buffer) : new Float32Array(buffer)
  } catch {
    return allocate(dtype, length) // which says what is wrong
  }
}

/** Bytes up to which arrays are made together: beyond, the time that it saves is nothing beside that of the call. */
const TOGETHER = 2 ** 18

/** Arrays made together take whole multiples of it, so each lies among the lines as the first does. */
const CACHE_LINE = 64

/** An array to be made. */
export interface Room {
  readonly numel: number
  /** Whether the addon clears it before it writes; default: false. */
  readonly cleared?: boolean
}

/**
 * What `make` makes of a new array for each of `rooms` that is not null. The addon is to write them whole, as with
 * {@link allocateUnset}; small ones come in one buffer, since to make a buffer takes longer than to fill it. A program must
 * not be given one as it is: see `Variable.exposed`.
 *
 * @throws RangeError as {@link allocate}.
 */
export function allocateTogether<const R extends readonly (Room | null)[], M>(
  dtype: DType,
  rooms: R,
  make: (data: Floats, room: NonNullable<R[number]>) => M,
): { [K in keyof R]: M | Extract<R[K], null> } {
  const line = CACHE_LINE / bytesOf(dtype)
  const lines = rooms.reduce((total, room) => total + Math.ceil((room?.numel ?? 0) / line), 0)
  const together = lines * CACHE_LINE <= TOGETHER ? allocate(dtype, lines * line) : null
  let end = 0
  const made = rooms.map((room) => {
    if (room === null) return null
    const { numel, cleared } = room
    if (together === null) return make(allocateUnset(dtype, numel, cleared), room)
    const start = end
    end += Math.ceil(numel / line) * line
    return make(together.subarray(start, start + numel), room)
  })
  return made as { [K in keyof R]: M | Extract<R[K], null> }
}

/** Whether there is more in the array's buffer than the array. */
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
