/** What every package has to keep to before it is published: sizes, entry points, types. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root, runNode, Stop } from './run.mjs'

const MB = 1e6
/** Of a tarball, packed. */
const TARBALL_LIMIT = 4 * MB
/** Of all that an installation puts into node_modules. */
export const INSTALLED_LIMIT = 10 * MB

/** The bytes of all files in a folder. */
export function sizeOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

export const inMB = (bytes) => `${(bytes / MB).toFixed(2)} MB`

/** The manifest of @elman/rnn: nothing runs at installation, and nothing comes along but the addon. */
function checkManifest(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const field of ['scripts', 'dependencies', 'bundledDependencies', 'peerDependencies']) {
    if (Object.keys(manifest[field] ?? {}).length > 0) throw new Stop(`the package has ${field}`)
  }
  for (const [name, version] of Object.entries(manifest.optionalDependencies ?? {})) {
    if (!name.startsWith(`${manifest.name}-`) || version !== manifest.version) {
      throw new Stop(
        `optional dependency ${name}@${version} is none of ours at ${manifest.version}`,
      )
    }
  }
}

/** publint, with suggestions too; they are as good as errors here. */
async function checkEntries(tarball) {
  const { publint } = await import('publint')
  const { formatMessage } = await import('publint/utils')
  const { messages, pkg } = await publint({
    pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer },
    strict: true,
  })
  const found = messages.map((message) => formatMessage(message, pkg, { color: false }))
  if (found.length > 0) throw new Stop(`publint on ${pkg.name}: ${found.join('; ')}`)
}

/**
 * Checks what {@link import('./stage.mjs').stage} made.
 *
 * @param {{ folder: string, tarball: string }[]} packages
 * @returns {Promise<string[]>} a line about each check that passed
 */
export async function checkPackages(packages) {
  const lines = []
  const main = packages[packages.length - 1]
  checkManifest(main.folder)
  lines.push('no install script, no dependency but the addon')

  const sizes = packages.map(({ tarball }) => statSync(tarball).size)
  packages.forEach(({ tarball }, i) => {
    if (sizes[i] > TARBALL_LIMIT) throw new Stop(`${tarball} has ${inMB(sizes[i])}`)
  })
  lines.push(`the largest tarball has ${inMB(Math.max(...sizes))} of ${inMB(TARBALL_LIMIT)}`)

  for (const { tarball } of packages) await checkEntries(tarball)
  lines.push('publint is content')

  await runNode(join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'), [
    ...[main.tarball, '--no-definitely-typed', '--format', 'ascii', '--no-emoji'],
  ])
  lines.push('the types are right (attw)')
  return lines
}
