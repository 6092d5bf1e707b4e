/** Runs the cases in processes of their own, one for each instruction set. */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What program.ts prints. */
export interface Bits {
  readonly isa: string
  /** The cases in which a function of the C library takes part. */
  readonly libm: readonly string[]
  /** For 1, 2 and 3 threads, the hash of each case. */
  readonly threads: readonly Readonly<Record<string, string>>[]
}

/** The committed hashes of each case: with fused multiply-add, and without (the portable vectors of x86). */
export type Golden = Readonly<Record<string, readonly [fused: string, scalar: string]>>

export const goldenPath = fileURLToPath(new URL('../../golden/bits.json', import.meta.url))

const program = fileURLToPath(new URL('./program.ts', import.meta.url))

export function bitsWith(isa: string): Bits {
  const output = execFileSync(process.execPath, ['--import', 'tsx', program], {
    encoding: 'utf8',
    env: { ...process.env, ELMAN_ISA: isa },
    maxBuffer: 2 ** 26,
  })
  return JSON.parse(output)
}

/** The column of {@link Golden} that an instruction set has. */
export const columnOf = (isa: string): 0 | 1 => (isa === 'scalar' ? 1 : 0)
