/**
 * How the settings of the example names were chosen: by running it with each combination of some values and
 * `--validate`, which keeps the held-out names out of it. The best in the mean of two seeds comes first.
 *
 *     npm run example -- names-settings
 */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { writeText } from '../lib/files'
import { percent, table } from '../lib/format'
import { exampleOptions, runProgram } from '../lib/program'

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

/** The share of the validation names that the example gets right. */
function accuracy(choice: Choice, output: string): number {
  const options = Object.entries(choice).flatMap(([name, value]) => [`--${name}`, String(value)])
  const program = ['--require', require.resolve('tsx/cjs'), join(__dirname, '../names/main.ts')]
  const args = [...program, '--validate', '--output', output, ...options]
  const printed = execFileSync(process.execPath, args, { encoding: 'utf8' })
  return Number(printed.match(/^network +([\d.]+) %$/m)?.[1]) / 100
}

async function main(): Promise<number> {
  const { output } = exampleOptions(
    'names-settings',
    'Compares settings of the example names, which takes some minutes.',
  )
  const rows = combinations().map((choice) => {
    const scores = seeds.map((seed) => accuracy({ ...choice, seed }, output))
    const mean = scores.reduce((a, b) => a + b) / scores.length
    const row = [...Object.values(choice).map(String), ...scores.map(percent), percent(mean)]
    console.log(row.join('  '))
    return { mean, row }
  })
  rows.sort((one, other) => other.mean - one.mean)
  const heads = [...Object.keys(values), ...seeds.map((seed) => `seed ${seed}`), 'mean']
  const all = table([heads, ...rows.map(({ row }) => row)])
  console.log(`\n${all}`)
  writeText(join(output, 'settings.txt'), `${all}\n`)
  return 0
}

runProgram(main)
