/** Gradients by finite differences. */

import { type DType, type Tensor, tensor, zeros } from '@elman/rnn'
import { expect } from 'vitest'
import { expectClose, filled } from './numbers'

/**
 * Compares the gradients that `backward` gives with central differences, as torch's gradcheck does.
 *
 * @param fn a function of float64 tensors, which must not depend on anything else.
 * @param inputs leaves; each gets its gradient.
 */
export function expectGradients<D extends DType>(
  fn: (...inputs: Tensor<D>[]) => Tensor<DType>,
  inputs: Tensor<D>[],
  { eps = 1e-6, tolerance = 1e-5 } = {},
): void {
  const output = fn(...inputs)
  // A weighted sum of the outputs with uneven weights, so that no error can cancel out.
  const weights = filled(output.shape, 99, { dtype: 'float64' })
  const loss = (): number =>
    fn(...inputs)
      .detach()
      .mul(weights)
      .sum()
      .item()
  output.backward(weights)
  inputs.forEach((input, which) => {
    const analytic = input.grad ?? zeros(input.shape, { dtype: 'float64' })
    const numeric = Float64Array.from(input.data, (value, place) => {
      input.data[place] = value + eps
      const above = loss()
      input.data[place] = value - eps
      const below = loss()
      input.data[place] = value
      return (above - below) / (2 * eps)
    })
    expect(analytic.shape, `shape of the gradient of input ${which}`).toEqual(input.shape)
    expectClose(analytic.data, numeric, tolerance)
  })
}

/** A float64 leaf that collects a gradient. */
export function leaf(shape: readonly number[], seed: number): Tensor<'float64'> {
  return filled(shape, seed, { dtype: 'float64', requiresGrad: true })
}

/** A float64 leaf of given values. */
export function leafOf(values: number[]): Tensor<'float64'> {
  return tensor(values, { dtype: 'float64', requiresGrad: true })
}
