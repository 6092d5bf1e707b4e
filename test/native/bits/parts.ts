/** The type of a case, and the numbers in cases. */

import { createHash } from 'node:crypto'
import { cat, type DType, rand, Tensor } from './package'

/** The results of a call: tensors, arrays and numbers by name. */
export type Parts = Readonly<
  Record<string, Tensor<DType> | Float32Array | Float64Array | Uint8Array | number | null>
>

export interface Case {
  readonly name: string
  readonly run: () => Parts | Promise<Parts>
  /** Whether it calls a function of the C library (log, pow), whose last bit differs between systems. */
  readonly libm?: boolean
}

/** Uniform in [-1, 1), from the generator that `manualSeed` seeds. The scaling is exact. */
export function uniform(shape: readonly number[], dtype: DType = 'float32'): Tensor<DType> {
  const values = rand(shape, { dtype })
  for (let i = 0; i < values.data.length; i += 1) values.data[i] = 2 * values.data[i] - 1
  return values
}

/** The same as a leaf that collects a gradient. */
export function leaf(shape: readonly number[], dtype: DType = 'float32'): Tensor<DType> {
  const values = uniform(shape, dtype)
  values.requiresGrad = true
  return values
}

/** Runs backward from results with weights drawn for them; a null has no upstream gradient. */
export function backward(results: readonly (Tensor<DType> | null)[]): void {
  lossOf(results).backward()
}

/** The sum over all results of Σ w·y, w drawn. */
export function lossOf(results: readonly (Tensor<DType> | null)[]): Tensor<DType> {
  const sums = results.flatMap((y) =>
    y === null ? [] : [y.mul(uniform(y.shape, y.dtype)).sum().reshape([1])],
  )
  return cat(sums).sum()
}

/** The gradients of leaves and parameters as parts. */
export function gradients(tensors: Readonly<Record<string, Tensor<DType> | null>>): Parts {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, one]) => [`d ${name}`, one?.grad ?? null]),
  )
}

/** The parameters of a module under their names. */
export function parametersOf(module: {
  namedParameters(): Iterable<[string, Tensor<DType>]>
}): Record<string, Tensor<DType>> {
  return Object.fromEntries(module.namedParameters())
}

/** The first 16 hexadecimal digits of the SHA-256 of everything in the parts: names, shapes and bytes. */
export function hashOf(parts: Parts): string {
  const hash = createHash('sha256')
  for (const [name, part] of Object.entries(parts)) {
    const value = typeof part === 'number' ? new Float64Array([part]) : part
    const shape = value instanceof Tensor ? value.shape : [value?.length]
    hash.update(`${name}:${shape.join()};`)
    const data = value instanceof Tensor ? value.data : value
    if (data !== null) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return hash.digest('hex').slice(0, 16)
}
