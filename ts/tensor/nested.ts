/** Conversions between nested and flat arrays. */

import { checkNestable, describe, elementCount } from '../check'
import type { Floats } from '../native'

/** A number, or nested arrays of numbers, all of one length in each dimension. */
export type Nested = number | readonly Nested[]

/**
 * What `toArray` gives: a number, or nested arrays. TypeScript does not know the number of dimensions, so the type fits
 * each: `x.toArray()[0][1]` is a number, `x.toArray()[0]` can be mapped, and both need no cast.
 */
export type NestedNumber = number & NestedArray

/** Nested arrays as `toArray` gives them; see {@link NestedNumber}. */
export interface NestedArray extends Array<NestedNumber> {
  /** As of any array; the number may be a computed one. */
  indexOf(searchElement: Nested, fromIndex?: number): number
  /** As of any array; the number may be a computed one. */
  lastIndexOf(searchElement: Nested, fromIndex?: number): number
  /** As of any array; the number may be a computed one. */
  includes(searchElement: Nested, fromIndex?: number): boolean
}

/**
 * The elements of a flat, row-major array as nested arrays.
 *
 * @throws RangeError if they are too many for JavaScript arrays.
 */
export function nested(values: Floats | Int32Array, shape: readonly number[]): NestedNumber {
  checkNestable(shape)
  const last = shape.length - 1
  let offset = 0
  const build = (dim: number): Nested => {
    const size = shape[dim] ?? 0
    if (dim < last) return Array.from({ length: size }, () => build(dim + 1))
    offset += size
    return Array.from(values.subarray(offset - size, offset))
  }
  const result = shape.length === 0 ? (values[0] ?? Number.NaN) : build(0)
  return result as NestedNumber
}

/**
 * The shape of nested arrays, and their elements in row-major order.
 *
 * @throws RangeError if the arrays of a dimension differ in length, or hold too many numbers; TypeError if an element
 *   is not a number.
 */
export function flatten(values: unknown): { shape: number[]; elements: Float64Array } {
  const shape: number[] = []
  for (let level = values; Array.isArray(level); level = level[0] as unknown) {
    shape.push(level.length)
    if (shape.length > maxRank) throw new RangeError(`too many dimensions: more than ${maxRank}`)
  }
  checkNestable(shape) // a few arrays can stand for many numbers, if an array holds the same one several times
  const elements = new Float64Array(elementCount(shape))
  let filled = 0
  const visit = (value: unknown, dim: number): void => {
    const expected = shape[dim]
    if (expected === undefined) {
      if (typeof value !== 'number') {
        throw new TypeError(`must be real number, not ${describe(value)}`)
      }
      elements[filled++] = value
      return
    }
    if (!Array.isArray(value)) {
      throw new TypeError(
        `expected sequence of length ${expected} at dim ${dim} (got ${describe(value)})`,
      )
    }
    if (value.length !== expected) {
      throw new RangeError(
        `expected sequence of length ${expected} at dim ${dim} (got ${value.length})`,
      )
    }
    for (let place = 0; place < expected; place += 1) visit(value[place], dim + 1)
  }
  visit(values, 0)
  return { shape, elements }
}

/** The largest number of dimensions; more are taken as a mistake, such as an array that contains itself. */
const maxRank = 64
