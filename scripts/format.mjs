/** `npm run format`: rewrites Rust and TypeScript the way that `npm test` wants to find them. */

import { join } from 'node:path'
import { fail, root, runNode } from './lib/run.mjs'
import { checkTools, packages, runCargo } from './lib/setup.mjs'

try {
  checkTools()
  if (!packages.isFresh()) await packages.run()
  await runCargo(['fmt', '--all'])
  console.log(
    await runNode(join(root, 'node_modules/@biomejs/biome/bin/biome'), ['check', '--write']),
  )
} catch (error) {
  fail(error)
}
