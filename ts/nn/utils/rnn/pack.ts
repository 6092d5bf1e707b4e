/** Packing, into a {@link PackedSequence}. */

import { checkBoolean, checkOptions, refuseExtra } from '../../../check'
import type { DType } from '../../../dtype'
import { pack } from '../../../ops/sequences'
import { checkTensor, type Tensor, wrap } from '../../../tensor/tensor'
import { checkLengths, type Lengths } from '../../lengths'
import { PackedForm } from './packed-form'
import { type PackedSequence, withForm } from './packed-sequence'
import { padSequence } from './pad'

/** Options of {@link packPaddedSequence}. */
export interface PackPaddedSequenceOptions {
  /** Whether the input is (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** Whether the lengths must be in decreasing order; if not, the sequences are sorted. Default: true. */
  enforceSorted?: boolean | undefined
}

/** Options of {@link packSequence}. */
export interface PackSequenceOptions {
  /** Whether the lengths must be in decreasing order; if not, the sequences are sorted. Default: true. */
  enforceSorted?: boolean | undefined
}

/**
 * Packs a padded batch of sequences of different lengths, without the padding.
 *
 * @param input (T, B, …), or (B, T, …) with `batchFirst`.
 * @param lengths the length of each sequence.
 * @param options `batchFirst`: default false; `enforceSorted`: whether the lengths must be in decreasing order (equal
 *   ones are allowed), default true. If not, a stable sort by decreasing length is applied, and `sortedIndices` and
 *   `unsortedIndices` hold the permutation and its inverse.
 * @returns the packed sequences, with `data` (N, …); N is the sum of the lengths.
 * @throws RangeError if the number of lengths is not B, one is below 1 or above T, they increase despite
 *   `enforceSorted`, or the input is empty or has fewer than 2 dimensions; TypeError for an argument of the wrong type.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const { packPaddedSequence } = nn.utils.rnn
 * const input = tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
 * const packed = packPaddedSequence(input, [2, 1, 3], { batchFirst: true, enforceSorted: false })
 * console.log(packed.data.toArray()) // [ 4, 1, 3, 5, 2, 6 ]
 * console.log(packed.sortedIndices?.toArray()) // [ 2, 0, 1 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
 */
export function packPaddedSequence<D extends DType>(
  input: Tensor<D>,
  lengths: Lengths,
  options?: PackPaddedSequenceOptions,
): PackedSequence<D> {
  if (arguments.length > 3) refuseExtra('packPaddedSequence', 3, arguments)
  const owner = 'packPaddedSequence'
  const given = checkOptions(owner, options, ['batchFirst', 'enforceSorted'])
  const batchFirst = checkBoolean('batch_first', given.batchFirst ?? false)
  const enforceSorted = checkBoolean('enforce_sorted', given.enforceSorted ?? true)
  const x = checkTensor(owner, 'input', input)
  const rank = x.shape.length
  if (rank < 2) {
    throw new RangeError(`Expected input to be at least 2D, got ${rank}D tensor instead`)
  }
  if (x.numel === 0) throw new RangeError('Cannot pack empty tensors.')
  const [first = 0, second = 0] = x.shape
  const [steps, batch] = batchFirst ? [second, first] : [first, second]
  const checked = checkLengths(owner, lengths, steps, batch, enforceSorted)

  const sortedIndices = enforceSorted ? null : sortedByLength(checked)
  const batchSizes = batchSizesOf(sortedIndices?.map((b) => checked[b] ?? 0) ?? checked)
  const form = new PackedForm(batchSizes, sortedIndices)
  const data = pack(x, { sequences: form.sequences, steps, batchFirst }, form.rows)
  return withForm(form, wrap(data))
}

/**
 * Packs a list of sequences: {@link padSequence}, then {@link packPaddedSequence}.
 *
 * @param sequences (T_b, …) each, with equal sizes after T_b.
 * @param options `enforceSorted`: whether the lengths must be in decreasing order. Default: true.
 * @throws as these two.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const { packSequence } = nn.utils.rnn
 * const [a, b, c] = [tensor([1, 2, 3]), tensor([4, 5]), tensor([6])]
 * const packed = packSequence([b, c, a], { enforceSorted: false })
 * console.log(packed.data.toArray()) // [ 1, 4, 6, 2, 5, 3 ]
 * console.log(packed.unsortedIndices?.toArray()) // [ 1, 2, 0 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_sequence.html
 */
export function packSequence<D extends DType>(
  sequences: readonly Tensor<D>[],
  options?: PackSequenceOptions,
): PackedSequence<D> {
  if (arguments.length > 2) refuseExtra('packSequence', 2, arguments)
  const { enforceSorted } = checkOptions('packSequence', options, ['enforceSorted'])
  const sorted = checkBoolean('enforce_sorted', enforceSorted ?? true)
  const padded = padSequence(sequences)
  const lengths = sequences.map(({ shape: [length = 0] }) => length)
  return packPaddedSequence(padded, lengths, { enforceSorted: sorted })
}

/** The permutation that sorts by decreasing length; equal lengths keep their order. */
function sortedByLength(lengths: Int32Array): Int32Array {
  const order = Array.from(lengths, (_, b) => b)
  return Int32Array.from(order.sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0)))
}

/** For each step, how many sequences are longer. The lengths are in decreasing order. */
function batchSizesOf(lengths: Int32Array): Int32Array {
  const sizes = new Int32Array(lengths[0] ?? 0)
  let running = lengths.length
  sizes.forEach((_, step) => {
    while (running > 0 && (lengths[running - 1] ?? 0) <= step) running -= 1
    sizes[step] = running
  })
  return sizes
}
