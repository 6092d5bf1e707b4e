/** Kinds of numbers, and arrays of them. */

import { types } from 'node:util'
import type { Floats } from './native'

/** The kinds of numbers that a {@link Tensor} can hold. */
export type DType = 'float32' | 'float64'

/** Every dtype of a `Tensor`, in the order in which messages list them. */
export const dtypes: readonly DType[] = ['float32', 'float64']

/** The dtype of an array. */
export function dtypeOf(values: Floats): DType {
  return types.isFloat64Array(values) ? 'float64' : 'float32'
}

/** An array of `length` zeros. */
export function allocate(dtype: DType, length: number): Floats {
  return dtype === 'float64' ? new Float64Array(length) : new Float32Array(length)
}

/** A new array with the same values in `dtype`. */
export function converted(values: ArrayLike<number>, dtype: DType): Floats {
  return dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values)
}
