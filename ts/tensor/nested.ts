/** Nested arrays of numbers, from and to flat ones. */

import { describe } from '../check'

/** A number, or arrays in arrays of them, all equally long in each dimension. */
export type Nested = number | readonly Nested[]

/** The elements of a flat, row-major array as nested arrays. */
export function nested(values: ArrayLike<number>, shape: readonly number[]): Nested {
  let offset = 0
  const build = (dim: number): Nested => {
    const size = shape[dim]
    if (size === undefined) return values[offset++] ?? Number.NaN
    return Array.from({ length: size }, () => build(dim + 1))
  }
  return build(0)
}

/**
 * The shape and, row by row, the elements of nested arrays.
 *
 * @throws RangeError if the arrays of a dimension differ in length; TypeError if an element is not a number.
 */
export function flatten(values: unknown): { shape: number[]; elements: number[] } {
  const shape: number[] = []
  for (let level = values; Array.isArray(level); level = level[0] as unknown) {
    shape.push(level.length)
    if (shape.length > maxRank) throw new RangeError(`too many dimensions: more than ${maxRank}`)
  }
  const elements: number[] = []
  const visit = (value: unknown, dim: number): void => {
    const expected = shape[dim]
    if (expected === undefined) {
      if (typeof value !== 'number') {
        throw new TypeError(`must be real number, not ${describe(value)}`)
      }
      elements.push(value)
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

/** More dimensions than this are a mistake (an array that holds itself, for one). */
const maxRank = 64
