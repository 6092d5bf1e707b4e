/** Compiles ts/ alone: what the release does once, for all platforms. */

import { fail } from './lib/run.mjs'
import { typescript } from './lib/setup.mjs'

try {
  await typescript.run()
} catch (error) {
  fail(error)
}
