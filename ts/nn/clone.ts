/** Deep copies of modules: what Python's `copy.deepcopy` does, without calling constructors. */

import { types } from 'node:util'
import { Variable } from '../autograd/variable'
import { isPlainObject } from '../check'
import { IntTensor, intTensor, intValues } from '../tensor/int-tensor'
import { type Tensor, variableOf, wrap } from '../tensor/tensor'
import { refusesCopies } from '../tools'

/**
 * A module's method that gives an instance of its class for `clone` to fill with fields: only constructors of this package
 * run. A symbol, so that no field of a user's class takes its place.
 */
export const unfilled = Symbol('unfilled')

/** Copies an instance of a class that it knows; null for other values. */
export type CopyInstance = (copier: Copier, where: string, value: object) => object | null

/** One deep copy. What occurs twice is copied once, so what is shared stays shared. */
export class Copier {
  readonly #copies = new Map<object, unknown>()
  readonly #instance: CopyInstance

  constructor(instance: CopyInstance) {
    this.#instance = instance
  }

  /**
   * Copies the properties of `source` to `target`, which stands for it from now on.
   *
   * @param where the path to the source, in messages.
   */
  fields<T extends object>(where: string, source: T, target: T): T {
    this.#copies.set(source, target)
    for (const key of Reflect.ownKeys(source)) {
      const property: PropertyDescriptor | undefined = Reflect.getOwnPropertyDescriptor(source, key)
      if (property === undefined) continue
      const path = where === '' ? String(key) : `${where}.${String(key)}`
      if ('value' in property) property.value = this.copy(path, property.value)
      Object.defineProperty(target, key, property)
    }
    return target
  }

  /** A copy of a value: tensors, modules, arrays, plain objects, maps, sets and typed arrays; others are shared. */
  copy(where: string, value: unknown): unknown {
    if (typeof value === 'function') return checkUnbound(where, value)
    if (typeof value !== 'object' || value === null) return value
    const known = this.#copies.get(value)
    if (known !== undefined) return known
    const copy = this.#object(where, value)
    this.#copies.set(value, copy)
    return copy
  }

  #object(where: string, value: object): object {
    if (refusesCopies in value) {
      throw new TypeError(
        `clone() cannot copy the field '${where}': ${String(value[refusesCopies])}. Override clone().`,
      )
    }
    const variable = variableOf(value)
    if (variable !== null) return this.#tensor(where, variable)
    if (value instanceof IntTensor) {
      return intTensor(this.#array(intValues(value, where)), value.shape)
    }
    const instance = this.#instance(this, where, value)
    if (instance !== null) return instance
    if (Array.isArray(value)) return this.fields(where, value, new Array<unknown>(value.length))
    if (types.isTypedArray(value)) return this.#array(value)
    if (value.constructor === Map) return this.#map(where, value as Map<unknown, unknown>)
    if (value.constructor === Set) return this.#set(where, value as Set<unknown>)
    if (!isPlainObject(value)) return value
    return this.fields(where, value, Object.create(Object.getPrototypeOf(value)) as object)
  }

  #tensor(where: string, variable: Variable): Tensor {
    if (variable.origin !== null) {
      throw new RangeError(
        `Only Tensors created explicitly by the user (graph leaves) can be cloned with a module, but the field '${where}' has grad_fn=<${variable.origin.node.name}>: store its detach()`,
      )
    }
    const copy = Variable.like(variable, this.#array(variable.values()))
    copy.requiresGrad = variable.isParameter // a frozen parameter is one, too
    copy.requiresGrad = variable.requiresGrad
    return wrap(copy)
  }

  /** A copy with a buffer of its own; tensors over one array share the copy. */
  #array<T extends NodeJS.TypedArray>(values: T): T {
    const known = this.#copies.get(values) as T | undefined
    if (known !== undefined) return known
    const copy = Uint8Array.prototype.slice.call(values) as NodeJS.TypedArray as T
    this.#copies.set(values, copy)
    return copy
  }

  #map(where: string, map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
    const copy = new Map<unknown, unknown>()
    this.#copies.set(map, copy)
    for (const [key, value] of map) copy.set(this.copy(where, key), this.copy(where, value))
    return copy
  }

  #set(where: string, set: ReadonlySet<unknown>): Set<unknown> {
    const copy = new Set<unknown>()
    this.#copies.set(set, copy)
    for (const value of set) copy.add(this.copy(where, value))
    return copy
  }
}

/** Refuses a function that would go on to use the original: an arrow function with `this`, or a bound one. */
function checkUnbound(where: string, value: object): object {
  const text = Function.prototype.toString.call(value)
  const isArrow = /^(async\s*)?(\(|[\w$]+\s*=>)/.test(text) && text.includes('=>')
  const isBound = 'name' in value && String(value.name).startsWith('bound ')
  if (isBound || (isArrow && /\b(this|super)\b/.test(text))) {
    throw new TypeError(
      `clone() cannot copy the field '${where}': the function is bound to the original. Make it a method, or override clone().`,
    )
  }
  return value
}

/**
 * An instance of the class of `like`, made by the constructor of a base class alone.
 *
 * @param args the arguments of that constructor.
 */
export function instanceLike<T extends object>(
  base: abstract new (...args: never[]) => object,
  args: readonly unknown[],
  like: T,
): T {
  function target(): void {}
  target.prototype = Object.getPrototypeOf(like)
  return Reflect.construct(base, args, target) as T
}
