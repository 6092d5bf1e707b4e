/**
 * Writes test/golden/bits.json, on x86 with FMA: `npx tsx test/native/bits/write.ts`. ELMAN_PACKAGE names another built
 * checkout to take the bits from. Only a change of results that is meant is a reason to write it anew.
 */

import { writeFileSync } from 'node:fs'
import { bitsWith, goldenPath } from './run'

const [fused, scalar] = ['avx2', 'scalar'].map((isa) => bitsWith(isa).threads[0])
const lines = Object.entries(fused).map(
  ([name, hash]) => `  ${JSON.stringify(name)}: ["${hash}", "${scalar[name]}"]`,
)
writeFileSync(goldenPath, `{\n${lines.join(',\n')}\n}\n`)
