/**
 * Writes test/golden/bits.json, on x86 with FMA: `npx tsx test/native/bits/write.ts`. ELMAN_PACKAGE names another built
 * checkout to take the bits from. Write it again only for an intended change of results.
 */

import { writeFileSync } from 'node:fs'
import { goldenBitsPath } from '../../helpers/golden-bits'
import { bitsWith } from './run'

const [fused, scalar] = ['avx2', 'scalar'].map((isa) => bitsWith(isa).threads[0])
const lines = Object.entries(fused).map(
  ([name, hash]) => `  ${JSON.stringify(name)}: ["${hash}", "${scalar[name]}"]`,
)
writeFileSync(goldenBitsPath, `{\n${lines.join(',\n')}\n}\n`)
