/** The command line of the character model. */

import { resolve } from 'node:path'
import { Option } from 'commander'
import { commandLine, positiveNumber, wholeNumber } from '../lib/program'
import { addRunOptions, SavedRun } from '../lib/saved-run'
import { type Cell, cells } from './model'

/** The options that a run cannot change on its way (except `epochs`). */
export interface Settings {
  /** path of the text, null for Moby Dick */
  text: string | null
  epochs: number
  rate: number
  clip: number
  batch: number
  steps: number
  cell: Cell
  embedding: number
  hidden: number
  layers: number
  seed: number
}

const settingNames = [
  ...(['text', 'epochs', 'rate', 'clip', 'batch', 'steps'] as const),
  ...(['cell', 'embedding', 'hidden', 'layers', 'seed'] as const),
] satisfies (keyof Settings)[]

export interface Options extends Settings {
  output: string
  resume: boolean | undefined
  threads: number | undefined
  sample: number
  temperature: number
}

/** Reads the command line; with `--resume`, what it does not say comes from the run to be continued. */
export function readOptions(): { options: Options; saved: SavedRun } {
  const command = addRunOptions(
    commandLine(
      'npm run demo --',
      'Trains a character model on a text, and lets it write some of its own.',
    ),
    'out/char-model',
  )
    .option('--text <file>', 'UTF-8 text to learn from (default: Moby Dick)', (path) =>
      resolve(path),
    )
    .option('--epochs <n>', 'how often the text is read', wholeNumber(1), 5)
    .option(
      '--rate <x>',
      'learning rate at the start; falls to 0 along a cosine',
      positiveNumber(),
      0.003,
    )
    .option('--clip <x>', 'longest gradient', positiveNumber(), 1)
    .option('--batch <n>', 'rows of text read side by side', wholeNumber(1, 65_536), 32)
    .option(
      '--steps <n>',
      'characters that gradients flow back through',
      wholeNumber(1, 65_536),
      64,
    )
    .addOption(
      new Option('--cell <name>', 'kind of recurrent layer')
        .choices(Object.keys(cells))
        .default('rnn'),
    )
    .option('--embedding <n>', 'size of a character vector', wholeNumber(1, 16_384), 64)
    .option('--hidden <n>', 'size of a recurrent layer', wholeNumber(1, 16_384), 256)
    .option('--layers <n>', 'recurrent layers', wholeNumber(1, 64), 2)
    .option('--seed <n>', 'seed of the random numbers', wholeNumber(0), 0)
    .option('--threads <n>', 'threads to compute with (default: all cores)', wholeNumber(1, 1024))
    .option(
      '--sample <n>',
      'characters that the model writes at the end',
      wholeNumber(0, 1_000_000),
      600,
    )
    .option('--temperature <x>', 'how daring it writes', positiveNumber({ zero: true }), 0.7)
    .parse()

  const saved = new SavedRun(command, settingNames, ['epochs'])
  const { text = null, ...given } = command.opts<Options>()
  return { options: { text, ...given }, saved }
}
