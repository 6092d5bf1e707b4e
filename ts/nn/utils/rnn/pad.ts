/** Padding: a {@link PackedSequence}, or a list of sequences, as one padded tensor. */

import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkOptions,
  checkSameDType,
  checkSameShape,
  describe,
  refuseExtra,
} from '../../../check'
import type { DType } from '../../../dtype'
import { pad, padEach } from '../../../ops/sequences'
import { type IntTensor, intTensor } from '../../../tensor/int-tensor'
import { checkTensors } from '../../../tensor/join'
import { type Tensor, wrap } from '../../../tensor/tensor'
import type { PackedForm } from './packed-form'
import { checkPackedSequence, type PackedSequence } from './packed-sequence'

/** Options of {@link padPackedSequence}. */
export interface PadPackedSequenceOptions {
  /** Whether the result is (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** The value of the padding. Default: 0. */
  paddingValue?: number | undefined
  /** T of the result. Default: the largest length. */
  totalLength?: number | null | undefined
}

/** Options of {@link padSequence}. */
export interface PadSequenceOptions {
  /** Whether the result is (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** The value of the padding. Default: 0. */
  paddingValue?: number | undefined
  /** Whether padding follows the sequences (`'right'`) or precedes them (`'left'`). Default: `'right'`. */
  paddingSide?: 'left' | 'right' | undefined
}

/**
 * Converts packed sequences to a padded batch: the inverse of {@link packPaddedSequence}.
 *
 * @param sequence the packed sequences.
 * @param options `batchFirst`: default false; `paddingValue`: default 0; `totalLength`: T of the result, default the
 *   largest length.
 * @returns `[tensor, lengths]`: (T, B, …), or (B, T, …), and the length of each sequence, in the caller's order.
 * @throws RangeError if `totalLength` is smaller than the largest length, or the numbers in `sequence` were changed and
 *   do not fit together; TypeError for an argument of the wrong type.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const { packSequence, padPackedSequence } = nn.utils.rnn
 * const packed = packSequence([tensor([1]), tensor([2, 3])], { enforceSorted: false })
 * const [padded, lengths] = padPackedSequence(packed, { batchFirst: true, paddingValue: -1 })
 * console.log(padded.toArray()) // [ [ 1, -1 ], [ 2, 3 ] ]
 * console.log(lengths.toArray()) // [ 1, 2 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_packed_sequence.html
 */
export function padPackedSequence<D extends DType>(
  sequence: PackedSequence<D>,
  options?: PadPackedSequenceOptions,
): [tensor: Tensor<D>, lengths: IntTensor] {
  if (arguments.length > 2) refuseExtra('padPackedSequence', 2, arguments)
  const owner = 'padPackedSequence'
  const given = checkOptions(owner, options, ['batchFirst', 'paddingValue', 'totalLength'])
  const batchFirst = checkBoolean('batch_first', given.batchFirst ?? false)
  const value = checkPaddingValue(given.paddingValue)
  const { data, form } = checkPackedSequence(owner, 'sequence', sequence)
  const { batchSizes, sequences } = form
  const longest = batchSizes.length
  const steps =
    given.totalLength == null ? longest : checkInteger('total_length', given.totalLength)
  if (steps < longest) {
    throw new RangeError(
      `Expected total_length to be at least the length of the longest sequence in input, but got total_length=${steps} and max sequence length being ${longest}`,
    )
  }
  const [batch = 0] = batchSizes
  const padded = pad(data, { sequences, steps, batchFirst }, batch, value)
  return [wrap(padded), intTensor(lengthsOf(form), [batch])]
}

/**
 * Pads sequences of different lengths to one batch.
 *
 * @param sequences (T_b, …) each, with equal sizes after T_b.
 * @param options `batchFirst`: default false; `paddingValue`: default 0; `paddingSide`: whether padding follows the
 *   sequences (`'right'`, the default) or precedes them (`'left'`).
 * @returns (T, B, …), or (B, T, …) with `batchFirst`; T is the largest T_b.
 * @throws RangeError if the list is empty, the sizes after T_b differ or a sequence has no dimension; TypeError for an
 *   argument of the wrong type, or if dtypes differ.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const { padSequence } = nn.utils.rnn
 * const padded = padSequence([tensor([1, 2, 3]), tensor([4])], { batchFirst: true })
 * console.log(padded.toArray()) // [ [ 1, 2, 3 ], [ 4, 0, 0 ] ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html
 */
export function padSequence<D extends DType>(
  sequences: readonly Tensor<D>[],
  options?: PadSequenceOptions,
): Tensor<D> {
  if (arguments.length > 2) refuseExtra('padSequence', 2, arguments)
  const owner = 'padSequence'
  const given = checkOptions(owner, options, ['batchFirst', 'paddingValue', 'paddingSide'])
  const batchFirst = checkBoolean('batch_first', given.batchFirst ?? false)
  const value = checkPaddingValue(given.paddingValue)
  const side = checkChoice(
    given.paddingSide ?? 'right',
    ['left', 'right'],
    `Expected padding_side to be one of left or right, but got ${String(given.paddingSide)}.`,
  )
  const list = checkTensors(owner, 'sequences', sequences)
  const [first] = list
  if (first === undefined) throw new RangeError('received an empty list of sequences')
  const [length = 0] = first.shape
  list.forEach(({ shape, dtype }, place) => {
    if (shape.length === 0) {
      throw new RangeError(
        `Expected every sequence to be at least 1D, got 0D tensor at position ${place}`,
      )
    }
    checkSameDType(`${owner}(): expected all tensors`, first.dtype, dtype)
    checkSameShape(first.shape, [length, ...shape.slice(1)])
  })
  return wrap(padEach(list, { batchFirst, value, left: side === 'left' }))
}

/** The lengths of the sequences, in the caller's order. */
function lengthsOf({ batchSizes, sortedIndices }: PackedForm): Int32Array {
  const [batch = 0] = batchSizes
  const lengths = new Int32Array(batch)
  let running = batch
  const end = (step: number, size: number): void => {
    for (; running > size; running -= 1) {
      lengths[sortedIndices?.[running - 1] ?? running - 1] = step
    }
  }
  batchSizes.forEach((size, step) => {
    end(step, size)
  })
  end(batchSizes.length, 0)
  return lengths
}

/** Any number, NaN too. */
function checkPaddingValue(value: unknown = 0): number {
  if (typeof value !== 'number') {
    throw new TypeError(`padding_value should be a number, got: ${describe(value)}`)
  }
  return value
}
