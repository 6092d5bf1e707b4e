/**
 * Writes dist/index.mjs and its types: the same classes for `import` as for `require`, since there is
 * one implementation and the wrapper only names what it exports.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @param {string} folder where tsc has put index.js */
export async function writeEsmWrapper(folder) {
  // The lexer that Node itself uses to find the names of a CommonJS module: what it cannot see,
  // `import { name }` could not see either.
  const { init, parse } = await import('cjs-module-lexer')
  await init()
  const { exports, reexports } = parse(readFileSync(join(folder, 'index.js'), 'utf8'))
  if (reexports.length > 0) throw new Error('ts/index.ts must name its exports, without `export *`')

  const names = [...new Set(exports)].filter((name) => name !== '__esModule').sort()
  if (names.length === 0) throw new Error('dist/index.js exports nothing')
  const list = names.map((name) => `  ${name},\n`).join('')
  writeFileSync(join(folder, 'index.mjs'), `export {\n${list}} from './index.js'\n`)
  writeFileSync(join(folder, 'index.d.mts'), `export * from './index.js'\n`)
}
