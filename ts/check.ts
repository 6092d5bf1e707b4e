/**
 * Checks of arguments.
 *
 * A value or shape that does not fit is a `RangeError`, a wrong type a `TypeError`. Messages have torch's wording, with
 * the expected and the actual value. Every check runs before anything changes.
 */

import { types } from 'node:util'
import { describeObject, isBranded } from './brand'
import { type DType, dtypes } from './dtype'
import { suggestion } from './suggest'

/** An unexpected value as messages show it: numbers and short strings as they are, objects by class. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'bigint':
      return `${value}n`
    case 'string':
      return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`
    case 'object':
      return value === null ? 'null' : describeObject(value)
    default:
      return typeof value
  }
}

/** `[2, 3]`, as messages show a shape. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}

/** An integer: a TypeError for fractions, NaN and infinities, a RangeError beyond ±`Number.MAX_SAFE_INTEGER`. */
export function checkInteger(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new TypeError(`${name} should be of type int, got: ${describe(value)}`)
  }
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`${name} should be at most 2^53 - 1 in size, got: ${value}`)
  }
  return value
}

/** An integer greater than zero: a size of a module. */
export function checkPositiveInteger(name: string, value: unknown): number {
  const integer = checkInteger(name, value)
  if (integer <= 0) throw new RangeError(`${name} must be greater than zero`)
  return integer
}

/** A boolean; other truthy or falsy values are refused. */
export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw new TypeError(`${name} should be of type bool, got: ${describe(value)}`)
  }
  return value
}

/** A number that is not NaN. */
export function checkNumber(name: string, value: unknown): number {
  if (typeof value !== 'number') {
    throw new TypeError(`${name} should be a number, got: ${describe(value)}`)
  }
  if (Number.isNaN(value)) throw new RangeError(`${name} should be a number, got: NaN`)
  return value
}

/** One of a few strings. */
export function checkChoice<T extends string>(
  value: unknown,
  choices: readonly T[],
  message: string,
): T {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw new RangeError(message)
  return found
}

/** `'float32'` or `'float64'`. */
export function checkDType(value: unknown): DType {
  const found = dtypes.find((dtype) => dtype === value)
  if (found === undefined) {
    throw new TypeError(`dtype should be 'float32' or 'float64', got: ${describe(value)}`)
  }
  return found
}

/**
 * Refuses arguments beyond the first `count`; undefined counts as absent. Every function of the public API begins with
 *
 *     if (arguments.length > 2) refuseExtra('zeros', 2, arguments)
 *
 * since JavaScript itself ignores them. The comparison takes less than a nanosecond; with it in here, the list of
 * arguments would be made at every call.
 *
 * @param owner the function, in messages.
 */
export function refuseExtra(owner: string, count: number, given: ArrayLike<unknown>): void {
  let { length } = given
  while (length > count && given[length - 1] === undefined) length -= 1
  if (length === count) return
  const most = count === 0 ? 'no arguments' : `at most ${count} argument${count === 1 ? '' : 's'}`
  throw new TypeError(`${owner}() takes ${most} (${length} given)`)
}

/**
 * An options object without keys other than `allowed`.
 *
 * @param owner the function that takes the options, in messages.
 */
export function checkOptions(
  owner: string,
  options: unknown,
  allowed: readonly string[],
): Record<string, unknown> {
  if (options === undefined) return {}
  if (!isOptions(options)) {
    throw new TypeError(`${owner}() expected an object of options, got: ${describe(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (!allowed.includes(key)) {
      throw new TypeError(
        `${owner}() got an unexpected keyword argument '${key}'${suggestion(key, allowed)}`,
      )
    }
  }
  return options
}

/** Whether a value can hold options: not a tensor, a Map or another object whose content is no properties. */
function isOptions(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return isPlainObject(value) || (Object.keys(value).length > 0 && !isBranded(value))
}

/** Whether a value is an object of no class but `Object`, of any realm, or without a prototype. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** A function, for callbacks. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') {
    throw new TypeError(`${name} should be a function, got: ${describe(value)}`)
  }
}

/** Whether an object has these methods, whatever its class is. */
export function hasMethods<Name extends string>(
  value: unknown,
  names: readonly Name[],
): value is Record<Name, () => unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  )
}

/** A string, for paths and keys. */
export function checkString(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw new TypeError(`${name} should be a string, got: ${describe(value)}`)
  }
  return value
}

/** A shape: integers ≥ 0 whose product is a safe integer. */
export function checkShape(owner: string, shape: unknown): number[] {
  const sizes = checkIntegers(owner, 'shape', shape)
  for (const size of sizes) {
    if (size < 0) {
      throw new RangeError(
        `Trying to create tensor with negative dimension ${size}: ${formatShape(sizes)}`,
      )
    }
  }
  elementCount(sizes)
  return sizes
}

/** A list of integers, copied. */
export function checkIntegers(owner: string, name: string, value: unknown): number[] {
  if (!Array.isArray(value)) {
    throw new TypeError(
      `${owner}(): argument '${name}' must be an array of ints, not ${describe(value)}`,
    )
  }
  return Array.from(value, (item: unknown, place) => {
    if (typeof item !== 'number' || !Number.isInteger(item)) {
      throw new TypeError(
        `${owner}(): argument '${name}' must be an array of ints, but found ${describe(item)} at pos ${place}`,
      )
    }
    if (!Number.isSafeInteger(item)) {
      throw new RangeError(
        `${owner}(): argument '${name}' holds ${item}, which is more than 2^53 - 1`,
      )
    }
    return item
  })
}

/** The number of elements of a shape; each size and their product must be safe integers. */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  let safe = true
  for (const size of shape) {
    count *= size
    safe &&= Number.isSafeInteger(size)
  }
  if (!safe || !Number.isSafeInteger(count)) {
    throw new RangeError(`a tensor of shape ${formatShape(shape)} has too many elements`)
  }
  return count
}

/** The largest nested arrays, by number of arrays and of numbers: what V8's heap holds by default. */
const maxNested = { arrays: 2 ** 24, numbers: 2 ** 26 }

/** Refuses a shape whose nested arrays do not fit into V8's heap: a full heap ends the process. */
export function checkNestable(shape: readonly number[]): void {
  let count = 1
  const fits = shape.every((size) => {
    const arrays = count
    count *= size
    return arrays <= maxNested.arrays
  })
  if (fits && count <= maxNested.numbers) return
  throw new RangeError(
    `shape ${formatShape(shape)} is too large for nested arrays, which hold at most ${maxNested.numbers} numbers in ${maxNested.arrays} arrays; use a typed array`,
  )
}

/** An integer argument of a tensor method. */
function checkArgument(owner: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new TypeError(`${owner}(): argument '${name}' must be int, not ${describe(value)}`)
  }
  return value
}

/** A dimension, counted from the end if negative. The result counts from the start. */
export function checkDim(owner: string, name: string, value: unknown, rank: number): number {
  const dim = checkArgument(owner, name, value)
  const range = Math.max(rank, 1)
  if (dim < -range || dim >= range) {
    throw new RangeError(
      `Dimension out of range (expected to be in range of [${-range}, ${range - 1}], but got ${dim})`,
    )
  }
  return dim < 0 ? dim + range : dim
}

/** An index into dimension `dim` of `shape`, counted from the end if negative. */
export function checkIndex(value: unknown, shape: readonly number[], dim: number): number {
  const index = checkArgument('select', 'index', value)
  const size = shape[dim] ?? 0
  if (index < -size || index >= size) {
    throw new RangeError(
      `select(): index ${index} out of range for tensor of size ${formatShape(shape)} at dimension ${dim}`,
    )
  }
  return index < 0 ? index + size : index
}

/** The start (counted from the end if negative) and length of a slice of a dimension of `size`. */
export function checkSlice(start: unknown, length: unknown, size: number): [number, number] {
  const first = checkArgument('narrow', 'start', start)
  const count = checkArgument('narrow', 'length', length)
  if (count < 0) throw new RangeError('narrow(): length must be non-negative.')
  if (first < -size || first > size) {
    throw new RangeError(
      `start out of range (expected to be in range of [${-size}, ${size}], but got ${first})`,
    )
  }
  const begin = first < 0 ? first + size : first
  if (begin + count > size) {
    throw new RangeError(`start (${begin}) + length (${count}) exceeds dimension size (${size}).`)
  }
  return [begin, count]
}

/** A shape for `count` elements; one size may be -1 and is inferred. */
export function checkReshape(shape: unknown, count: number): number[] {
  const sizes = checkIntegers('reshape', 'shape', shape)
  const shown = formatShape(sizes)
  let inferred = -1
  sizes.forEach((size, place) => {
    if (size < -1) {
      throw new RangeError(`invalid shape dimension ${size} at index ${place} of shape ${shown}`)
    }
    if (size === -1) {
      if (inferred !== -1) throw new RangeError('only one dimension can be inferred')
      inferred = place
    }
  })
  if (inferred !== -1) {
    const known = elementCount(sizes.filter((size) => size !== -1))
    if (known === 0 && count === 0) {
      throw new RangeError(
        `cannot reshape tensor of 0 elements into shape ${shown} because the unspecified dimension size -1 can be any value and is ambiguous`,
      )
    }
    sizes[inferred] = known === 0 ? 0 : Math.floor(count / known)
  }
  if (elementCount(sizes) !== count) {
    throw new RangeError(`shape '${shown}' is invalid for input of size ${count}`)
  }
  return sizes
}

/** Refuses two shapes that differ, with torch's message for shapes that cannot be broadcast. */
export function checkSameShape(a: readonly number[], b: readonly number[]): void {
  if (sameShape(a, b)) return
  if (a.length !== b.length) {
    throw new RangeError(
      `The size of tensor a (${formatShape(a)}) must match the size of tensor b (${formatShape(b)}): shapes are not broadcast`,
    )
  }
  let dim = a.length - 1
  while (a[dim] === b[dim]) dim -= 1
  const which = a[dim] === 1 || b[dim] === 1 ? 'dimension' : 'non-singleton dimension'
  throw new RangeError(
    `The size of tensor a (${a[dim]}) must match the size of tensor b (${b[dim]}) at ${which} ${dim}: shapes ${formatShape(a)} and ${formatShape(b)} are not broadcast`,
  )
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  for (let dim = 0; dim < a.length; dim += 1) {
    if (a[dim] !== b[dim]) return false
  }
  return true
}

/** Refuses two dtypes that differ. */
export function checkSameDType(what: string, a: DType, b: DType): void {
  if (a !== b) throw new TypeError(`${what} to have the same dtype, but got: ${a} != ${b}`)
}

/** Refuses shared memory, which another thread can write to. */
export function checkUnshared(name: string, values: ArrayBufferView): void {
  if (types.isSharedArrayBuffer(values.buffer)) {
    throw new TypeError(`${name} is backed by a SharedArrayBuffer; copy it into memory of its own`)
  }
}

/** Refuses an array that no longer has the number of elements of its shape: its buffer was detached or resized. */
export function checkIntact(values: ArrayLike<number>, count: number): void {
  if (values.length !== count) {
    throw new RangeError(
      `the data of this tensor was detached or resized: expected ${count} elements, got ${values.length}`,
    )
  }
}

/** An error of the addon in torch's words, where its message is of a known form; any other as it is. */
export function inTorchWords(
  error: unknown,
  form: RegExp,
  words: (...parts: string[]) => string,
): unknown {
  const parts = error instanceof Error ? form.exec(error.message) : null
  return parts === null ? error : new RangeError(words(...parts))
}
