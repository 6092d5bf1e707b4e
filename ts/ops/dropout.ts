/** Elements zeroed at random, the others scaled. */

import { apply } from '../autograd/node'
import type { Variable } from '../autograd/variable'
import { allocate } from '../dtype'
import { type Floats, native } from '../native'

/**
 * Each element becomes 0 with probability `p`, and `1 / (1 - p)` times itself otherwise.
 *
 * @param seed names the mask; the gradient goes through the same one.
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
