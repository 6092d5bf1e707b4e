/**
 * What every program starts with: its command line, and what happens when something is wrong.
 *
 * Exit codes: 0 done, 1 something is wrong with the input, 2 the command line makes no sense, 128 and the
 * signal's number when a signal ended it.
 */

import { Command, InvalidArgumentError } from 'commander'

/** An error that the user can put right: told in one line, without a stack. */
export class UserError extends Error {}

/** The end of a program that a signal has stopped: what it says, and its exit code. */
export class Stopped extends Error {
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message)
  }
}

/** A command line with `--help`, whose errors end the program with exit code 2. */
export function commandLine(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .helpOption('-h, --help', 'show this and leave')
    .showHelpAfterError('(--help lists the options)')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
}

/** Reads a whole number of an option, from `least` to `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < least || value > most) {
      const range =
        most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
      throw new InvalidArgumentError(`Expected a whole number ${range}.`)
    }
    return value
  }
}

/** Reads a number that `fits`; `expected` completes "Expected a number". */
const number =
  (expected: string, fits: (value: number) => boolean) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (Number.isFinite(value) && fits(value)) return value
    throw new InvalidArgumentError(`Expected a number ${expected}.`)
  }

/** Reads a number of an option that is greater than 0, or at least 0 with `zero`. */
export const positiveNumber = ({ zero = false } = {}) =>
  zero
    ? number('of at least 0', (value) => value >= 0)
    : number('greater than 0', (value) => value > 0)

/** Reads a number of an option from 0 to 1. */
export const probability = () => number('from 0 to 1', (value) => value >= 0 && value <= 1)

/** What the engine and the package say when an array is too large. */
const tooLarge = /allocation failed|invalid (typed )?array length|out of memory|not enough memory/i

/** Tells an error, in one line if the user can put it right; gives the exit code. */
function tell(error: unknown): number {
  if (error instanceof Stopped) {
    console.log(error.message)
    return error.exitCode
  }
  if (error instanceof UserError) console.error(`error: ${error.message}`)
  else if (error instanceof Error && tooLarge.test(error.message)) {
    console.error(`error: there is not enough memory for these sizes (${error.message})`)
  } else console.error(error)
  return 1
}

/** Runs a program to its end; what `main` gives is the exit code. */
export function runProgram(main: () => Promise<number>): void {
  // A reader that has seen enough, as `head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })
  main()
    .catch(tell)
    .then((exitCode) => {
      process.exitCode = exitCode
    })
}
