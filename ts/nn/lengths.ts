/** The lengths of the sequences of a batch, and other lists of integers that an argument may give in several forms. */

import { types } from 'node:util'
import { checkIntegers, checkUnshared, describe } from '../check'
import { IntTensor, intValues } from '../tensor/int-tensor'

/** The length of each sequence of a batch, in any order. */
export type Lengths = readonly number[] | Int32Array | IntTensor

/**
 * The lengths of `batch` sequences of at most `steps` steps.
 *
 * @param owner the function that takes them, in messages.
 * @param sorted whether they must not increase.
 * @returns a copy.
 */
export function checkLengths(
  owner: string,
  lengths: unknown,
  steps: number,
  batch: number,
  sorted = false,
): Int32Array {
  const values = integerList(owner, 'lengths', lengths)
  if (values.length !== batch) {
    throw new RangeError(
      `Expected \`len(lengths)\` to be equal to batch_size, but got ${values.length} (batch_size=${batch})`,
    )
  }
  if (sorted && values.some((length, place) => place > 0 && length > (values[place - 1] ?? 0))) {
    throw new RangeError(
      '`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass ' +
        '`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you ' +
        'do not need ONNX exportability.',
    )
  }
  for (const length of values) {
    if (length <= 0) {
      throw new RangeError(
        "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
      )
    }
    if (length > steps) {
      throw new RangeError(
        `Expected every element of 'lengths' to be at most the sequence length ${steps}, got ${length}`,
      )
    }
  }
  return new Int32Array(values)
}

/** Lengths, batch sizes or indices, given in any of the forms; not copied. */
export function integerList(
  owner: string,
  name: string,
  value: unknown,
): readonly number[] | Int32Array {
  if (value instanceof IntTensor) {
    const values = intValues(value, name)
    if (value.shape.length !== 1) {
      throw new RangeError(`Expected '${name}' to be 1D, got ${value.shape.length}D tensor instead`)
    }
    return values
  }
  if (types.isInt32Array(value)) {
    checkUnshared(name, value)
    return value
  }
  if (!Array.isArray(value)) {
    throw new TypeError(
      `'${name}' should be an array of ints, an Int32Array or an IntTensor, got: ${describe(value)}`,
    )
  }
  return checkIntegers(owner, name, value)
}
