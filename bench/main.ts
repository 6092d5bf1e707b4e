/**
 * The benchmark: this package and its peers, through its public API, allocations included.
 *
 *     npm run bench                                everything but the demo
 *     npm run bench -- --python venv/bin/python    with PyTorch and JAX
 *     npm run bench -- grid --only ours --quick    a quick run of this package alone
 *     npm run bench -- --cell lstm                 the LSTM instead of the plain RNN
 *     npm run bench -- demo --python …             the demo and the same program in PyTorch
 *     npm run bench -- names --python …            and the example names
 */

import { backendInfo } from '@elman/rnn'
import { makeFolder } from '../examples/lib/files'
import { UserError } from '../examples/lib/program'
import { closeAll, fromPackages, openAll } from './contenders/index'
import { thisMachine } from './lib/machine'
import { PeakMeter } from './lib/peak'
import type { Bench } from './modes/bench'
import { runDemo } from './modes/demo'
import { runDenormals } from './modes/denormals'
import { runGates } from './modes/gates'
import { runGrid } from './modes/grid'
import { runGrowth } from './modes/growth'
import { runLengths } from './modes/lengths'
import { runMemory } from './modes/memory'
import { runNames } from './modes/names'
import { runStart } from './modes/start'
import { runStream } from './modes/stream'
import { type Mode, readOptions } from './options'
import { heading, printReport, writeReport } from './report/write'

/** What scripts/bench.mjs can bring about. */
export interface Workshop {
  /** Installs the npm packages of bench/. */
  installPeers(): Promise<void>
  /** Builds the program of peak/ and gives its path. */
  buildPeak(): Promise<string>
}

const parts: [Mode, (bench: Bench) => void | Promise<void>][] = [
  ['grid', runGrid],
  ['stream', runStream],
  ['lengths', runLengths],
  ['gates', runGates],
  ['denormals', runDenormals],
  ['growth', runGrowth],
  ['memory', runMemory],
  ['start', runStart],
  ['demo', runDemo],
  ['names', runNames],
]

/** Whole programs, compared with the same ones in PyTorch. */
const programs: readonly Mode[] = ['demo', 'names']

/** Runs the benchmark that the command line asks for; what the user can put right is told in one line. */
export async function main(workshop: Workshop): Promise<void> {
  try {
    await run(workshop)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}

async function run(workshop: Workshop): Promise<void> {
  const options = readOptions()
  const { mode, only, python, patience } = options
  const runs = parts.filter(([name]) => (mode === 'all' ? !programs.includes(name) : name === mode))

  makeFolder(options.output) // no measurement is lost if it cannot be made
  // Lengths, gates, denormals, memory, the start and programs have no contenders, and start the processes that they need.
  const races = runs.some(
    ([name]) => !['lengths', 'gates', 'denormals', 'memory', 'start', ...programs].includes(name),
  )
  const names = races ? only : []
  if (names.some((name) => fromPackages.includes(name))) await workshop.installPeers()
  const meter = new PeakMeter(await workshop.buildPeak())
  const field = await openAll(names, { python, patience })

  const results: Bench['results'] = {
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    cell: options.cell,
    machine: thisMachine(backendInfo(), meter.ofACore),
    contenders: field.contenders.map(({ name, version }) => ({ name, version })),
    missing: field.missing,
    grid: [],
    growth: [],
    skipped: [],
  }
  console.log(heading(results).join('\n'))
  const save = () => writeReport(results, options)
  try {
    for (const [, run] of runs) {
      await run({ options, field, meter, results, save })
      save()
    }
  } finally {
    closeAll(field)
  }
  printReport(results)
  console.log(`\nWritten: ${save().join(', ')}`)
}
