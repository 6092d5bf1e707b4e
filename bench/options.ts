/** The command line of the benchmark. */

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Argument, InvalidArgumentError, Option } from 'commander'
import { commandLine, positiveNumber, wholeNumber } from '../examples/lib/program'
import { type ContenderName, contenderNames } from './contenders/contender'
import { type Cell, cells, grid, parseShape, type Shape, withCell } from './lib/shape'

/** What is measured; `all` is everything except `demo` and `names`, which need a Python. */
export const modes = [
  'all',
  'grid',
  'growth',
  'stream',
  'lengths',
  'gates',
  'denormals',
  'memory',
  'start',
  'demo',
  'names',
] as const

export type Mode = (typeof modes)[number]

export interface Options {
  readonly mode: Mode
  /** the kind of cell that everything but `gates`, `start` and `names` measures; that of the shapes, too */
  readonly cell: Cell
  readonly shapes: readonly Shape[]
  /** whether the shapes are those of the command line */
  readonly shapesGiven: boolean
  readonly threads: readonly number[]
  readonly only: readonly ContenderName[]
  readonly seconds: number
  readonly patience: number
  readonly repeats: number
  readonly quick: boolean
  readonly python: string | undefined
  readonly output: string
  readonly json: string
  readonly markdown: string | undefined
}

/** What the short names of the contenders stand for. */
const groups: Record<string, readonly ContenderName[]> = {
  ours: ['ours', 'tape'],
  ort: ['ort'],
  tfjs: ['tfjs'],
  torch: ['torch'],
  jax: ['jax'],
}

export function readOptions(): Options {
  const cores = availableParallelism()
  const command = commandLine(
    'npm run bench --',
    'Compares this package with onnxruntime-node and tfjs, and with PyTorch and JAX if --python names a Python that has them.',
  )
    .addArgument(
      new Argument('[mode]', 'what to measure; all is everything but demo and names')
        .choices(modes)
        .default('all'),
    )
    .addOption(
      new Option('--cell <kind>', 'the module that is measured: nn.RNN, nn.GRU or nn.LSTM')
        .choices(cells)
        .default('rnn'),
    )
    .option('--python <path>', 'a Python with torch and jax, to measure them too')
    .option(
      '--only <names>',
      `which of ${Object.keys(groups).join(', ')} are measured (default: all)`,
      list(parseContenders),
    )
    .option(
      '--shapes <list>',
      'shapes of the grid by number, 1 to 9, or other shapes as TxBxIxH[xLxD] (default: the grid)',
      list(readShape),
    )
    .option(
      '--threads <list>',
      'numbers of threads (default: 1 and 2)',
      list((text) => [wholeNumber(1, cores)(text)]),
    )
    .option('--seconds <s>', 'seconds that each measurement takes (default: 2)', positiveNumber())
    .option('--patience <s>', 'calls that take longer are left out (default: 20)', positiveNumber())
    .option(
      '--repeats <n>',
      'how many times the programs of demo and names run',
      wholeNumber(1, 100),
      3,
    )
    .option('--quick', 'a quick run: small shapes, small sizes, a tenth of the time', false)
    .option('--output <folder>', 'the folder for bench.json and the charts', 'out/bench')
    .option('--json <file>', 'the results as JSON (default: bench.json in the output folder)')
    .option('--markdown <file>', 'the tables as Markdown')
    .parse()

  const given = command.opts<{
    cell: Cell
    python?: string
    only?: ContenderName[]
    shapes?: Shape[]
    threads?: number[]
    seconds?: number
    patience?: number
    repeats: number
    quick: boolean
    output: string
    json?: string
    markdown?: string
  }>()
  const { quick, cell } = given
  const [mode] = command.processedArgs as [Mode]
  if (['demo', 'names'].includes(mode) && given.python === undefined) {
    command.error(`error: the ${mode} mode needs --python, to run the same program with PyTorch`)
  }
  const shapes = given.shapes ?? (quick ? grid.slice(0, 4) : grid)
  return {
    ...{ mode, cell },
    shapesGiven: given.shapes !== undefined,
    shapes: shapes.map((shape) => withCell(shape, cell)),
    threads: given.threads ?? (cores > 1 ? [1, 2] : [1]),
    only: contenderNames.filter((name) => given.only?.includes(name) ?? true),
    seconds: given.seconds ?? (quick ? 0.2 : 2),
    patience: given.patience ?? (quick ? 2 : 20),
    repeats: given.repeats,
    quick,
    python: given.python,
    output: given.output,
    json: given.json ?? join(given.output, 'bench.json'),
    markdown: given.markdown,
  }
}

/** Reads a list with commas; each part may stand for several values. */
function list<T>(read: (text: string) => readonly T[]) {
  return (text: string): T[] => [...new Set(text.split(',').flatMap((part) => read(part.trim())))]
}

function parseContenders(text: string): readonly ContenderName[] {
  const group = groups[text]
  if (group) return group
  throw new InvalidArgumentError(`Expected some of ${Object.keys(groups).join(', ')}.`)
}

function readShape(text: string): readonly Shape[] {
  const shape = parseShape(text)
  if (shape) return [shape]
  throw new InvalidArgumentError('Expected numbers from 1 to 9, or sizes as 50x16x32x64.')
}
