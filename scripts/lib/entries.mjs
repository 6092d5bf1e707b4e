/**
 * Writes dist/index.js and dist/index.mjs with its types: the names that dist/bundle.js exports, for `require` and for
 * `import`. Both give the same classes, since there is one implementation.
 *
 * For `import { name }` Node reads a CommonJS file letter by letter, in search of its exports; of the bundle that alone
 * would take longer than to load it. So index.mjs imports index.js, which holds nothing but the names.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @param {string} folder where bundle.js is */
export async function writeEntries(folder) {
  // The lexer that Node itself uses to find the names of a CommonJS module.
  const { init, parse } = await import('cjs-module-lexer')
  await init()
  const { exports, reexports } = parse(readFileSync(join(folder, 'bundle.js'), 'utf8'))
  if (reexports.length > 0) throw new Error('ts/index.ts must name its exports, without `export *`')

  const names = [...new Set(exports)].filter((name) => name !== '__esModule').sort()
  if (names.length === 0) throw new Error('dist/bundle.js exports nothing')
  const lines = (line) => names.map(line).join('')
  writeFileSync(
    join(folder, 'index.js'),
    `'use strict'\nconst all = require('./bundle.js')\n${lines((name) => `exports.${name} = all.${name}\n`)}`,
  )
  writeFileSync(
    join(folder, 'index.mjs'),
    `export {\n${lines((name) => `  ${name},\n`)}} from './index.js'\n`,
  )
  writeFileSync(join(folder, 'index.d.mts'), `export * from './index.js'\n`)
}
