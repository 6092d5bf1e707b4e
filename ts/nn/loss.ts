/** The reduction of a loss. */

import { describe } from '../check'
import type { Reduction } from '../ops/loss'

const reductions: readonly Reduction[] = ['none', 'mean', 'sum']

/** Checks a reduction: `'none'`, `'mean'` or `'sum'`. */
export function checkReduction(value: unknown): Reduction {
  const found = reductions.find((reduction) => reduction === value)
  if (found !== undefined) return found
  if (typeof value !== 'string') {
    throw new TypeError(`reduction should be of type str, got: ${describe(value)}`)
  }
  throw new RangeError(`${value} is not a valid value for reduction`)
}
