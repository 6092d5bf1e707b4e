/**
 * Sequences of different lengths: packed, step by step without padding, or padded to one batch.
 *
 * Packing and padding are adjoint: the gradient of a packed row goes to its row of the padded array, and padding has no
 * gradient.
 */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { elementCount } from '../check'
import { allocate } from '../dtype'
import { type NativeSequences, native } from '../native'

/** The layout of packed sequences in a padded array. */
export interface Padding {
  readonly sequences: NativeSequences
  /** T of the padded array. */
  readonly steps: number
  /** Whether it is (B, T, …) instead of (T, B, …). */
  readonly batchFirst: boolean
}

/**
 * The rows of a padded array without the padding, packed.
 *
 * @param x (T, B, …), or (B, T, …).
 * @param rows N: the number of packed rows.
 * @returns (N, …)
 */
export function pack(x: Variable, padding: Padding, rows: number): Variable {
  const { sequences, steps, batchFirst } = padding
  const { dtype, numel } = x
  const inner = x.shape.slice(2)
  const features = elementCount(inner)
  const out = allocate(dtype, rows * features)
  sequences.pack(steps, batchFirst, features, x.values(), out)
  return apply('PackPaddedSequenceBackward0', out, [rows, ...inner], [x], [], (gradient) => {
    const result = allocate(dtype, numel)
    sequences.pad(steps, batchFirst, features, gradient, 0, result)
    return [result]
  })
}

/**
 * Packed rows in a padded array.
 *
 * @param x (N, …).
 * @param batch B.
 * @param value the value of the padding.
 * @returns (T, B, …), or (B, T, …).
 */
export function pad(x: Variable, padding: Padding, batch: number, value: number): Variable {
  const { sequences, steps, batchFirst } = padding
  const { dtype, numel } = x
  const inner = x.shape.slice(1)
  const features = elementCount(inner)
  const shape = [...(batchFirst ? [batch, steps] : [steps, batch]), ...inner]
  const out = allocate(dtype, elementCount(shape))
  sequences.pad(steps, batchFirst, features, x.values(), value, out)
  return apply('PadPackedSequenceBackward0', out, shape, [x], [], (gradient) => {
    const result = allocate(dtype, numel)
    sequences.pack(steps, batchFirst, features, gradient, result)
    return [result]
  })
}

/** Options of {@link padEach}. */
export interface PadEachOptions {
  readonly batchFirst: boolean
  readonly value: number
  /** Whether padding precedes the sequences instead of following them. */
  readonly left: boolean
}

/**
 * A list of sequences, padded to one batch.
 *
 * @param list B of them, (T_b, …) each, with equal sizes after T_b; at least one.
 * @returns (T, B, …), or (B, T, …), T the largest T_b.
 */
export function padEach(list: readonly Variable[], options: PadEachOptions): Variable {
  const { batchFirst, value, left } = options
  const batch = list.length
  const lengths = list.map(({ shape: [length = 0] }) => length)
  const steps = lengths.reduce((most, length) => Math.max(most, length), 0)
  const inner = list[0]?.shape.slice(1) ?? []
  const dtype = list[0]?.dtype ?? 'float32'
  const features = elementCount(inner)
  const shape = [...(batchFirst ? [batch, steps] : [steps, batch]), ...inner]
  const count = elementCount(shape)
  const starts = lengths.map((length) => (left ? steps - length : 0))

  // Filled as (B, T, …), where each sequence is contiguous, and transposed afterwards.
  const byBatch = allocate(dtype, count)
  if (value !== 0) byBatch.fill(value)
  list.forEach((sequence, b) => {
    byBatch.set(sequence.values(), (b * steps + (starts[b] ?? 0)) * features)
  })
  let out = byBatch
  if (!batchFirst && count > 0) {
    out = allocate(dtype, count)
    const strides = [features, steps * features, 1]
    native.copyStrided(byBatch, 0, [steps, batch, features], strides, out)
  }
  return apply('PadSequenceBackward0', out, shape, list, [], (gradient, wanted) => {
    const [step, sequence] = batchFirst ? [1, steps] : [batch, 1]
    return lengths.map((length, b) => {
      if (!wanted[b]) return null
      const part = allocate(dtype, length * features)
      const offset = (b * sequence + (starts[b] ?? 0) * step) * features
      if (part.length > 0) {
        native.copyStrided(gradient, offset, [length, features], [step * features, 1], part)
      }
      return part
    })
  })
}
