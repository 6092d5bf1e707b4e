/**
 * How the settings of the example names were chosen: by running it with each combination of some values and
 * `--validate`, which keeps the held-out names out of it. The best in the mean of two seeds comes first.
 *
 *     npm run example -- names-settings
 */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exampleOptions } from '../lib/example-options'
import { writeText } from '../lib/files'
import { percent, table } from '../lib/format'
import { Interrupt } from '../lib/interrupt'
import { runProgram } from '../lib/program'

type Choice = Record<string, number>

const values: Record<string, number[]> = {
  hidden: [64, 128],
  dropout: [0.1, 0.2, 0.3],
  rate: [0.001, 0.003],
  epochs: [24, 48],
}
const seeds = [0, 1]

/** Every combination of the values. */
function combinations(): Choice[] {
  return Object.entries(values).reduce<Choice[]>(
    (choices, [name, some]) =>
      choices.flatMap((choice) => some.map((value) => ({ ...choice, [name]: value }))),
    [{}],
  )
}

/** Runs the example; gives the share of the validation names that it gets right. */
async function accuracy(choice: Choice, output: string, signal: AbortSignal): Promise<number> {
  const options = Object.entries(choice).flatMap(([name, value]) => [`--${name}`, String(value)])
  const program = ['--require', require.resolve('tsx/cjs'), join(__dirname, '../names/main.ts')]
  const place = ['--output', join(output, 'names'), '--overwrite']
  const args = [...program, '--validate', ...place, ...options]
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal })
  return Number(stdout.match(/^network +([\d.]+) %$/m)?.[1]) / 100
}

async function main(): Promise<number> {
  const { run, output } = exampleOptions(
    'names-settings',
    'Compares settings of the example names, which takes some minutes.',
  )
  const choices = combinations()
  const runs = choices.flatMap((choice) => seeds.map((seed) => ({ ...choice, seed })))
  const scores = (run.loadNotes() ?? []) as number[]

  const stop = new AbortController()
  const interrupt = new Interrupt(undefined, () => stop.abort())
  for (const choice of runs.slice(scores.length)) {
    try {
      const score = await accuracy(choice, output, stop.signal)
      scores.push(score)
      console.log([...Object.values(choice), percent(score)].join('  '))
    } catch (error) {
      if (interrupt.exitCode === undefined) throw error
      throw run.stopped(interrupt.exitCode, `${scores.length} of ${runs.length} networks`)
    } finally {
      run.saveNotes(scores)
    }
  }
  interrupt.close()

  const rows = choices.map((choice, i) => {
    const own = scores.slice(i * seeds.length, (i + 1) * seeds.length)
    const mean = own.reduce((a, b) => a + b) / seeds.length
    return { mean, row: [...Object.values(choice).map(String), ...own.map(percent), percent(mean)] }
  })
  rows.sort((one, other) => other.mean - one.mean)
  const heads = [...Object.keys(values), ...seeds.map((seed) => `seed ${seed}`), 'mean']
  const all = table([heads, ...rows.map(({ row }) => row)])
  console.log(`\n${all}`)
  writeText(join(output, 'settings.txt'), `${all}\n`)
  return 0
}

runProgram(main)
