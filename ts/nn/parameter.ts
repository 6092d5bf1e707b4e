/** The check of a module's parameter at each use, since a program may have assigned another one. */

import type { Variable } from '../autograd/variable'
import { formatShape, sameShape } from '../check'
import type { DType } from '../dtype'

/** Refuses a parameter of another shape or dtype than the module's forward needs. */
export function checkParameter(
  name: string,
  variable: Variable,
  shape: readonly number[],
  dtype: DType,
): void {
  if (variable.dtype !== dtype) {
    throw new TypeError(`expected ${name} to have dtype ${dtype}, but got: ${variable.dtype}`)
  }
  if (!sameShape(variable.shape, shape)) {
    throw new RangeError(
      `Expected ${name} to have shape ${formatShape(shape)}, got ${formatShape(variable.shape)}`,
    )
  }
}
