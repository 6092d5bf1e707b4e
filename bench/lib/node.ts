/** Programs of this repository that run in processes of their own. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** What Node is told before the file; where @elman/rnn is, it knows from the environment (scripts/bench.mjs). */
export const typescript: readonly string[] = ['--require', require.resolve('tsx/cjs')]

/** Runs a program from the root of the repository; gives what it prints. */
export function runProgram(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', cwd: join(__dirname, '../..') })
}
