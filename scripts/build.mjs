/** `npm run build`: packages, addon and TypeScript, each brought up to date. */

import { fail } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

try {
  await setUp()
  console.log('Everything is built.')
} catch (error) {
  fail(error)
}
