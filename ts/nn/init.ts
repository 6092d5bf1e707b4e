/** Initial values of parameters: those of torch, from the package's random number generator. */

import type { DType } from '../dtype'
import { generator } from '../random'
import { zeros } from '../tensor/create'
import { checkTensor, type Tensor } from '../tensor/tensor'

/** A parameter, with zeros until it is initialized. */
export function parameter<D extends DType>(shape: readonly number[], dtype: DType): Tensor<D> {
  return zeros(shape, { dtype, requiresGrad: true }) as Tensor<D>
}

/** Draws every element from uniform(-bound, bound). */
export function uniform(tensor: unknown, bound: number): void {
  checkTensor('uniform', 'tensor', tensor).mutate((data) => generator.uniform(data, -bound, bound))
}

/** Draws every element from the normal distribution with mean 0 and variance 1. */
export function normal(tensor: unknown): void {
  checkTensor('normal', 'tensor', tensor).mutate((data) => generator.normal(data, 0, 1))
}

/** Sets the elements from `start` to `end` to zero. */
export function zero(tensor: unknown, start: number, end: number): void {
  checkTensor('zero', 'tensor', tensor).mutate((data) => data.fill(0, start, end))
}
