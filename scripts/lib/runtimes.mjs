/** Other runtimes than the running Node, and other compilers, from the npm registry; kept in out/runtimes. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, runNpm } from './run.mjs'

const os = process.platform === 'win32' ? 'win' : process.platform
const { arch } = process
const exe = process.platform === 'win32' ? '.exe' : ''
// The packages that `node`, `bun` and `deno` fetch in their install scripts.
const bunArch = arch === 'arm64' ? 'aarch64' : arch
const denoLibc = process.platform === 'linux' ? '-glibc' : ''

/** Each with the package that holds it, its program, and the arguments before a file. */
const runtimes = [
  ...['20.19.5', '22', '24', '26'].map((version) => ({
    name: `Node ${version}`,
    spec: `node-${os}-${arch}@${version}`,
    program: `bin/node${exe}`,
    args: [],
  })),
  {
    name: 'Bun',
    spec: `@oven/bun-${process.platform === 'win32' ? 'windows' : os}-${bunArch}@1`,
    program: `bin/bun${exe}`,
    args: [],
  },
  {
    name: 'Deno',
    spec: `@deno/${process.platform}-${arch}${denoLibc}@2`,
    program: `deno${exe}`,
    args: ['run', '--allow-all', '--node-modules-dir=manual', '--no-lock'],
  },
]

/** The running Node. */
export const here = { name: `Node ${process.version}`, program: process.execPath, args: [] }

/** TypeScript: the oldest version that is supported, the last without generic typed arrays, and the first that tells apart their buffers. */
const compilers = ['5.4', '5.6', '5.9']

/** The folder of a package, which is installed if it is not there yet. */
async function fetched(name, spec, program) {
  const folder = join(root, 'out/runtimes', name.replace(' ', '-'))
  const own = join(folder, 'node_modules', spec.slice(0, spec.lastIndexOf('@')))
  if (!existsSync(join(own, program))) {
    await runNpm(['install', '--prefix', folder, '--ignore-scripts', '--no-save', spec])
  }
  return own
}

/** The compilers, each with its name and the path of tsc. */
export async function otherCompilers() {
  const found = []
  for (const version of compilers) {
    const name = `TypeScript ${version}`
    const own = await fetched(name, `typescript@${version}`, 'bin/tsc')
    found.push({ name, tsc: join(own, 'bin/tsc') })
  }
  return found
}

/** The runtimes, each with its program and the arguments before a file. */
export async function otherRuntimes() {
  const found = []
  for (const { name, spec, program, args } of runtimes) {
    const own = await fetched(name, spec, program)
    const { version } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'))
    found.push({ name: `${name.split(' ')[0]} ${version}`, program: join(own, program), args })
  }
  return found
}
