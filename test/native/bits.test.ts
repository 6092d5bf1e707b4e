/**
 * The bits of all outputs and gradients: equal for every number of threads, equal between instruction sets with fused
 * multiply-add, and equal to those in test/golden/bits.json. A failure is a change of results: `npx tsx
 * test/native/bits/program.ts 'NAME OF A CASE'` prints the hash of each part, and ELMAN_PACKAGE names the folder of an
 * older build to compare with.
 */

import { backendInfo } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { columnOf, readGoldenBits } from '../helpers/golden-bits'
import { bitsWith } from './bits/run'

const golden = readGoldenBits()
// The C library of the system on which the file was written.
const sameLibrary = process.platform === 'linux' && process.arch === 'x64'

describe.each(backendInfo().isaAvailable)('the bits with %s', (isa) => {
  it('are those of the file, for 1, 2 and 3 threads', () => {
    const { isa: used, libm, threads } = bitsWith(isa)
    expect(used).toBe(isa)
    expect(threads).toHaveLength(3)
    const [one, ...more] = threads
    for (const hashes of more) expect(hashes).toEqual(one)
    expect(Object.keys(one)).toEqual(Object.keys(golden))
    const names = Object.keys(golden).filter((name) => sameLibrary || !libm.includes(name))
    const pick = (hash: (name: string) => string) =>
      Object.fromEntries(names.map((name) => [name, hash(name)]))
    expect(pick((name) => one[name])).toEqual(pick((name) => golden[name][columnOf(isa)]))
  }, 120_000)
})
