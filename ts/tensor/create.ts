/** Functions that create tensors. */

import { types } from 'node:util'
import { Variable } from '../autograd/variable'
import {
  checkBoolean,
  checkDType,
  checkOptions,
  checkShape,
  checkUnshared,
  elementCount,
  formatShape,
  refuseExtra,
} from '../check'
import { allocate, converted, type DType, dtypeOf } from '../dtype'
import type { Floats } from '../native'
import { generator } from '../random'
import { type IntTensor, intTensor } from './int-tensor'
import { flatten, type Nested } from './nested'
import { type Tensor, wrap } from './tensor'

/** Options of {@link zeros}, {@link ones}, {@link rand} and {@link randn}. */
export interface FillOptions<D extends DType = 'float32'> {
  /** Default: `'float32'`. */
  dtype?: D | undefined
  /** Whether the tensor is a leaf that collects a gradient. Default: false. */
  requiresGrad?: boolean | undefined
}

/** Options of {@link tensor}. */
export interface TensorOptions<D extends DType = 'float32'> extends FillOptions<D> {
  /** The sizes. Default: those of the nested arrays; one dimension for a flat or typed array. */
  shape?: readonly number[] | undefined
}

/** Options of {@link tensor} for class indices. */
export interface IntTensorOptions {
  /** Selects an {@link IntTensor}. */
  dtype: 'int32'
  /** The sizes. Default: those of the nested arrays; one dimension for a flat or typed array. */
  shape?: readonly number[] | undefined
}

/** What {@link tensor} takes: a number, nested arrays of numbers, or a typed array. */
export type TensorValues =
  | Nested
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array

/**
 * A tensor of the given values.
 *
 * A `Float32Array`, `Float64Array` or `Int32Array` of the right dtype is used in place: the tensor shares memory with
 * it. Everything else is copied.
 *
 * @param values a number, nested arrays of numbers, or a typed array.
 * @param options
 * - `shape`: the sizes. Default: those of the nested arrays; one dimension for a flat or typed array.
 * - `dtype`: `'float32'`, `'float64'` or `'int32'`. Default: that of a `Float64Array` or `Int32Array`, otherwise
 *   `'float32'`. With `'int32'` the result is an {@link IntTensor}, whose values must be 32-bit integers.
 * - `requiresGrad`: whether the tensor is a leaf that collects a gradient. Default: false.
 * @throws TypeError if `values` holds anything but numbers or is in shared memory, or an option has the wrong type;
 *   RangeError if nested arrays differ in length, the shape does not fit, or a value does not fit an `int32`.
 *
 * @example
 * ```ts
 * import { tensor } from '@elman/rnn'
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]])
 * const same = tensor(Float32Array.of(1, 2, 3, 4, 5, 6), { shape: [2, 3] })
 * const w = tensor([0.5], { dtype: 'float64', requiresGrad: true })
 * const targets = tensor([2, 0], { dtype: 'int32' })
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.tensor.html
 */
export function tensor(values: TensorValues, options: IntTensorOptions): IntTensor
export function tensor<D extends DType>(
  values: TensorValues,
  options: TensorOptions<D> & { dtype: D },
): Tensor<NoInfer<D>>
export function tensor(values: Int32Array, options?: Partial<IntTensorOptions>): IntTensor
export function tensor(values: Float64Array, options?: TensorOptions<'float64'>): Tensor<'float64'>
export function tensor(
  values: Exclude<TensorValues, Int32Array | Float64Array>,
  options?: TensorOptions,
): Tensor
export function tensor(
  values: Exclude<TensorValues, Int32Array>,
  options?: TensorOptions<DType>,
): Tensor<DType>
export function tensor(values: TensorValues, options?: object): Tensor<DType> | IntTensor {
  if (arguments.length > 2) refuseExtra('tensor', 2, arguments)
  const given = checkOptions('tensor', options, ['shape', 'dtype', 'requiresGrad'])
  const dtype = given.dtype ?? (types.isInt32Array(values) ? 'int32' : null)
  if (dtype === 'int32') return integers(values, given)
  const { data, shape } = floats(values, dtype === null ? null : checkDType(dtype))
  return leaf(data, shaped(shape, given.shape, data.length), given.requiresGrad)
}

/**
 * A tensor of zeros.
 *
 * @param shape the sizes.
 * @param options `dtype` (default `'float32'`) and `requiresGrad` (default false).
 * @throws TypeError if the shape is not an array of integers; RangeError if one is negative or their product is too
 *   large.
 *
 * @example
 * ```ts
 * import { zeros } from '@elman/rnn'
 *
 * console.log(zeros([2, 3]).toArray()) // [ [ 0, 0, 0 ], [ 0, 0, 0 ] ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.zeros.html
 */
export function zeros<D extends DType = 'float32'>(
  shape: readonly number[],
  options?: FillOptions<D>,
): Tensor<NoInfer<D>> {
  if (arguments.length > 2) refuseExtra('zeros', 2, arguments)
  return filled('zeros', shape, options, () => {})
}

/**
 * A tensor of ones.
 *
 * @param shape the sizes.
 * @param options `dtype` (default `'float32'`) and `requiresGrad` (default false).
 * @throws TypeError if the shape is not an array of integers; RangeError if one is negative or their product is too
 *   large.
 *
 * @example
 * ```ts
 * import { ones } from '@elman/rnn'
 *
 * console.log(ones([2], { dtype: 'float64' }).toArray()) // [ 1, 1 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.ones.html
 */
export function ones<D extends DType = 'float32'>(
  shape: readonly number[],
  options?: FillOptions<D>,
): Tensor<NoInfer<D>> {
  if (arguments.length > 2) refuseExtra('ones', 2, arguments)
  return filled('ones', shape, options, (values) => values.fill(1))
}

/**
 * A tensor of uniform random numbers in [0, 1): those of `torch.rand` for the same seed.
 *
 * @param shape the sizes.
 * @param options `dtype` (default `'float32'`) and `requiresGrad` (default false).
 * @throws TypeError if the shape is not an array of integers; RangeError if one is negative or their product is too
 *   large.
 *
 * @example
 * ```ts
 * import { manualSeed, rand } from '@elman/rnn'
 *
 * manualSeed(0)
 * console.log(String(rand([3]))) // tensor([0.4963, 0.7682, 0.0885], size=(3,), dtype=float32)
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.rand.html
 */
export function rand<D extends DType = 'float32'>(
  shape: readonly number[],
  options?: FillOptions<D>,
): Tensor<NoInfer<D>> {
  if (arguments.length > 2) refuseExtra('rand', 2, arguments)
  return filled('rand', shape, options, (values) => generator.uniform(values, 0, 1))
}

/**
 * A tensor of normal random numbers with mean 0 and variance 1, drawn as by `torch.randn`.
 *
 * @param shape the sizes.
 * @param options `dtype` (default `'float32'`) and `requiresGrad` (default false).
 * @throws TypeError if the shape is not an array of integers; RangeError if one is negative or their product is too
 *   large.
 *
 * @example
 * ```ts
 * import { manualSeed, randn } from '@elman/rnn'
 *
 * manualSeed(0)
 * console.log(String(randn([3]))) // tensor([ 1.5410, -0.2934, -2.1788], size=(3,), dtype=float32)
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.randn.html
 */
export function randn<D extends DType = 'float32'>(
  shape: readonly number[],
  options?: FillOptions<D>,
): Tensor<NoInfer<D>> {
  if (arguments.length > 2) refuseExtra('randn', 2, arguments)
  return filled('randn', shape, options, (values) => generator.normal(values, 0, 1))
}

function filled<D extends DType>(
  owner: string,
  shape: unknown,
  options: unknown,
  fill: (values: Floats) => void,
): Tensor<D> {
  const sizes = checkShape(owner, shape)
  const { dtype = 'float32', requiresGrad } = checkOptions(owner, options, [
    'dtype',
    'requiresGrad',
  ])
  const data = allocate(checkDType(dtype), elementCount(sizes))
  const made = leaf<D>(data, sizes, requiresGrad)
  fill(data)
  return made
}

function leaf<D extends DType>(
  data: Floats,
  shape: readonly number[],
  requiresGrad: unknown,
): Tensor<D> {
  const variable = Variable.of(data, shape)
  variable.requiresGrad = checkBoolean('requires_grad', requiresGrad ?? false)
  return wrap(variable)
}

/** The values as floats, and their own shape. */
function floats(values: unknown, dtype: DType | null): { data: Floats; shape: number[] } {
  if (types.isFloat32Array(values) || types.isFloat64Array(values)) {
    checkUnshared('values', values)
    const data = (dtype ?? dtypeOf(values)) === dtypeOf(values) ? values : null
    return { data: data ?? converted(values, dtype ?? 'float32'), shape: [values.length] }
  }
  const { elements, shape } = numbers(values)
  return { data: converted(elements, dtype ?? 'float32'), shape }
}

function integers(values: unknown, given: Record<string, unknown>): IntTensor {
  if (given.requiresGrad === true) {
    throw new TypeError('Only Tensors of floating point dtype can require gradients')
  }
  if (types.isInt32Array(values)) {
    return intTensor(values, shaped([values.length], given.shape, values.length))
  }
  const { elements, shape } = numbers(values)
  const sizes = shaped(shape, given.shape, elements.length)
  for (let place = 0; place < elements.length; place += 1) {
    const value = elements[place] ?? Number.NaN
    if (!Number.isInteger(value))
      throw new RangeError(`int32 values must be integers, got: ${value}`)
    if (value !== (value | 0)) {
      throw new RangeError(`value cannot be converted to type int32 without overflow: ${value}`)
    }
  }
  return intTensor(new Int32Array(elements), sizes)
}

/** The numbers of a typed array or of nested arrays, and their own shape. */
function numbers(values: unknown): { elements: ArrayLike<number>; shape: number[] } {
  if (!ArrayBuffer.isView(values)) return flatten(values)
  if (
    !types.isTypedArray(values) ||
    types.isBigInt64Array(values) ||
    types.isBigUint64Array(values)
  ) {
    throw new TypeError('values must be a typed array of numbers')
  }
  checkUnshared('values', values)
  return { elements: values as ArrayLike<number> & typeof values, shape: [values.length] }
}

/** The shape in the options, or the values' own. */
function shaped(own: number[], wanted: unknown, count: number): number[] {
  if (wanted === undefined) return own
  const sizes = checkShape('tensor', wanted)
  if (elementCount(sizes) !== count) {
    throw new RangeError(`shape '${formatShape(sizes)}' is invalid for input of size ${count}`)
  }
  return sizes
}
