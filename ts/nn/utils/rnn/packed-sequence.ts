/** Sequences of different lengths without padding. */

import type { Variable } from '../../../autograd/variable'
import { describe } from '../../../check'
import { showAsText } from '../../../inspect'
import { IntTensor, intTensor, intValues } from '../../../tensor/int-tensor'
import { checkTensor, type Tensor } from '../../../tensor/tensor'
import { integerList, type Lengths } from '../../lengths'

/** What a packed sequence is underneath, checked. */
export interface Packed {
  readonly data: Variable
  readonly batchSizes: Int32Array
  /** Which of the caller's sequences each one is; null if the caller's order is that of the lengths. */
  readonly sortedIndices: Int32Array | null
}

// The class hands this out, so that the rest of the package reaches what is private to it.
let unpack: (owner: string, value: unknown) => Packed
let isPacked: (value: unknown) => value is PackedSequence

/**
 * Sequences of different lengths, packed: the rows of all first steps, then those of all second steps, and so on. The
 * longest sequence comes first, so the ones that are still running at a step are the first rows of it.
 *
 * Made by {@link packPaddedSequence} and {@link packSequence}, taken and given by `nn.RNN`, and turned back by
 * {@link padPackedSequence}. The tape goes through `data`.
 *
 * | shape | where |
 * |---|---|
 * | `data` (N, …) | N = the sum of all lengths |
 * | `batchSizes` (T) | how many sequences are longer than t; T = the largest length |
 * | `sortedIndices` (B) | the caller's number of each sequence of the pack, or null if they are the same |
 * | `unsortedIndices` (B) | the place in the pack of each of the caller's sequences |
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
export class PackedSequence {
  readonly #data: Tensor
  readonly #batchSizes: IntTensor
  readonly #sortedIndices: IntTensor | null
  readonly #unsortedIndices: IntTensor | null

  /**
   * @param data (N, …).
   * @param batchSizes (T) how many rows each step has.
   * @param sortedIndices (B) the caller's number of each sequence. Default: null, they are in the caller's order.
   * @param unsortedIndices (B) the inverse of `sortedIndices`. Default: made from it.
   * @throws RangeError if the batch sizes increase, hold a number below 1 or do not add up to N, or if the indices are
   *   no permutation and its inverse; TypeError if something is of another kind.
   */
  constructor(
    data: Tensor,
    batchSizes: Lengths,
    sortedIndices?: Lengths | null,
    unsortedIndices?: Lengths | null,
  ) {
    checkTensor('PackedSequence', 'data', data)
    this.#data = data
    this.#batchSizes = asIntTensor('batch_sizes', batchSizes)
    const sorted = sortedIndices == null ? null : asIntTensor('sorted_indices', sortedIndices)
    const unsorted =
      unsortedIndices == null ? null : asIntTensor('unsorted_indices', unsortedIndices)
    this.#sortedIndices = sorted ?? inverse('unsorted_indices', unsorted)
    this.#unsortedIndices = unsorted ?? inverse('sorted_indices', sorted)
    unpack('PackedSequence', this)
  }

  static {
    showAsText(PackedSequence.prototype)
    isPacked = (value): value is PackedSequence =>
      typeof value === 'object' && value !== null && #data in value
    unpack = (owner, value) => {
      if (!isPacked(value)) {
        throw new TypeError(
          `${owner}(): argument 'sequence' must be PackedSequence, not ${describe(value)}`,
        )
      }
      const data = checkTensor(owner, 'data', value.#data)
      const batchSizes = intValues(value.#batchSizes, 'batch_sizes')
      checkBatchSizes(batchSizes, data)
      const sorted = value.#sortedIndices
      const sortedIndices = sorted === null ? null : intValues(sorted, 'sorted_indices')
      if (sortedIndices !== null && value.#unsortedIndices !== null) {
        const unsortedIndices = intValues(value.#unsortedIndices, 'unsorted_indices')
        checkInverse(sortedIndices, unsortedIndices, batchSizes[0] ?? 0)
      }
      return { data, batchSizes, sortedIndices }
    }
  }

  /** The rows of all sequences, step by step. */
  get data(): Tensor {
    return this.#data
  }

  /** How many rows each step has. */
  get batchSizes(): IntTensor {
    return this.#batchSizes
  }

  /** The caller's number of each sequence; null if they are in the caller's order. */
  get sortedIndices(): IntTensor | null {
    return this.#sortedIndices
  }

  /** Where each of the caller's sequences is; null if they are in the caller's order. */
  get unsortedIndices(): IntTensor | null {
    return this.#unsortedIndices
  }

  /** As torch prints it. */
  toString(): string {
    const parts: [string, Tensor | IntTensor | null][] = [
      ['data', this.#data],
      ['batch_sizes', this.#batchSizes],
      ['sorted_indices', this.#sortedIndices],
      ['unsorted_indices', this.#unsortedIndices],
    ]
    const shown = parts.map(([name, value]) => `${name}=${value === null ? 'None' : value}`)
    return `PackedSequence(${shown.join(', ')})`
  }
}

/** Whether a value is a packed sequence. */
export function isPackedSequence(value: unknown): value is PackedSequence {
  return isPacked(value)
}

/**
 * What an argument that has to be a packed sequence is underneath. Its numbers are checked at each use, since a caller
 * may have written into them.
 */
export function checkPackedSequence(owner: string, value: unknown): Packed {
  return unpack(owner, value)
}

/** The same sequences with other rows. */
export function withData(sequence: PackedSequence, data: Tensor): PackedSequence {
  const { batchSizes, sortedIndices, unsortedIndices } = sequence
  return new PackedSequence(data, batchSizes, sortedIndices, unsortedIndices)
}

function checkBatchSizes(sizes: Int32Array, { shape }: Variable): void {
  const [rows] = shape
  if (rows === undefined) {
    throw new RangeError('Expected data to be at least 1D, got 0D tensor instead')
  }
  if (sizes.length === 0) throw new RangeError('batch_sizes must hold at least one step')
  let total = 0
  let before = sizes[0] ?? 0
  for (let step = 0; step < sizes.length; step += 1) {
    const size = sizes[step] ?? 0
    if (size <= 0) {
      throw new RangeError(
        `every batch size must be greater than zero, but batch_sizes[${step}] is ${size}`,
      )
    }
    if (size > before) {
      throw new RangeError(
        `batch_sizes must not increase: step ${step} has ${size} rows after ${before}`,
      )
    }
    total += size
    before = size
  }
  if (total !== rows) {
    throw new RangeError(`Expected batch_sizes to sum to the ${rows} rows of data, got ${total}`)
  }
}

function checkInverse(sorted: Int32Array, unsorted: Int32Array, batch: number): void {
  if (sorted.length !== batch || unsorted.length !== batch) {
    throw new RangeError(
      `Expected sorted_indices and unsorted_indices to have ${batch} elements, got ${sorted.length} and ${unsorted.length}`,
    )
  }
  checkPermutation('sorted_indices', sorted)
  for (let place = 0; place < batch; place += 1) {
    if (unsorted[sorted[place] ?? 0] !== place) {
      throw new RangeError('unsorted_indices must be the inverse permutation of sorted_indices')
    }
  }
}

function checkPermutation(name: string, indices: Int32Array): void {
  const seen = new Uint8Array(indices.length)
  for (const index of indices) {
    if (index < 0 || index >= indices.length || seen[index] === 1) {
      throw new RangeError(
        `${name} must hold each of 0..${indices.length} once, but holds ${index}`,
      )
    }
    seen[index] = 1
  }
}

/** The permutation that undoes another one. */
function inverse(name: string, permutation: IntTensor | null): IntTensor | null {
  if (permutation === null) return null
  const values = intValues(permutation, name)
  checkPermutation(name, values)
  const inverted = new Int32Array(values.length)
  values.forEach((index, place) => {
    inverted[index] = place
  })
  return intTensor(inverted, [values.length])
}

/** An argument as a tensor of one dimension: itself if it is one, else over a copy. */
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
