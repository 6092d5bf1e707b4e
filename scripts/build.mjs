/**
 * `npm run build`: packages, addon and TypeScript, each brought up to date.
 *
 * `npm run build -- --release-target TRIPLE [--output FOLDER] [--setup]`: the addon of one platform as it is published,
 * `FOLDER/elman.<platform>.node` (out/release), and on Linux checked for what it needs of the system; `--setup`
 * installs the linker that this takes.
 */

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { meet } from './lib/needs.mjs'
import { buildRelease, needsZig, zig } from './lib/release.mjs'
import { fail, root, Stop } from './lib/run.mjs'
import { checkTools, packages, setUp } from './lib/setup.mjs'

function readOptions() {
  try {
    return parseArgs({
      options: {
        'release-target': { type: 'string' },
        output: { type: 'string', default: 'out/release' },
        setup: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new Stop(error.message)
  }
}

async function release(triple, { output, setup }) {
  const { targets } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).napi
  if (!targets.includes(triple)) {
    throw new Stop(`${triple} is no target of ours; they are: ${targets.join(', ')}`)
  }
  checkTools()
  if (!packages.isFresh()) await packages.run()
  if (needsZig(triple)) await meet([zig], { setup, script: 'build' })
  console.log(await buildRelease(triple, { output: resolve(root, output) }))
}

try {
  const options = readOptions()
  if (options['release-target'] !== undefined) await release(options['release-target'], options)
  else {
    await setUp()
    console.log('Everything is built.')
  }
} catch (error) {
  fail(error)
}
