/** Operations that join tensors. */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { checkDim, checkSameDType, formatShape, sameShape } from '../check'
import { allocate } from '../dtype'
import type { Floats } from '../native'

/** The inputs, concatenated along dimension `dim`. */
export function cat(list: readonly Variable[], dim: unknown): Variable {
  const [first] = list
  if (first === undefined) throw new RangeError('cat(): expected a non-empty list of Tensors')
  list.forEach(({ shape }, place) => {
    if (shape.length === 0) {
      throw new RangeError(`zero-dimensional tensor (at position ${place}) cannot be concatenated`)
    }
  })
  const axis = checkDim('cat', 'dim', dim, first.shape.length)
  list.forEach(({ shape, dtype }, place) => {
    checkSameDType('cat(): expected all tensors', first.dtype, dtype)
    if (shape.length !== first.shape.length) {
      throw new RangeError(
        `Tensors must have same number of dimensions: got ${first.shape.length} and ${shape.length}`,
      )
    }
    shape.forEach((size, at) => {
      const expected = first.shape[at]
      if (at === axis || size === expected) return
      throw new RangeError(
        `Sizes of tensors must match except in dimension ${axis}. Expected size ${expected} but got size ${size} for tensor number ${place} in the list.`,
      )
    })
  })
  const length = list.reduce((total, { shape }) => total + (shape[axis] ?? 0), 0)
  return joined(
    'CatBackward0',
    list,
    first.shape.slice(0, axis).reduce((product, size) => product * size, 1),
    first.shape.map((size, at) => (at === axis ? length : size)),
  )
}

/** The inputs, all of one shape, stacked along a new dimension `dim`. */
export function stack(list: readonly Variable[], dim: unknown): Variable {
  const [first] = list
  if (first === undefined) throw new RangeError('stack expects a non-empty TensorList')
  const axis = checkDim('stack', 'dim', dim, first.shape.length + 1)
  list.forEach(({ shape, dtype }, place) => {
    checkSameDType('stack(): expected all tensors', first.dtype, dtype)
    if (sameShape(shape, first.shape)) return
    throw new RangeError(
      `stack expects each tensor to be equal size, but got ${formatShape(first.shape)} at entry 0 and ${formatShape(shape)} at entry ${place}`,
    )
  })
  const before = first.shape.slice(0, axis)
  return joined(
    'StackBackward0',
    list,
    before.reduce((product, size) => product * size, 1),
    [...before, list.length, ...first.shape.slice(axis)],
  )
}

/** Joins the inputs: `outer` times, a run of each input in order. */
function joined(
  name: string,
  list: readonly Variable[],
  outer: number,
  shape: readonly number[],
): Variable {
  const [first] = list
  const dtype = first?.dtype ?? 'float32'
  const counts = list.map(({ numel }) => numel)
  const out = allocate(
    dtype,
    counts.reduce((total, count) => total + count, 0),
  )
  interleave(
    out,
    list.map((input) => input.values()),
    outer,
    (whole, part) => whole.set(part),
  )
  const backward = (gradient: Floats, wanted: readonly boolean[]): (Floats | null)[] => {
    const parts = counts.map((count) => allocate(dtype, count))
    interleave(gradient, parts, outer, (whole, part) => part.set(whole))
    return parts.map((part, place) => (wanted[place] ? part : null))
  }
  return apply(name, out, shape, list, [], backward, { work: 0 })
}

/** Visits the runs of `whole` in order, each with its part. */
function interleave(
  whole: Floats,
  parts: readonly Floats[],
  outer: number,
  move: (whole: Floats, part: Floats) => void,
): void {
  if (whole.length === 0) return // `outer` may be large even so
  let offset = 0
  for (let row = 0; row < outer; row += 1) {
    for (const part of parts) {
      const run = part.length / outer
      const next = offset + run
      move(whole.subarray(offset, next), part.subarray(row * run, row * run + run))
      offset = next
    }
  }
}
