/** The dropout layer. */

import { describe, refuseExtra } from '../check'
import type { DType } from '../dtype'
import { dropout } from '../ops/dropout'
import { pythonNumber } from '../python'
import { generator } from '../random'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { Module } from './module'

/**
 * Sets each element to 0 with probability p in training, as `torch.nn.Dropout`.
 *
 * The other elements are scaled by 1/(1-p). In evaluation, the output is the input.
 *
 * | shape | where |
 * |---|---|
 * | input, output (…) | any shape |
 *
 * The mask comes from the package's random number generator, so `manualSeed` determines it. It differs from torch's
 * mask.
 *
 * @example
 * ```ts
 * import { nn, ones } from '@elman/rnn'
 *
 * const dropout = new nn.Dropout(0.2)
 * console.log(dropout.forward(ones([4])).toArray()) // some 0, the others 1.25
 * console.log(dropout.eval().forward(ones([4])).toArray()) // [ 1, 1, 1, 1 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html
 */
export class Dropout extends Module {
  /** Probability of an element being zeroed; may be changed between calls. */
  p: number

  /**
   * @param p probability of an element being zeroed, from 0 to 1. Default: 0.5.
   * @throws RangeError if it is not in that range; TypeError if it is not a number.
   */
  constructor(p = 0.5) {
    if (arguments.length > 1) refuseExtra('Dropout', 1, arguments)
    super()
    this.p = checkProbability(p)
  }

  /**
   * Applies a new mask in training; in evaluation, returns the input itself.
   *
   * @param input any shape.
   * @throws TypeError if it is not a tensor.
   */
  forward<D extends DType>(input: Tensor<D>): Tensor<D> {
    if (arguments.length > 1) refuseExtra('Dropout.forward', 1, arguments)
    const x = checkTensor('dropout', 'input', input)
    const p = checkProbability(this.p)
    if (!this.training || p === 0) return input
    x.values()
    return wrap(dropout(x, p, generator.seed53()))
  }

  protected override extraRepr(): string {
    return `p=${pythonNumber(this.p)}, inplace=False`
  }
}

function checkProbability(p: unknown): number {
  if (typeof p !== 'number') throw new TypeError(`p should be a number, got: ${describe(p)}`)
  if (p >= 0 && p <= 1) return p
  throw new RangeError(`dropout probability has to be between 0 and 1, but got ${p}`)
}
