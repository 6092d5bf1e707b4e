/** Random numbers and the runtime. */

import {
  backendInfo,
  getNumThreads,
  getRngState,
  manualSeed,
  nn,
  rand,
  randn,
  setNumThreads,
  setRngState,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../helpers/numbers'

describe('manualSeed', () => {
  it("gives torch's numbers", () => {
    manualSeed(0)
    expectClose(rand([3]).data, [0.4963, 0.7682, 0.0885], 1e-4)
    manualSeed(0)
    expectClose(randn([3]).data, [1.541, -0.2934, -2.1788], 1e-4)
    manualSeed(0)
    expectClose(new nn.RNN(3, 4).weight_ih_l0.data.slice(0, 3), [-0.0037, 0.2682, -0.4115], 1e-4)
  })

  it('takes bigints and negative numbers, which are counted from the end', () => {
    const after = (seed: number | bigint): number => {
      manualSeed(seed)
      return rand([1]).item()
    }
    expect(after(5n)).toBe(after(5))
    expect(after(-1)).toBe(after(2n ** 64n - 1n))
    expect(after(-(2n ** 63n))).toBe(after(2n ** 63n))
  })

  it('refuses other seeds, and goes on', () => {
    manualSeed(1)
    const expected = rand([2]).toArray()
    manualSeed(1)
    for (const seed of [1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => manualSeed(seed)).toThrow(TypeError)
    }
    // @ts-expect-error: not a number
    expect(() => manualSeed('1')).toThrow(TypeError)
    for (const seed of [2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n]) {
      expect(() => manualSeed(seed)).toThrow(RangeError)
    }
    expect(rand([2]).toArray()).toEqual(expected)
  })
})

describe('getRngState and setRngState', () => {
  it('go back to where they were, in the middle of a block too', () => {
    manualSeed(7)
    rand([100])
    const state = getRngState()
    expect(state).toHaveLength(5056)
    const next = [rand([700]), randn([20]), randn([3]), rand([5], { dtype: 'float64' })]
    setRngState(state)
    const again = [rand([700]), randn([20]), randn([3]), rand([5], { dtype: 'float64' })]
    expect(again.map(({ data }) => data)).toEqual(next.map(({ data }) => data))
  })

  it('refuse what is no state, and go on', () => {
    const state = getRngState()
    // @ts-expect-error: not bytes
    expect(() => setRngState('x')).toThrow(TypeError)
    // @ts-expect-error: not bytes
    expect(() => setRngState(new Float32Array(5056))).toThrow(TypeError)
    expect(() => setRngState(new Uint8Array(3))).toThrow(RangeError)
    expect(() => setRngState(new Uint8Array(new SharedArrayBuffer(5056)))).toThrow(TypeError)
    expect(getRngState()).toEqual(state)
  })
})

describe('the runtime', () => {
  it('says what it is', () => {
    const { version, isa, isaAvailable, threads } = backendInfo()
    expect(version).toMatch(/^\d+\.\d+\.\d+/)
    expect(isaAvailable).toContain(isa)
    expect(isaAvailable[0]).toBe(process.arch === 'arm64' ? 'neon' : 'scalar')
    expect(threads).toBe(getNumThreads())
  })

  it('takes a number of threads', () => {
    const before = getNumThreads()
    try {
      setNumThreads(3)
      expect(getNumThreads()).toBe(3)
      for (const threads of [0, -1]) {
        expect(() => setNumThreads(threads)).toThrow(/^set_num_threads expects a positive integer/)
      }
      expect(() => setNumThreads(1.5)).toThrow(TypeError)
      expect(() => setNumThreads(Number.NaN)).toThrow(TypeError)
      // @ts-expect-error: not a number
      expect(() => setNumThreads('2')).toThrow(TypeError)
      expect(getNumThreads()).toBe(3)
    } finally {
      setNumThreads(before)
    }
  })
})
