/** The command line that the small examples share. */

import { manualSeed, setNumThreads } from '@elman/rnn'
import { makeFolder } from './files'
import { commandLine, positiveNumber, probability, wholeNumber } from './program'
import { addRunOptions, SavedRun } from './saved-run'

/** What they can be told about learning: words of `--help`, and how the number is read. */
const settingsOf = {
  epochs: ['how often it goes through its data', wholeNumber(1)],
  batch: ['examples of a batch', wholeNumber(1, 65_536)],
  hidden: ['hidden units of a layer and direction', wholeNumber(1, 4096)],
  dropout: ['probability that a value is dropped', probability()],
  rate: ['learning rate', positiveNumber()],
} as const

/** Some of them, with their defaults. */
export type Settings = Partial<Record<keyof typeof settingsOf, number>>

const command = (name: string, description: string) =>
  commandLine(`npm run example -- ${name}`, description)

/** Reads the command line of an example that only shows something, and makes the output folder. */
export function exampleOutput(name: string, description: string): string {
  const { output } = command(name, description)
    .option('--output <folder>', 'where the results go', `out/${name}`)
    .parse()
    .opts<{ output: string }>()
  makeFolder(output)
  return output
}

/**
 * Reads the command line of an example that takes its time: it can be stopped and resumed. Makes the output folder,
 * and sets threads and seed.
 *
 * @param settings what an example that learns can be told, with defaults
 * @param flags what else can be switched on, with the words of `--help`
 */
export function exampleOptions<S extends Settings, F extends string = never>(
  name: string,
  description: string,
  settings?: S,
  flags?: Readonly<Record<F, string>>,
): { run: SavedRun; output: string } & Record<keyof S, number> & Partial<Record<F, true>> {
  const line = addRunOptions(command(name, description), `out/${name}`)
  for (const [setting, value] of Object.entries(settings ?? {})) {
    const [help, read] = settingsOf[setting as keyof Settings]
    line.option(`--${setting} <n>`, help, read, value)
  }
  for (const [flag, help] of Object.entries<string>(flags ?? {})) line.option(`--${flag}`, help)
  if (settings !== undefined) {
    line
      .option('--seed <n>', 'seed of the random numbers', wholeNumber(0), 0)
      .option('--threads <n>', 'threads to compute with (default: all cores)', wholeNumber(1, 1024))
  }
  line.parse()
  const names = Object.keys({ ...settings, ...flags, ...(settings && { seed: 0 }) })
  const run = new SavedRun(line, names)
  const { threads, seed, ...options } = line.opts()
  if (threads !== undefined) setNumThreads(threads)
  if (seed !== undefined) manualSeed(seed)
  return { run, ...options } as ReturnType<typeof exampleOptions<S, F>>
}
