/** `node scripts/check-release.mjs TAG`: whether tag, package.json, Cargo.toml and changelog are of one version. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail, root, Stop } from './lib/run.mjs'

const read = (name) => readFileSync(join(root, name), 'utf8')

try {
  const { version } = JSON.parse(read('package.json'))
  const [tag = `v${version}`] = process.argv.slice(2)
  const versions = {
    'the tag': tag.replace(/^v/, ''),
    'package-lock.json': JSON.parse(read('package-lock.json')).version,
    'Cargo.toml': read('Cargo.toml').match(/^\[workspace\.package\]\nversion = "([^"]+)"/m)?.[1],
    'Cargo.lock': read('Cargo.lock').match(/name = "elman-node"\nversion = "([^"]+)"/)?.[1],
    'CHANGELOG.md': read('CHANGELOG.md').match(/^## \[(\d[^\]]*)\]/m)?.[1],
  }
  const wrong = Object.entries(versions).filter(([, other]) => other !== version)
  if (wrong.length > 0) {
    const list = wrong.map(([name, other]) => `${name} has ${other ?? 'none'}`).join(', ')
    throw new Stop(`package.json has version ${version}, but ${list}`)
  }
  console.log(`version ${version}`)
} catch (error) {
  fail(error)
}
