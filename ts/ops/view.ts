/**
 * Operations that rearrange or select elements.
 *
 * Tensors are dense, so all of them copy, except `reshape`, which shares the storage of its input.
 */

import { apply, record } from '../autograd/record'
import { sized } from '../autograd/storage'
import { Variable } from '../autograd/variable'
import { checkDim, checkIndex, checkReshape, checkSlice } from '../check'
import { allocate, converted } from '../dtype'
import { native } from '../native'

/** The same elements in another shape; one size may be -1. Shares the storage. */
export function reshape(x: Variable, shape: unknown): Variable {
  x.values()
  const output = new Variable(x.storage, sized(checkReshape(shape, x.numel)))
  record({
    name: 'ViewBackward0',
    inputs: [x],
    outputs: [output],
    saves: [],
    backward: ([gradient]) => [gradient ?? null],
    work: 0,
  })
  return output
}

/** A copy of the elements. */
export function clone(x: Variable): Variable {
  const copy = converted(x.values(), x.dtype)
  return apply('CloneBackward0', copy, x.shape, [x], [], (gradient) => [gradient], { work: 0 })
}

/** Dimensions `dim0` and `dim1` exchanged. */
export function transpose(x: Variable, dim0: unknown, dim1: unknown): Variable {
  const rank = x.shape.length
  const first = checkDim('transpose', 'dim0', dim0, rank)
  const second = checkDim('transpose', 'dim1', dim1, rank)
  const shape = [...x.shape]
  const strides = stridesOf(x.shape)
  if (rank > 0) {
    swap(shape, first, second)
    swap(strides, first, second)
  }
  return strided('TransposeBackward0', x, 0, shape, strides)
}

/** The slice at `index` of dimension `dim`, which disappears. */
export function select(x: Variable, dim: unknown, index: unknown): Variable {
  if (x.shape.length === 0) throw new RangeError('select() cannot be applied to a 0-dim tensor.')
  const axis = checkDim('select', 'dim', dim, x.shape.length)
  const place = checkIndex(index, x.shape, axis)
  const strides = stridesOf(x.shape)
  const offset = place * (strides[axis] ?? 0)
  const kept = (_: number, at: number): boolean => at !== axis
  const shape = x.shape.filter(kept)
  return strided('SelectBackward0', x, offset, shape, strides.filter(kept))
}

/** Elements `start` to `start + length` of dimension `dim`. */
export function narrow(x: Variable, dim: unknown, start: unknown, length: unknown): Variable {
  if (x.shape.length === 0) throw new RangeError('narrow() cannot be applied to a 0-dim tensor.')
  const axis = checkDim('narrow', 'dim', dim, x.shape.length)
  const [begin, count] = checkSlice(start, length, x.shape[axis] ?? 0)
  const strides = stridesOf(x.shape)
  const offset = begin * (strides[axis] ?? 0)
  const shape = x.shape.map((size, at) => (at === axis ? count : size))
  return strided('SliceBackward0', x, offset, shape, strides)
}

/** A dense copy of the elements at `offset + Σ index · stride`, and its adjoint. */
function strided(
  name: string,
  x: Variable,
  offset: number,
  shape: number[],
  strides: number[],
): Variable {
  const { dtype, numel } = x
  const count = shape.reduce((product, size) => product * size, 1)
  const out = allocate(dtype, count)
  const source = x.values()
  if (count > 0) native.copyStrided(source, offset, shape, strides, out)
  return apply(name, out, shape, [x], [], (gradient) => {
    const result = allocate(dtype, numel)
    if (count > 0) native.addStrided(result, offset, shape, strides, gradient)
    return [result]
  })
}

/** The strides of a dense, row-major array, in elements. */
function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let dim = shape.length - 1; dim >= 0; dim -= 1) {
    strides[dim] = stride
    stride *= shape[dim] ?? 1
  }
  return strides
}

function swap(values: number[], a: number, b: number): void {
  const [first, second] = [values[a], values[b]]
  if (first === undefined || second === undefined) return
  values[a] = second
  values[b] = first
}
