/** Dropout. */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { allocate } from '../dtype'
import { type Floats, native } from '../native'

/**
 * Each element becomes 0 with probability `p`, and `1 / (1 - p)` times itself otherwise.
 *
 * @param seed determines the mask, which is the same in the backward pass.
 */
export function dropout(x: Variable, p: number, seed: number): Variable {
  const { dtype, numel } = x
  const masked = (values: Floats): Floats => {
    const out = allocate(dtype, numel)
    native.dropout(values, p, seed, out)
    return out
  }
  return apply('DropoutBackward0', masked(x.values()), x.shape, [x], [], (gradient) => [
    masked(gradient),
  ])
}
