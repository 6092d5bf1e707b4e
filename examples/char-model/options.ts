/** The command line of the character model. */

import { resolve } from 'node:path'
import { Option } from 'commander'
import { commandLine, positiveNumber, wholeNumber } from '../lib/program'
import { readSettings, type Settings, settingNames } from './checkpoint'
import { cells } from './model'

export interface Options extends Settings {
  output: string
  resume: boolean | undefined
  threads: number | undefined
  sample: number
  temperature: number
}

/** Reads the command line; with `--resume`, what it does not say comes from the run to be continued. */
export function readOptions(): Options {
  const command = commandLine(
    'npm run demo --',
    'Trains a character model on a text, and lets it write some of its own.',
  )
    .option('--text <file>', 'UTF-8 text to learn from (default: Moby Dick)')
    .option('--output <folder>', 'where the results go', 'out/char-model')
    .option('--resume', 'continue the run in the output folder where it stopped')
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

  const { text, ...given } = command.opts<Omit<Options, 'text'> & { text?: string }>()
  const options: Options = { ...given, text: text === undefined ? null : resolve(text) }
  if (!options.resume) return options

  const settings = readSettings(options.output)
  const contrary = settingNames.find(
    (name) =>
      name !== 'epochs' &&
      command.getOptionValueSource(name) === 'cli' &&
      options[name] !== settings[name],
  )
  if (contrary !== undefined) {
    command.error(
      `error: --${contrary} cannot change when a run is resumed: it was ${settings[contrary] ?? 'not given'}`,
    )
  }
  const epochs = command.getOptionValueSource('epochs') === 'cli' ? options.epochs : settings.epochs
  return { ...options, ...settings, epochs }
}
