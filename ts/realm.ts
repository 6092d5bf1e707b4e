/**
 * Functions of Node's main context, made functions of this realm.
 *
 * Jest and the vm pools of Vitest evaluate a package in a context of its own (`node:vm`), with its own `RangeError` and
 * `Float32Array`. The addon and the modules of Node make those of the main context, on which `instanceof` fails there.
 * So their functions are wrapped: what they return or throw gets a class of this realm. In the main context they stay
 * as they are, and cost nothing.
 */

import { types } from 'node:util'

/** Looked up by name. */
const errors = [
  ...[RangeError, TypeError, SyntaxError, ReferenceError, EvalError, URIError, Error],
] as readonly ErrorConstructor[]

/** The same. */
const arrays = [Float32Array, Float64Array, Int32Array, Uint8Array] as const

/** The functions of an object, each as one of this realm; the object itself if they all are. */
export function ofThisRealm<T extends object>(functions: T): T {
  const foreign = Object.values(functions).some(isForeignFunction)
  return foreign ? (plainToLocal(functions) as T) : functions
}

function toLocal(value: unknown): unknown {
  if (isForeignFunction(value)) return wrapped(value)
  if (typeof value !== 'object' || value === null || value instanceof Object) return value
  if (Array.isArray(value)) return Array.from(value, toLocal)
  if (types.isPromise(value)) return Promise.resolve(value).then(toLocal, rethrow)
  if (types.isTypedArray(value)) {
    const kind = arrays.find(({ name }) => name === value[Symbol.toStringTag])
    return kind === undefined ? value : new kind(value as Float32Array)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (typeof prototype !== 'object' || prototype === null) return value
  if (Object.getPrototypeOf(prototype) === null) return plainToLocal(value)
  return Object.setPrototypeOf(value, prototypeLike(prototype))
}

function plainToLocal(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]: [string, unknown]) => [name, toLocal(member)]),
  )
}

/** A function of another realm. */
type Foreign = (...args: unknown[]) => unknown

function isForeignFunction(value: unknown): value is Foreign {
  return typeof value === 'function' && !(value instanceof Function)
}

/** A function or a class that does the same in this realm. */
function wrapped(foreign: Foreign): Foreign {
  function local(this: unknown, ...args: unknown[]): unknown {
    try {
      return toLocal(
        new.target === undefined
          ? Reflect.apply(foreign, this, args)
          : Reflect.construct(foreign, args),
      )
    } catch (error) {
      return rethrow(error)
    }
  }
  wrapMethods(foreign, local) // static ones
  return local
}

const prototypes = new WeakMap<object, object>()

/** A prototype whose methods are of this realm, for the objects of a class of another one. */
function prototypeLike(foreign: object): object {
  const made = prototypes.get(foreign) ?? wrapMethods(foreign, Object.create(foreign) as object)
  prototypes.set(foreign, made)
  return made
}

function wrapMethods<T extends object>(foreign: object, local: T): T {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(foreign))) {
    if (name === 'constructor' || typeof value !== 'function') continue
    Object.defineProperty(local, name, { value: toLocal(value), writable: true })
  }
  return local
}

/** Throws an error as one of this realm: the same object, with its message, its stack and its code. */
function rethrow(error: unknown): never {
  if (!types.isNativeError(error) || error instanceof Error) throw error
  for (let above = error as object; ; above = Object.getPrototypeOf(above) as object) {
    const kind = errors.find(({ name }) => name === above.constructor?.name)
    if (kind !== undefined) throw Object.setPrototypeOf(error, kind.prototype)
  }
}
