/**
 * Writes written.safetensors: `npx tsx test/golden/write.ts`. generate.py reads it and writes its content to
 * written.json. test/files/files.test.ts writes the same tensors again and compares the bytes.
 */

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bytesForPython } from '../helpers/for-python'

writeFileSync(fileURLToPath(new URL('./written.safetensors', import.meta.url)), bytesForPython())
