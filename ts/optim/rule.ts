/** What one optimizer differs from another in. */

import { checkNumber } from '../check'
import type { Floats } from '../native'

/** The arrays and counts that a step of one parameter works on. */
export interface StepArguments {
  readonly param: Floats
  readonly grad: Floats
  /** One for each name that `buffers` gave, in that order. */
  readonly buffers: readonly Floats[]
  /** For each buffer, whether it was made for this step (and is zero). */
  readonly fresh: readonly boolean[]
  /** How many steps this parameter has seen, this one included. */
  readonly step: number
}

/** How an optimizer changes a parameter. */
export interface Rule<Options> {
  /** The class's name. */
  readonly name: string
  /** The names of the options. */
  readonly options: readonly string[]
  /** Whether the number of steps matters, and so belongs to the state. */
  readonly countsSteps: boolean
  /** The names of all arrays that it can remember of a parameter. */
  readonly allBuffers: readonly string[]
  /** The names of those that it does remember with these options. */
  buffers(options: Options): readonly string[]
  /** Fills in defaults and checks values. */
  check(given: Readonly<Record<string, unknown>>): Options
  /** Changes `param` and the buffers in place. */
  step(args: StepArguments, options: Options): void
}

/** A finite number. */
export function finite(message: string, value: unknown): number {
  const number = checkNumber(message, value)
  if (!Number.isFinite(number)) throw new RangeError(`${message}: ${number}`)
  return number
}

/** A finite number that is not negative. */
export function nonNegative(message: string, value: unknown): number {
  const number = finite(message, value)
  if (number < 0) throw new RangeError(`${message}: ${number}`)
  return number
}
