/**
 * `npm run pack -- --addons FOLDER [--output FOLDER]`: the packages of a release as tarballs, checked. The folder must
 * hold the addon of every platform.
 */

import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkPackages } from './lib/gates.mjs'
import { fail, root, Stop } from './lib/run.mjs'
import { addonsIn, stage } from './lib/stage.mjs'

try {
  const { values } = parseArgs({
    options: { addons: { type: 'string' }, output: { type: 'string' } },
  })
  if (values.addons === undefined) throw new Stop('npm run pack -- --addons FOLDER')
  const folder = resolve(values.output ?? join(root, 'out/release'))
  const packages = await stage(folder, addonsIn(resolve(values.addons)))
  for (const line of await checkPackages(packages)) console.log(line)
  for (const { tarball } of packages) console.log(basename(tarball))
} catch (error) {
  fail(error)
}
