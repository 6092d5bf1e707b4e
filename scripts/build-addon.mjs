/**
 * `node scripts/build-addon.mjs [--target TRIPLE] [--use-napi-cross | --cross-compile]`: the addon for one platform; the
 * arguments are napi's. Without any it is what `npm run build` makes.
 */

import { fail } from './lib/run.mjs'
import { addon } from './lib/setup.mjs'

try {
  await addon.run(process.argv.slice(2))
} catch (error) {
  fail(error)
}
