/** The hash of each case, computed in this process with the instruction set in use. */

import { gatedCases } from './gated'
import { otherCases } from './others'
import { getRngState, manualSeed, setNumThreads } from './package'
import { type Case, hashOf, type Parts } from './parts'
import { recurrentCases } from './recurrent'

export const cases: readonly Case[] = [...recurrentCases, ...otherCases, ...gatedCases]

/** The cases in which a function of the C library takes part. */
export const libm: readonly string[] = cases.filter((one) => one.libm).map(({ name }) => name)

/** The results of a case, and the state of the random number generator after it. */
export async function partsOf({ run }: Case): Promise<Parts> {
  manualSeed(1)
  const parts = await run()
  return { ...parts, 'random state': getRngState() }
}

/** The hash of each case by its name, with so many threads. */
export async function hashes(threads: number): Promise<Record<string, string>> {
  setNumThreads(threads)
  const all: Record<string, string> = {}
  for (const one of cases) {
    if (one.name in all) throw new Error(`two cases are called ${one.name}`)
    all[one.name] = hashOf(await partsOf(one))
  }
  return all
}
