/** Tensors of class indices. */

import { brand } from '../brand'
import {
  checkIntact,
  checkShape,
  checkUnshared,
  describe,
  elementCount,
  refuseExtra,
} from '../check'
import type { IntArray } from '../dtype'
import { showAsText } from '../inspect'
import { type TensorJson, tensorJson, tensorsNotCloneable, tensorToPrimitive } from '../tools'
import { formatInts } from './format'
import { type NestedNumber, nested } from './nested'

/** The constructor requires this key, so that only this package creates tensors. */
const key = Symbol('IntTensor')

// Assigned by the class: access to its constructor and private fields for this package.
let make: (data: Int32Array, shape: readonly number[]) => IntTensor
let intact: (value: unknown, name: string) => Int32Array

/**
 * A tensor of integers, for class indices and lengths; it takes no part in the tape.
 *
 * `tensor(values, { dtype: 'int32' })` creates one. The targets of `nn.CrossEntropyLoss` and the input of
 * `nn.Embedding` have this type. Operations copy the values that they need later, so `data` may change between calls.
 *
 * @example
 * ```ts
 * import { tensor } from '@elman/rnn'
 *
 * const targets = tensor([2, 0, 1], { dtype: 'int32' })
 * console.log(targets.shape, targets.dtype) // [ 3 ] int32
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/tensors.html
 */
export class IntTensor {
  /** @internal */
  readonly structuredClone: symbol = tensorsNotCloneable
  /** @internal Public for the deep equality of tools, as `size`. */
  readonly values: IntArray
  /** @internal */
  readonly size: readonly number[]
  readonly #data: IntArray
  readonly #shape: readonly number[]

  private constructor(secret: unknown, data: IntArray, shape: readonly number[]) {
    if (secret !== key)
      throw new TypeError("an IntTensor is created by tensor(values, { dtype: 'int32' })")
    this.#data = data
    this.#shape = Object.freeze([...shape])
    this.values = this.#data
    this.size = this.#shape
  }

  static {
    showAsText(IntTensor.prototype)
    brand(IntTensor.prototype, 'IntTensor')
    make = (data, shape) => {
      checkUnshared('data', data)
      const sizes = checkShape('tensor', [...shape])
      checkIntact(data, elementCount(sizes))
      return new IntTensor(key, data as IntArray, sizes)
    }
    intact = (value, name) => {
      if (!(typeof value === 'object' && value !== null && #data in value)) {
        throw new TypeError(
          `Expected tensor for argument '${name}' to be an IntTensor (dtype int32), but got ${describe(value)}`,
        )
      }
      checkIntact(value.#data, value.numel)
      return value.#data
    }
  }

  // First, so that TypeScript says of a tensor of floats that its dtype does not fit.
  /** Always `'int32'`. */
  get dtype(): 'int32' {
    return 'int32'
  }

  /** The elements, row-major. Writing to them is allowed. */
  get data(): IntArray {
    return this.#data
  }

  /** The size of each dimension. */
  get shape(): readonly number[] {
    return this.#shape
  }

  /** The number of elements. */
  get numel(): number {
    return elementCount(this.#shape)
  }

  /** A copy with memory of its own. */
  clone(): IntTensor {
    if (arguments.length > 0) refuseExtra('IntTensor.clone', 0, arguments)
    return make(intact(this, 'self').slice(), this.#shape)
  }

  /**
   * The value of a tensor of one element, wherever JavaScript wants a number. In a template, `${tensor}` is the text of
   * {@link toString}.
   *
   * @throws TypeError if a number is wanted and there is not exactly one element.
   */
  [Symbol.toPrimitive](hint: string): number | string {
    return tensorToPrimitive(this, intact(this, 'self'), hint)
  }

  /** What `JSON.stringify` writes: dtype, shape, and the elements in row-major order. */
  toJSON(): TensorJson<'int32'> {
    return tensorJson('int32', this.#shape, intact(this, 'self'))
  }

  /**
   * The elements as nested arrays; a plain number if there are no dimensions.
   *
   * @throws RangeError if they are more than nested arrays can hold: 2^26 numbers in 2^24 arrays.
   */
  toArray(): NestedNumber {
    if (arguments.length > 0) refuseExtra('IntTensor.toArray', 0, arguments)
    return nested(intact(this, 'self'), this.#shape)
  }

  /** The tensor as torch prints it, with shape and dtype. */
  toString(): string {
    if (arguments.length > 0) refuseExtra('IntTensor.toString', 0, arguments)
    return formatInts(intact(this, 'self'), this.#shape)
  }
}

/** An `IntTensor` over `data`, which is used as it is. */
export function intTensor(data: Int32Array, shape: readonly number[]): IntTensor {
  return make(data, shape)
}

/** The elements of an argument that must be an `IntTensor`. */
export function intValues(value: unknown, name: string): Int32Array {
  return intact(value, name)
}
