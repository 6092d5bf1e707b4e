/** The affine map y = x Wᵀ + b. */

import { apply, multiplyAddsOfAnElement } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { allocateUnset } from '../dtype'
import { type Floats, native } from '../native'
import { gradientSlabs } from '../slab'

/**
 * x Wᵀ + b, over the last dimension of `x`.
 *
 * @param x (…, in)
 * @param weight (out, in)
 * @param bias (out), or null
 * @returns (…, out)
 */
export function linear(x: Variable, weight: Variable, bias: Variable | null): Variable {
  const [outFeatures = 0, inFeatures = 0] = weight.shape
  const leading = x.shape.slice(0, -1)
  const rows = leading.reduce((product, size) => product * size, 1)
  const { dtype } = weight
  const out = allocateUnset(dtype, rows * outFeatures)
  native.linearForward(
    x.values(),
    weight.values(),
    bias?.values() ?? null,
    rows,
    inFeatures,
    outFeatures,
    out,
  )
  const inputs = bias === null ? [x, weight] : [x, weight, bias]
  return apply(
    'AddmmBackward0',
    out,
    [...leading, outFeatures],
    inputs,
    [x, weight],
    (gradient, [toX, toWeight, toBias]) => {
      const allocation = (of: Variable | null, wanted = false): Floats | null =>
        of !== null && wanted ? gradientSlabs.allocate(dtype, of) : null
      const [gradX, gradWeight, gradBias] = [
        allocation(x, toX),
        allocation(weight, toWeight),
        allocation(bias, toBias),
      ]
      native.linearBackward(
        x.values(),
        weight.values(),
        gradient,
        rows,
        inFeatures,
        outFeatures,
        gradX,
        gradWeight,
        gradBias,
      )
      return [gradX, gradWeight, gradBias]
    },
    { work: (2 * rows * inFeatures * outFeatures) / multiplyAddsOfAnElement },
  )
}
