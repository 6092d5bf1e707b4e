/** The addon without the TypeScript around it, and what a call of it is. */

import { createRequire } from 'node:module'

export const addon: typeof import('../../index.js') = createRequire(import.meta.url)(
  '../../index.js',
)

/** A valid call. A place is the number of an argument, or that of a list and one in it. */
export interface Call {
  readonly name: string
  /** Makes the arguments anew: calls write into them. */
  readonly args: () => unknown[]
  readonly run: (args: readonly unknown[]) => unknown
  /** The arguments that are sizes: integers from 0. */
  readonly sizes: readonly number[]
  /** The arguments that are integers of any size and sign. */
  readonly integers: readonly number[]
  /** The arguments that are written; all other arrays are only read. */
  readonly written: readonly Place[]
}

export type Place = readonly [number] | readonly [number, number]
export type AnyArray = Float32Array | Float64Array | Int32Array | Uint8Array

/** Some numbers that are not all alike. */
export function floats(count: number, from = 0): Float32Array {
  return Float32Array.from({ length: count }, (_, place) => Math.sin(from + place + 1))
}

export function ints(...values: number[]): Int32Array {
  return Int32Array.from(values)
}

/** A call of a function of the addon. */
export function call(
  name: string,
  args: () => unknown[],
  rest: { sizes?: number[]; integers?: number[]; written?: Place[]; on?: () => object } = {},
): Call {
  const { sizes = [], integers = [], written = [], on = () => addon } = rest
  const method = name.split(/[.#]/).at(-1) ?? ''
  const run = (given: readonly unknown[]): unknown => {
    const receiver = on()
    return Reflect.apply(Reflect.get(receiver, method), receiver, given)
  }
  return { name, args, run, sizes, integers, written }
}
