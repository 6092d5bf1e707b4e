/**
 * How long a program takes to begin: to import the package, beyond Node's own start, and to make a network; the
 * same for PyTorch where there is a Python.
 *
 * Processes are started in turns; each round begins with another one.
 */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { typescript } from '../lib/node'
import { median } from '../lib/statistics'
import type { Bench } from './bench'

/** As users import it: the entries that package.json names. */
const entry = (file: string) => join(__dirname, '../../dist', file)
const programs = {
  empty: '',
  import: `import ${JSON.stringify(pathToFileURL(entry('index.mjs')).href)}`,
  require: `import { createRequire } from 'node:module'
    createRequire(import.meta.url)(${JSON.stringify(entry('index.js'))})`,
}

const names = ['empty', 'import', 'require'] as const

export function runStart({ options, results }: Bench): void {
  const { python, quick } = options
  const times = { empty: [], import: [], require: [] } as Record<keyof typeof programs, number[]>
  for (let round = 0; round < (quick ? 5 : 40); round += 1) {
    names.forEach((_, turn) => {
      const name = names[(round + turn) % names.length] ?? 'empty'
      const begin = performance.now()
      execFileSync(process.execPath, ['--input-type=module', '--eval', programs[name]])
      times[name].push(performance.now() - begin)
    })
  }

  const construct = { ours: [] as number[], torch: [] as number[] }
  for (let round = 0; round < (quick ? 1 : 5); round += 1) {
    const child = join(__dirname, 'start-child.ts')
    construct.ours.push(...run(process.execPath, [...typescript, child]))
    if (python === undefined) continue
    construct.torch.push(...run(python, [join(__dirname, '../peers/construct.py')]))
  }

  results.start = {
    node: median(times.empty),
    import: median(times.import),
    require: median(times.require),
    construct: {
      ours: median(construct.ours),
      ...(python === undefined ? {} : { torch: median(construct.torch) }),
    },
  }
}

/** The milliseconds of each construction that a program measures. */
function run(program: string, args: string[]): number[] {
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8' }))
}
