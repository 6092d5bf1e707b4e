/**
 * The bits of all outputs and gradients with the instruction set in use, in this process: what bits.test.ts shows for all
 * instruction sets of a machine, as a part of the smoke tests, which can start no others. So the bits of arm64, in an
 * emulator, are those of x64 with fused multiply-add.
 */

import { backendInfo, getNumThreads, setNumThreads } from '@elman/rnn'
import { afterAll, expect, it } from 'vitest'
import { columnOf, readGoldenBits } from '../helpers/golden-bits'
import { hashes, libm } from './bits/hashes'

const threadsBefore = getNumThreads()
afterAll(() => setNumThreads(threadsBefore))

it.each([1, 2, 3])(
  'are those of the file, for %i threads',
  async (threads) => {
    const golden = readGoldenBits()
    // Functions of the C library differ in the last bit: bits.test.ts has them on the system that wrote the file.
    const names = Object.keys(golden).filter((name) => !libm.includes(name))
    const column = columnOf(backendInfo().isa)
    const actual = await hashes(threads)
    expect(Object.keys(actual)).toEqual(Object.keys(golden))
    expect(Object.fromEntries(names.map((name) => [name, actual[name]]))).toEqual(
      Object.fromEntries(names.map((name) => [name, golden[name][column]])),
    )
  },
  600_000,
)
