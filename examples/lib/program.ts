/**
 * What every example starts with: its command line, and what happens when something is wrong.
 *
 * Exit codes: 0 done, 1 something is wrong with the input, 2 the command line makes no sense.
 */

import { manualSeed, setNumThreads } from '@elman/rnn'
import { Command, InvalidArgumentError } from 'commander'
import { makeFolder } from './files'

/** An error that the user can put right: told in one line, without a stack. */
export class UserError extends Error {}

/** A command line with `--help`, whose errors end the program with exit code 2. */
export function commandLine(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .helpOption('--help', 'show this and leave')
    .showHelpAfterError('(--help lists the options)')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
}

/** What the small examples can be told about learning: words of `--help`, and how the number is read. */
const settingsOf = {
  epochs: ['how often it goes through its data', wholeNumber(1)],
  batch: ['examples of a batch', wholeNumber(1)],
  hidden: ['hidden units of a layer and direction', wholeNumber(1)],
  dropout: ['probability that a value is dropped', positiveNumber({ zero: true })],
  rate: ['learning rate', positiveNumber()],
} as const

/** Some of them, with their defaults. */
export type Settings = Partial<Record<keyof typeof settingsOf, number>>

/**
 * Reads the command line that the small examples share, makes the output folder, and sets threads and
 * seed as it says.
 *
 * @param settings what an example that learns can be told, with defaults
 * @param flags what else can be switched on, with the words of `--help`
 */
export function exampleOptions<S extends Settings, F extends string = never>(
  name: string,
  description: string,
  settings?: S,
  flags?: Readonly<Record<F, string>>,
): { output: string } & Record<keyof S, number> & Partial<Record<F, true>> {
  const command = commandLine(`npm run example -- ${name}`, description).option(
    '--output <folder>',
    'where the results go',
    `out/${name}`,
  )
  for (const [setting, value] of Object.entries(settings ?? {})) {
    const [help, read] = settingsOf[setting as keyof Settings]
    command.option(`--${setting} <n>`, help, read, value)
  }
  for (const [flag, help] of Object.entries<string>(flags ?? {})) command.option(`--${flag}`, help)
  if (settings !== undefined) {
    command
      .option('--seed <n>', 'seed of the random numbers', wholeNumber(0), 0)
      .option('--threads <n>', 'threads to compute with (default: all cores)', wholeNumber(1, 1024))
  }
  const options = command.parse().opts()
  if (options.threads !== undefined) setNumThreads(options.threads)
  if (options.seed !== undefined) manualSeed(options.seed)
  makeFolder(options.output)
  return options as ReturnType<typeof exampleOptions<S, F>>
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

/** Reads a number of an option that is greater than 0, or at least 0 with `zero`. */
export function positiveNumber({ zero = false } = {}) {
  return (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (!Number.isFinite(value) || value < 0 || (value === 0 && !zero)) {
      throw new InvalidArgumentError(
        `Expected a number ${zero ? 'of at least' : 'greater than'} 0.`,
      )
    }
    return value
  }
}

/** Runs an example to its end; what `main` gives is the exit code. */
export function runProgram(main: () => Promise<number>): void {
  main().then(
    (exitCode) => {
      process.exitCode = exitCode
    },
    (error: unknown) => {
      console.error(error instanceof UserError ? `error: ${error.message}` : error)
      process.exitCode = 1
    },
  )
}
