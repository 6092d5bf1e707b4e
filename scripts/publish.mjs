/**
 * `node scripts/publish.mjs FOLDER`: publishes the tarballs in a folder, with provenance. For the release workflow alone:
 * npm takes its word for who it is (trusted publishing), and no token is needed. Uses nothing but Node and npm.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { publishAll } from './lib/publish.mjs'
import { fail, runNpm, Stop } from './lib/run.mjs'

/** Name and version of a tarball, from the package.json in it. */
function readTarball(tarball) {
  const json = execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' })
  const { name, version, optionalDependencies = {} } = JSON.parse(json)
  return { name, version, tarball, needs: Object.keys(optionalDependencies) }
}

try {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new Stop('node scripts/publish.mjs FOLDER')
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  const packages = tarballs.map((name) => readTarball(join(resolve(folder), name)))
  // @elman/rnn last: the one that needs the others, all of which must be here.
  packages.sort((a, b) => a.needs.length - b.needs.length)
  const main = packages[packages.length - 1]
  const platforms = packages.slice(0, -1).map(({ name }) => name)
  if (!main?.needs.length || main.needs.toSorted().join() !== platforms.toSorted().join()) {
    throw new Stop(`${folder} does not hold a release: ${tarballs.join(', ')}`)
  }

  const options = process.env.GITHUB_ACTIONS ? ['--provenance'] : ['--dry-run']
  const { published, present } = await publishAll(runNpm, packages, options)
  for (const label of present) console.log(`was there: ${label}`)
  for (const label of published) console.log(`published: ${label}`)
  if (!process.env.GITHUB_ACTIONS) console.log('Nothing was published: this was a dry run.')
} catch (error) {
  fail(error)
}
