/** Values that JSON stores unchanged. */

import { describe, isPlainObject } from '../check'

/** A value that JSON can hold. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** A value nested deeper than this is taken as circular. */
const maxDepth = 1000

/** Refuses what JSON would drop or change: undefined, NaN, infinities, dates, maps, … */
export function checkJson(name: string, value: unknown, depth = 0): Json {
  if (depth > maxDepth) throw new TypeError(`${name} is circular or nested too deeply`)
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) {
    return value.map((item, place) => checkJson(`${name}[${place}]`, item, depth + 1))
  }
  if (isPlainObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]: [string, unknown]) => [
        key,
        checkJson(`${name}.${key}`, item, depth + 1),
      ]),
    )
  }
  throw new TypeError(`${name} should be a JSON value, got: ${describe(value)}`)
}
