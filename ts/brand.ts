/**
 * Which copy of this package an object belongs to.
 *
 * A program may load two: two versions, two paths, or one path twice (Jest's `resetModules`). Their classes have the
 * same names, but an object of one is none of the other's. A mark on the prototypes tells them apart.
 */

import { types } from 'node:util'

/** The version of this package, put in by scripts/lib/bundle.mjs. */
declare const PACKAGE_VERSION: string

/** The marked classes. */
type Branded = 'Tensor' | 'IntTensor' | 'PackedSequence' | 'Module' | 'Optimizer' | 'LRScheduler'

interface Brand {
  readonly name: Branded
  readonly version: string
  readonly path: string
}

/** The property of the prototypes, which all copies share. */
const key = Symbol.for('@elman/rnn')

/** Where this copy is; a bundle that is a module does not know. */
const here = typeof __filename === 'string' ? __filename : 'an unknown place'

/** The marks of this copy. */
const own = new Set<unknown>()

/** Names that messages expect: a refused object of such a class without a mark is of another package. */
const expected = new Set([
  ...['Tensor', 'IntTensor', 'BoolTensor', 'PackedSequence', 'Module', 'RNN', 'LSTM', 'GRU'],
  ...['Map', 'AbortSignal'],
])

/** Marks the objects of a class, and of those that extend it. */
export function brand(prototype: object, name: Branded): void {
  const value: Brand = Object.freeze({ name, version: PACKAGE_VERSION, path: here })
  own.add(value)
  Object.defineProperty(prototype, key, { value })
}

/** Whether an object is of a marked class, of any copy. */
export function isBranded(value: object): boolean {
  return key in value
}

/** The marked class of an object of another copy; null of any other object. */
export function brandOf(value: object): Branded | null {
  return foreignBrand(value)?.name ?? null
}

/** An object in messages: its class, and what is the matter with it where the name of that alone misleads. */
export function describeObject(value: object): string {
  const given: unknown = value.constructor?.name
  const name = typeof given === 'string' && given !== '' ? given : 'Object'
  // A proxy has no private fields, so it is of use only where these are not needed.
  if (types.isProxy(value)) return `${name} behind a Proxy`
  const brand = foreignBrand(value)
  if (brand === null) return isNamesake(value, name) ? `${name} of another package` : name
  const which =
    brand.path === here
      ? `loaded again from ${here}`
      : `${brand.version} at ${brand.path}; this one is ${PACKAGE_VERSION} at ${here}`
  return `${name} of another copy of @elman/rnn (${which})`
}

/** The error of a method that was called on a proxy of its object, or on an object of another class. */
export function notItself(method: string, receiver: object): TypeError {
  return new TypeError(
    `${method}() was called on ${describeObject(receiver)}, which lacks its private fields: call it on the object itself`,
  )
}

/** Whether only the name of an object's class is that of what messages expect. */
function isNamesake(value: object, name: string): boolean {
  return expected.has(name) && !(key in value || types.isMap(value) || value instanceof AbortSignal)
}

function foreignBrand(value: object): Brand | null {
  const found: unknown = (value as { [key]?: unknown })[key]
  return typeof found === 'object' && found !== null && !own.has(found) ? (found as Brand) : null
}
