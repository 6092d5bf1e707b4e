/**
 * Writes written.safetensors, whose content generate.py then tells (written.json): `npx tsx test/golden/write.ts`.
 * test/files/files.test.ts writes the same tensors again and compares the bytes.
 */

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bytesForPython } from '../helpers/for-python'

writeFileSync(fileURLToPath(new URL('./written.safetensors', import.meta.url)), bytesForPython())
