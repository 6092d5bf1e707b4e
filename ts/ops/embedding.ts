/** Lookup of the rows of a table. */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { inTorchWords } from '../check'
import { allocate } from '../dtype'
import { native } from '../native'

/**
 * The rows of `weight` at `indices`.
 *
 * @param weight (num, dim)
 * @param indices class indices; copied, so they may change after the call.
 * @param shape the shape of `indices`.
 * @param paddingIdx the row that gets no gradient, or -1.
 * @returns (…shape, dim)
 */
export function embedding(
  weight: Variable,
  indices: Int32Array,
  shape: readonly number[],
  paddingIdx: number,
): Variable {
  const [count = 0, dim = 0] = weight.shape
  const { dtype } = weight
  const rows = indices.slice()
  const out = allocate(dtype, rows.length * dim)
  try {
    native.embeddingForward(weight.values(), rows, count, dim, out)
  } catch (error) {
    const outOfRange = /^expected 0 ≤ index < .*/
    throw inTorchWords(error, outOfRange, (text) => `index out of range in self: ${text}`)
  }
  return apply('EmbeddingBackward0', out, [...shape, dim], [weight], [], (gradient) => {
    const gradWeight = allocate(dtype, count * dim)
    native.embeddingBackward(gradient, rows, count, dim, paddingIdx, gradWeight)
    return [gradWeight]
  })
}
