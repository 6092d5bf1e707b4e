/** Numbers for tests, and comparisons of them. */

import { type DType, type Tensor, tensor } from '@elman/rnn'
import { expect } from 'vitest'
import { numbers } from './pseudo-random'

export { numbers }

/** A tensor of {@link numbers}. */
export function filled<D extends DType = 'float32'>(
  shape: readonly number[],
  seed: number,
  options: { dtype?: D; requiresGrad?: boolean } = {},
): Tensor<NoInfer<D>> {
  const next = numbers(seed)
  const count = shape.reduce((product, size) => product * size, 1)
  const { dtype = 'float32', requiresGrad = false } = options
  const values = Array.from({ length: count }, next)
  return tensor(values, { shape, dtype, requiresGrad }) as Tensor<D>
}

/** The bits of a tensor: NaNs, and zeros of either sign, are distinct. */
export function bits({
  data,
}: {
  readonly data: Float32Array | Float64Array | Int32Array
}): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
}

/** Expects two tensors to be equal in shape, dtype and every bit. */
export function expectSameBits(actual: Tensor<DType>, expected: Tensor<DType>): void {
  expect(actual.shape).toEqual(expected.shape)
  expect(actual.dtype).toBe(expected.dtype)
  if (bits(actual) !== bits(expected)) expect([...actual.data]).toEqual([...expected.data])
  expect(bits(actual)).toBe(bits(expected))
}

/** Expects every number to be within `tolerance`, relative to 1 + |expected|. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  expect(actual.length).toBe(expected.length)
  const wrong: string[] = []
  for (let place = 0; place < expected.length; place += 1) {
    if (Object.is(actual[place], expected[place])) continue // NaN and infinities too
    const error = Math.abs(actual[place] - expected[place])
    if (!(error <= tolerance * (1 + Math.abs(expected[place])))) {
      wrong.push(`at ${place}: ${actual[place]} instead of ${expected[place]}`)
    }
  }
  expect(wrong).toEqual([])
}

/** The error that a call throws, for tests that look at it closely. */
export function errorOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('expected an error')
}

/** The gradient of a tensor that has one. */
export function gradOf<D extends DType>({ grad }: Tensor<D>): Tensor<D> {
  if (grad === null) throw new Error('no gradient')
  return grad
}
