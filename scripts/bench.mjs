/**
 * `npm run bench -- [mode] [options]`: sets up the repository and, where they are wanted, the peers of bench/, then
 * runs the benchmark in this very process, as scripts/example.mjs does.
 */

import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fail, root, runNpm } from './lib/run.mjs'
import { runCargo, setUp } from './lib/setup.mjs'

const bench = join(root, 'bench')

/** Does something with one line about it. */
async function preparing(title, action) {
  process.stderr.write(`Preparing: ${title} ... `)
  const begin = performance.now()
  try {
    await action()
  } catch (error) {
    process.stderr.write('failed\n')
    throw error
  }
  process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(1)} s\n`)
}

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

const workshop = {
  /** Installs the packages of bench/package-lock.json, unless they are there. */
  async installPeers() {
    const installed = changed(join(bench, 'node_modules/.package-lock.json'))
    if (installed >= changed(join(bench, 'package-lock.json'))) return
    await preparing('npm packages of bench', () =>
      runNpm(['ci', '--prefix', bench, '--ignore-scripts', '--no-audit', '--no-fund']),
    )
  },

  /** Builds elman-peak; cargo looks itself whether there is something to do. */
  async buildPeak() {
    const target = join(root, 'target')
    await runCargo(['build', '--release', '--locked', '-p', 'elman-peak', '--target-dir', target])
    return join(target, 'release', process.platform === 'win32' ? 'elman-peak.exe' : 'elman-peak')
  },
}

try {
  await setUp()

  // npm starts scripts in the repository's root; paths on the command line are meant from where the
  // user stands.
  if (process.env.npm_lifecycle_event === 'bench' && process.env.INIT_CWD) {
    process.chdir(process.env.INIT_CWD)
  }
  process.argv = [process.execPath, join(bench, 'main.ts'), ...process.argv.slice(2)]
  // bench/tsconfig.json says where @elman/rnn is: in this repository.
  process.env.TSX_TSCONFIG_PATH = join(bench, 'tsconfig.json')
  const { register } = await import('tsx/cjs/api')
  register()
  const { main } = createRequire(import.meta.url)(join(bench, 'main.ts'))
  await main(workshop)
} catch (error) {
  fail(error)
}
