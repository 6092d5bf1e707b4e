/**
 * Writes dist/bundle.js: all modules of ts/ in one CommonJS file, since Node takes four times as long to load 75 small
 * ones (`npm run bench -- start`). Nothing is minified: stack traces and doc comments stay readable.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/** The oldest Node that may run it. */
const target = 'node20.19'

/** @param {string} root the repository */
export async function writeBundle(root) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const bundle = await rolldown({
    input: join(root, 'ts/index.ts'),
    tsconfig: join(root, 'tsconfig.json'),
    platform: 'node',
    // napi's loader stays a file of its own: it looks for the addon in its own folder.
    external: ['../index.js'],
    transform: { target, define: { PACKAGE_VERSION: JSON.stringify(version) } },
    // A circle of modules or an import that is not there would be warnings only.
    onLog(_, { message }) {
      throw new Error(message)
    },
  })
  await bundle.write({ file: join(root, 'dist/bundle.js'), format: 'cjs' })
  await bundle.close()
}
