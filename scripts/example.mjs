/**
 * `npm run example -- NAME [options]`, and `npm run demo`: sets up the repository, then runs a program
 * of examples/ in this very process, so that signals and exit codes are the program's own.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fail, root } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const mainFile = (name) => join(root, 'examples', name, 'main.ts')

function names() {
  return readdirSync(join(root, 'examples')).filter((name) => existsSync(mainFile(name)))
}

/** How an example is run, and which there are: as the table of examples/README.md has them, in its order. */
function help() {
  const readme = readFileSync(join(root, 'examples/README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| \[([\w-]+)\]\(#[\w-]+\) \| (.*) \|$/gm)]
  const width = Math.max(...rows.map(([, name]) => name.length))
  const list = rows.map(([, name, task]) => `  ${name.padEnd(width)}  ${task}`)
  return [
    'Usage: npm run example -- NAME [options]',
    '\nRuns a program of examples/, which examples/README.md describes.',
    `\nExamples:\n${list.join('\n')}`,
    '\nnpm run example -- NAME --help lists the options of one of them.',
  ].join('\n')
}

/** Ends with the exit code of a command line that makes no sense. */
function refuse(message) {
  console.error(`error: ${message}\n\n${help()}`)
  process.exitCode = 2
}

async function start(name, args) {
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
}

const [name, ...args] = process.argv.slice(2)
if (['--help', '-h', 'help'].includes(name)) console.log(help())
else if (name === undefined) refuse('no example was named')
else if (name.startsWith('-')) refuse(`the name of an example comes first, not ${name}`)
else if (!names().includes(name)) refuse(`there is no example ${name}`)
else await start(name, args).catch(fail)
