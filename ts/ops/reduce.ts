/** Reductions of all elements to one number. */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { allocate, type DType } from '../dtype'
import { type Floats, native } from '../native'

/** The sum of all elements; 0 if there are none. */
export function sum(x: Variable): Variable {
  const { dtype, numel } = x
  return apply('SumBackward0', single(dtype, native.sum(x.values())), [], [x], [], (gradient) => [
    filled(dtype, numel, scalar(gradient)),
  ])
}

/** The mean of all elements; NaN if there are none. */
export function mean(x: Variable): Variable {
  const { dtype, numel } = x
  const value = native.sum(x.values()) / numel
  return apply('MeanBackward0', single(dtype, value), [], [x], [], (gradient) => [
    filled(dtype, numel, scalar(gradient) / numel),
  ])
}

/** An array of one element. */
function single(dtype: DType, value: number): Floats {
  return allocate(dtype, 1).fill(value)
}

function filled(dtype: DType, length: number, value: number): Floats {
  const out = allocate(dtype, length)
  native.fill(out, value)
  return out
}

/** The value of an array of one element. */
function scalar(values: Floats): number {
  return values[0] ?? Number.NaN
}
