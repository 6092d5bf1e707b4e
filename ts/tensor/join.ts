/** Functions that join tensors. */

import type { Variable } from '../autograd/variable'
import { describe, refuseExtra } from '../check'
import type { DType } from '../dtype'
import * as join from '../ops/join'
import { type Tensor, variableOf, wrap } from './tensor'

/**
 * Concatenates tensors along an existing dimension.
 *
 * @param tensors at least one; all of one dtype, and of the same sizes except in dimension `dim`.
 * @param dim the dimension, counted from the end if negative. Default: 0.
 * @throws RangeError if the list is empty, a shape does not fit or there is no such dimension; TypeError if an element
 *   is not a tensor or dtypes differ.
 *
 * @example
 * ```ts
 * import { cat, ones, zeros } from '@elman/rnn'
 *
 * console.log(cat([zeros([2, 3]), ones([2, 1])], 1).shape) // [ 2, 4 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.cat.html
 */
export function cat<D extends DType>(tensors: readonly Tensor<D>[], dim = 0): Tensor<D> {
  if (arguments.length > 2) refuseExtra('cat', 2, arguments)
  return wrap(join.cat(checkTensors('cat', 'tensors', tensors), dim))
}

/**
 * Stacks tensors along a new dimension.
 *
 * @param tensors at least one; all of one shape and dtype.
 * @param dim the index of the new dimension, counted from the end if negative. Default: 0.
 * @throws RangeError if the list is empty, shapes differ or `dim` is out of range; TypeError if an element is not a
 *   tensor or dtypes differ.
 *
 * @example
 * ```ts
 * import { ones, stack, zeros } from '@elman/rnn'
 *
 * console.log(stack([zeros([3]), ones([3])], 1).shape) // [ 3, 2 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.stack.html
 */
export function stack<D extends DType>(tensors: readonly Tensor<D>[], dim = 0): Tensor<D> {
  if (arguments.length > 2) refuseExtra('stack', 2, arguments)
  return wrap(join.stack(checkTensors('stack', 'tensors', tensors), dim))
}

/** The variables of the tensors in an array argument. */
export function checkTensors(owner: string, name: string, list: unknown): Variable[] {
  if (!Array.isArray(list)) {
    throw new TypeError(
      `${owner}(): argument '${name}' must be an array of Tensors, not ${describe(list)}`,
    )
  }
  return list.map((item: unknown, place) => {
    const variable = variableOf(item)
    if (variable === null) {
      throw new TypeError(
        `expected Tensor as element ${place} in argument 0, but got ${describe(item)}`,
      )
    }
    return variable
  })
}
