/** `npm run docs`: the API pages, from the doc comments of ts/, with the guides of docs/; in out/docs. */

import { join } from 'node:path'
import { fail } from './lib/run.mjs'
import { apiPages, checkTools, packages } from './lib/setup.mjs'

try {
  checkTools()
  if (!packages.isFresh()) await packages.run()
  await apiPages.run()
  console.log(`Open ${join(apiPages.folder, 'index.html')}`)
} catch (error) {
  fail(error)
}
