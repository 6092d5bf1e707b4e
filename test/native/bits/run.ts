/** Runs the cases in child processes, one for each instruction set. */

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

const program = fileURLToPath(new URL('./program.ts', import.meta.url))

export function bitsWith(isa: string): Bits {
  const output = execFileSync(process.execPath, ['--import', 'tsx', program], {
    encoding: 'utf8',
    env: { ...process.env, ELMAN_ISA: isa },
    maxBuffer: 2 ** 26,
  })
  return JSON.parse(output)
}
