/** The update rule: what differs between optimizers. */

import { checkNumber } from '../check'
import type { Floats } from '../native'

/** The arguments of a step of one parameter. */
export interface StepArguments {
  readonly param: Floats
  readonly grad: Floats
  /** One array for each name that `buffers` returns, in that order. */
  readonly buffers: readonly Floats[]
  /** For each buffer, whether it is new in this step, and zero. */
  readonly fresh: readonly boolean[]
  /** The number of steps of this parameter, this one included. */
  readonly step: number
}

/** The update rule of an optimizer. */
export interface Rule<Options> {
  /** The class's name. */
  readonly name: string
  /** The names of the options. */
  readonly options: readonly string[]
  /** Whether the number of steps is part of the state. */
  readonly countsSteps: boolean
  /** The names of all buffers that a parameter can have. */
  readonly allBuffers: readonly string[]
  /** The names of the buffers that a parameter has with these options. */
  buffers(options: Options): readonly string[]
  /** Fills in defaults and checks values. */
  check(given: Readonly<Record<string, unknown>>): Options
  /** Updates `param` and the buffers in place. */
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
