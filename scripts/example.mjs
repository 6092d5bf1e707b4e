/**
 * `npm run example -- NAME [options]`, and `npm run demo`: sets up the repository, then runs a program
 * of examples/ in this very process, so that signals and exit codes are the program's own.
 */

import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fail, root, Stop } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const mainFile = (name) => join(root, 'examples', name, 'main.ts')

function names() {
  return readdirSync(join(root, 'examples')).filter((name) => existsSync(mainFile(name)))
}

try {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined || !names().includes(name)) {
    throw new Stop(
      `${name === undefined ? 'no example was named' : `there is no example ${name}`}; ` +
        `npm run example -- NAME, where NAME is one of: ${names().join(', ')}`,
    )
  }
  await setUp()

  // npm starts scripts in the repository's root; paths on the command line are meant from where the
  // user stands.
  if (['demo', 'example'].includes(process.env.npm_lifecycle_event) && process.env.INIT_CWD) {
    process.chdir(process.env.INIT_CWD)
  }
  process.argv = [process.execPath, mainFile(name), ...args]
  const { register } = await import('tsx/cjs/api')
  register()
  createRequire(import.meta.url)(mainFile(name))
} catch (error) {
  fail(error)
}
