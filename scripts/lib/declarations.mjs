/**
 * Takes `#private`, which TypeScript writes into the declaration of each class with private fields, out of dist/: of two
 * classes that have it, such as `Tensor` and `IntTensor`, it reports nothing else, where their dtypes tell what is wrong.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @param {string} folder with declarations, also in folders of it */
export function hidePrivateFields(folder) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const path = join(folder, name)
    const text = readFileSync(path, 'utf8')
    const without = text.replace(/^ {4}#private;\n/gm, '')
    if (without !== text) writeFileSync(path, without)
  }
}
