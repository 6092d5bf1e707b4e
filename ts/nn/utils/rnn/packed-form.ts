/** Which row of packed sequences belongs to which sequence at which step. */

import { type NativeSequences, native } from '../../../native'

/** Checked numbers, in copies that are not written. */
export class PackedForm {
  /** How many rows each step has. */
  readonly batchSizes: Int32Array
  /** The caller's number of each sequence; null if they are in the caller's order. */
  readonly sortedIndices: Int32Array | null
  /** The place of each of the caller's sequences. */
  readonly unsortedIndices: Int32Array | null
  /** N: all rows. */
  readonly rows: number
  #sequences: NativeSequences | null = null

  /**
   * @throws RangeError if the batch sizes increase or hold a number below 1, or the indices are no permutation and its
   *   inverse.
   */
  constructor(
    batchSizes: Int32Array,
    sortedIndices: Int32Array | null,
    unsortedIndices: Int32Array | null = inverse('sorted_indices', sortedIndices),
  ) {
    this.rows = checkBatchSizes(batchSizes)
    if (sortedIndices !== null && unsortedIndices !== null) {
      checkInverse(sortedIndices, unsortedIndices, batchSizes[0] ?? 0)
    }
    this.batchSizes = batchSizes.slice()
    this.sortedIndices = sortedIndices?.slice() ?? null
    this.unsortedIndices = unsortedIndices?.slice() ?? null
  }

  /** Whether these are its numbers. */
  holds(
    batchSizes: Int32Array,
    sortedIndices: Int32Array | null,
    unsortedIndices: Int32Array | null,
  ): boolean {
    return (
      same(this.batchSizes, batchSizes) &&
      same(this.sortedIndices, sortedIndices) &&
      same(this.unsortedIndices, unsortedIndices)
    )
  }

  /** The same for the addon, made when it is first asked for. */
  get sequences(): NativeSequences {
    this.#sequences ??= native.Sequences.packed(this.batchSizes, this.sortedIndices)
    return this.#sequences
  }
}

function same(a: Int32Array | null, b: Int32Array | null): boolean {
  if (a === null || b === null) return a === b
  if (a.length !== b.length) return false
  for (let place = 0; place < a.length; place += 1) {
    if (a[place] !== b[place]) return false
  }
  return true
}

/** @returns the sum */
function checkBatchSizes(sizes: Int32Array): number {
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
  return total
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

/**
 * The permutation that undoes another one.
 *
 * @throws RangeError if it is no permutation.
 */
export function inverse(name: string, permutation: Int32Array | null): Int32Array | null {
  if (permutation === null) return null
  checkPermutation(name, permutation)
  const inverted = new Int32Array(permutation.length)
  permutation.forEach((index, place) => {
    inverted[index] = place
  })
  return inverted
}

/** Refuses what does not hold each of 0..B once. */
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
