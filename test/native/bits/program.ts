/**
 * Prints the hashes of all cases with the instruction set in use, for 1, 2 and 3 threads:
 *
 *     ELMAN_ISA=avx2 npx tsx test/native/bits/program.ts
 *
 * With an argument, it prints the hash of each part of the cases whose names begin with it, to see what differs.
 * ELMAN_PACKAGE names another built checkout.
 */

import { gatedCases } from './gated'
import { otherCases } from './others'
import { backendInfo, getRngState, manualSeed, setNumThreads } from './package'
import { type Case, hashOf, type Parts } from './parts'
import { recurrentCases } from './recurrent'

const cases: readonly Case[] = [...recurrentCases, ...otherCases, ...gatedCases]

/** The results of a case, and the state of the random number generator after it. */
async function partsOf({ run }: Case): Promise<Parts> {
  manualSeed(1)
  const parts = await run()
  return { ...parts, 'random state': getRngState() }
}

async function all(threads: number): Promise<Record<string, string>> {
  setNumThreads(threads)
  const hashes: Record<string, string> = {}
  for (const one of cases) {
    if (one.name in hashes) throw new Error(`two cases are called ${one.name}`)
    hashes[one.name] = hashOf(await partsOf(one))
  }
  return hashes
}

async function main(prefix: string | undefined): Promise<void> {
  if (prefix === undefined) {
    const threads = []
    for (const count of [1, 2, 3]) threads.push(await all(count))
    const libm = cases.filter((one) => one.libm).map(({ name }) => name)
    console.log(JSON.stringify({ isa: backendInfo().isa, libm, threads }))
    return
  }
  for (const one of cases.filter(({ name }) => name.startsWith(prefix))) {
    console.log(one.name)
    for (const [name, part] of Object.entries(await partsOf(one))) {
      console.log(`  ${hashOf({ [name]: part })} ${name}`)
    }
  }
}

void main(process.argv[2])
