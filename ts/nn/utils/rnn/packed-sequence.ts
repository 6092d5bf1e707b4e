/** Sequences of different lengths without padding. */

import type { Variable } from '../../../autograd/variable'
import { brand, notItself } from '../../../brand'
import { describe, refuseExtra } from '../../../check'
import type { DType } from '../../../dtype'
import { showAsText } from '../../../inspect'
import { IntTensor, intTensor, intValues } from '../../../tensor/int-tensor'
import { checkTensor, type Tensor } from '../../../tensor/tensor'
import { integerList, type Lengths } from '../../lengths'
import { inverse, PackedForm } from './packed-form'

/** The parts of a packed sequence, checked. */
export interface Packed {
  readonly data: Variable
  readonly form: PackedForm
}

/**
 * A cache of forms by batch sizes: sequences derived from each other, such as input and output of `nn.RNN`, share one.
 * A form is valid until a program writes other numbers into the tensors.
 */
const forms = new WeakMap<IntTensor, PackedForm>()

// Assigned by the class: access to its private fields for this package.
let unpack: (owner: string, name: string, value: unknown) => Packed
let isPacked: (value: unknown) => value is PackedSequence<DType>

/**
 * Sequences of different lengths without padding, as `torch.nn.utils.rnn.PackedSequence`.
 *
 * The rows of all first steps come first, then those of all second steps, and so on. The sequences are sorted by
 * decreasing length, so step t holds the first `batchSizes[t]` sequences.
 *
 * {@link packPaddedSequence} and {@link packSequence} create packed sequences, recurrent modules take and return them,
 * and {@link padPackedSequence} is the inverse. Gradients flow through `data`.
 *
 * | shape | where |
 * |---|---|
 * | `data` (N, …) | N = the sum of all lengths |
 * | `batchSizes` (T) | for each step t, how many sequences are longer than t; T = the largest length |
 * | `sortedIndices` (B) | the caller's index of each packed sequence; null if the orders are the same |
 * | `unsortedIndices` (B) | the index in the pack of each of the caller's sequences; null if the orders are the same |
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const { packSequence } = nn.utils.rnn
 * const packed = packSequence([tensor([1, 2, 3]), tensor([4, 5]), tensor([6])])
 * console.log(packed.data.toArray()) // [ 1, 4, 6, 2, 5, 3 ]
 * console.log(packed.batchSizes.toArray()) // [ 3, 2, 1 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html
 */
export class PackedSequence<D extends DType = 'float32'> {
  // Public fields, which deep equality compares.
  /** The rows of all sequences, step by step. */
  readonly data: Tensor<D>
  /** The number of rows of each step. */
  readonly batchSizes: IntTensor
  /** The caller's index of each packed sequence; null if the orders are the same. */
  readonly sortedIndices: IntTensor | null
  /** The index in the pack of each of the caller's sequences; null if the orders are the same. */
  readonly unsortedIndices: IntTensor | null
  /** Only what the constructor of this class has made has it. */
  readonly #made = true

  /**
   * @param data (N, …).
   * @param batchSizes (T) the number of rows of each step.
   * @param sortedIndices (B) the caller's index of each packed sequence. Default: null, the orders are the same.
   * @param unsortedIndices (B) the inverse of `sortedIndices`. Default: computed from it.
   * @throws RangeError if the batch sizes increase, hold a number below 1 or do not add up to N, or if the indices are
   *   not a permutation and its inverse; TypeError for an argument of the wrong type.
   */
  constructor(
    data: Tensor<D>,
    batchSizes: Lengths,
    sortedIndices?: Lengths | null,
    unsortedIndices?: Lengths | null,
  ) {
    if (arguments.length > 4) refuseExtra('PackedSequence', 4, arguments)
    checkTensor('PackedSequence', 'data', data)
    this.data = data
    this.batchSizes = asIntTensor('batch_sizes', batchSizes)
    const sorted = sortedIndices == null ? null : asIntTensor('sorted_indices', sortedIndices)
    const unsorted =
      unsortedIndices == null ? null : asIntTensor('unsorted_indices', unsortedIndices)
    this.sortedIndices = sorted ?? inverseTensor('unsorted_indices', unsorted)
    this.unsortedIndices = unsorted ?? inverseTensor('sorted_indices', sorted)
    unpack('PackedSequence', 'sequence', this)
    if (new.target === PackedSequence) Object.freeze(this)
  }

  static {
    showAsText(PackedSequence.prototype)
    brand(PackedSequence.prototype, 'PackedSequence')
    isPacked = (value): value is PackedSequence<DType> =>
      typeof value === 'object' && value !== null && #made in value
    unpack = (owner, name, value) => {
      if (!isPacked(value)) {
        throw new TypeError(
          `${owner}(): argument '${name}' must be PackedSequence, not ${describe(value)}`,
        )
      }
      const data = checkTensor(owner, 'data', value.data)
      if (data.shape.length === 0) {
        throw new RangeError('Expected data to be at least 1D, got 0D tensor instead')
      }
      const optional = (indices: IntTensor | null, name: string) =>
        indices === null ? null : intValues(indices, name)
      const batchSizes = intValues(value.batchSizes, 'batch_sizes')
      const sorted = optional(value.sortedIndices, 'sorted_indices')
      const unsorted = optional(value.unsortedIndices, 'unsorted_indices')
      let form = forms.get(value.batchSizes)
      if (!form?.holds(batchSizes, sorted, unsorted)) {
        form = new PackedForm(batchSizes, sorted, unsorted)
        forms.set(value.batchSizes, form)
      }
      checkRows(form, data)
      return { data, form }
    }
  }

  /** The sequences as torch prints them. */
  toString(): string {
    if (arguments.length > 0) refuseExtra('PackedSequence.toString', 0, arguments)
    if (!isPacked(this)) throw notItself('toString', this)
    const parts: [string, Tensor<D> | IntTensor | null][] = [
      ['data', this.data],
      ['batch_sizes', this.batchSizes],
      ['sorted_indices', this.sortedIndices],
      ['unsorted_indices', this.unsortedIndices],
    ]
    const shown = parts.map(([name, value]) => `${name}=${value === null ? 'None' : value}`)
    return `PackedSequence(${shown.join(', ')})`
  }
}

/** Whether a value is a packed sequence. */
export function isPackedSequence(value: unknown): value is PackedSequence<DType> {
  return isPacked(value)
}

/**
 * The parts of an argument that must be a packed sequence. Its numbers are checked at each use, since a program may
 * have written to them.
 */
export function checkPackedSequence(owner: string, name: string, value: unknown): Packed {
  return unpack(owner, name, value)
}

/** Packed sequences of this form. */
export function withForm<D extends DType>(form: PackedForm, data: Tensor<D>): PackedSequence<D> {
  const batchSizes = copied(form.batchSizes)
  forms.set(batchSizes, form)
  return new PackedSequence(
    data,
    batchSizes,
    copied(form.sortedIndices),
    copied(form.unsortedIndices),
  )
}

/** The same sequences with other rows. */
export function withData<D extends DType>(
  sequence: PackedSequence<DType>,
  data: Tensor<D>,
): PackedSequence<D> {
  const { batchSizes, sortedIndices, unsortedIndices } = sequence
  return new PackedSequence(data, batchSizes, sortedIndices, unsortedIndices)
}

/** Refuses data whose number of rows is not that of the form. */
function checkRows({ rows: expected }: PackedForm, { shape }: Variable): void {
  const [rows] = shape
  if (expected !== rows) {
    throw new RangeError(`Expected batch_sizes to sum to the ${rows} rows of data, got ${expected}`)
  }
}

/** The tensor of the inverse of a permutation. */
function inverseTensor(name: string, permutation: IntTensor | null): IntTensor | null {
  return copied(inverse(name, permutation === null ? null : intValues(permutation, name)))
}

/** A tensor with a copy of these numbers. */
function copied(values: Int32Array): IntTensor
function copied(values: Int32Array | null): IntTensor | null
function copied(values: Int32Array | null): IntTensor | null {
  return values === null ? null : intTensor(values.slice(), [values.length])
}

/** An argument as a one-dimensional tensor: itself if it is one, otherwise a copy. */
function asIntTensor(name: string, value: unknown): IntTensor {
  const values = integerList('PackedSequence', name, value)
  if (value instanceof IntTensor) return value
  for (const one of values) {
    if (one !== (one | 0)) {
      throw new RangeError(`${name} must hold numbers of 32 bits, got: ${one}`)
    }
  }
  return intTensor(new Int32Array(values), [values.length])
}
