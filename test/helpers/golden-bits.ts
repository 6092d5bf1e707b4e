/** The committed hashes of the bits of all results, test/golden/bits.json, which test/native/bits compares. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const goldenBitsPath = fileURLToPath(new URL('../golden/bits.json', import.meta.url))

/** The hashes of each case: with fused multiply-add, and without. */
export type GoldenBits = Readonly<Record<string, readonly [fused: string, plain: string]>>

export const readGoldenBits = (): GoldenBits => JSON.parse(readFileSync(goldenBitsPath, 'utf8'))

/** Which of them an instruction set has. The portable vectors are fused on arm64, where every processor can do that. */
export const columnOf = (isa: string): 0 | 1 =>
  isa === 'scalar' && process.arch !== 'arm64' ? 1 : 0
