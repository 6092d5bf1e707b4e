/** Values as Python prints them, since torch's texts show them so. */

/** A float, as Python's `repr`: `1.0`, `0.1`, `1e-05`, `inf`. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  if (size === Number.POSITIVE_INFINITY) return `${sign}inf`
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return sign + scientific(size)
  return sign + (Number.isInteger(size) ? `${size}.0` : String(size))
}

/** A number that torch prints as it was given. JavaScript has one literal for 1 and 1.0, which is Python's `1`. */
export function pythonNumber(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : pythonFloat(value)
}

/** An option: a number, a boolean, or a list of these. */
export function pythonValue(value: unknown): string {
  if (typeof value === 'number') return pythonNumber(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (Array.isArray(value)) return `(${value.map(pythonValue).join(', ')})`
  return String(value)
}

/** `1.5e-05`: JavaScript's exponent has one digit where Python's has two. By default, with the digits that are needed. */
export function scientific(size: number, decimals?: number): string {
  const [digits, exponent] = size.toExponential(decimals).split('e')
  const power = Number(exponent)
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}
