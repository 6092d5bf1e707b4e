/**
 * What the tools of the ecosystem see of an object: deep equality, `structuredClone`, JSON, conversion to a number.
 *
 * Deep equality (node:assert, Vitest, Jest) compares prototypes and own enumerable properties. So what makes two objects
 * of this package equal is in public fields, and all else, such as the tape, is in private ones.
 */

/**
 * The value of a field that makes `structuredClone` and `postMessage` throw: they would copy the fields of an object,
 * but not its class. V8's message is `Symbol(…) could not be cloned.`
 */
export function notCloneable(what: string, instead: string): symbol {
  return Symbol(`${what} itself: ${instead}`)
}

/** For tensors, and so for all that holds them. */
export const tensorsNotCloneable = notCloneable(
  'a tensor',
  'send its data and shape, or serializeSafetensors(model.stateDict())',
)

/** The property with which a prototype says why `clone` of a module does not copy its instances. */
export const refusesCopies: unique symbol = Symbol('refuses copies')

/** Makes `clone` of a module refuse the instances of a class, which would go on to use the original. */
export function refuseCopies(prototype: object, reason: string): void {
  Object.defineProperty(prototype, refusesCopies, { value: reason })
}

/** Sets fields that an assignment cannot change. */
export function setReadOnly(object: object, fields: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(fields)) {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true })
  }
}

/** A tensor as JSON. `tensor(data.map(Number), { shape, dtype })` makes it again. */
export interface TensorJson<D extends string> {
  /** `'float32'`, `'float64'` or `'int32'`. */
  dtype: D
  /** The size of each dimension. */
  shape: number[]
  /** The elements, row-major. JSON has no number for what is not finite: these are strings. */
  data: (number | 'NaN' | 'Infinity' | '-Infinity')[]
}

/** The JSON of a tensor. */
export function tensorJson<D extends string>(
  dtype: D,
  shape: readonly number[],
  values: ArrayLike<number>,
): TensorJson<D> {
  const data = Array.from(values, (value) =>
    Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity'),
  )
  return { dtype, shape: [...shape], data }
}

/**
 * The conversion of a tensor to a primitive value: its number for `<`, `+` and `Number(…)`, its text for a template.
 *
 * @throws TypeError where a number is wanted and the tensor has not exactly one element.
 */
export function tensorToPrimitive(
  tensor: { readonly shape: readonly number[]; toString(): string },
  values: ArrayLike<number>,
  hint: string,
): number | string {
  if (hint === 'string') return tensor.toString()
  const value = values[0]
  if (value === undefined || values.length !== 1) {
    throw new TypeError(
      `only one element tensors can be converted to numbers, but this one has shape [${tensor.shape.join(', ')}]: ` +
        'take an element of its data, or its text by String(tensor)',
    )
  }
  return value
}
