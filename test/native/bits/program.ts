/**
 * Prints the hashes of all cases with the instruction set in use, for 1, 2 and 3 threads:
 *
 *     ELMAN_ISA=avx2 npx tsx test/native/bits/program.ts
 *
 * With an argument, it prints the hash of each part of the cases whose names begin with it, to see what differs.
 * ELMAN_PACKAGE names another built checkout.
 */

import { cases, hashes, libm, partsOf } from './hashes'
import { backendInfo } from './package'
import { hashOf } from './parts'

async function main(prefix: string | undefined): Promise<void> {
  if (prefix === undefined) {
    const threads = []
    for (const count of [1, 2, 3]) threads.push(await hashes(count))
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
