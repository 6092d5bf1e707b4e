/** The parts of the benchmark that measure: shapes, common inputs of all libraries, statistics and order of runs. */

import { describe, expect, test } from 'vitest'
import type { Prepared } from '../../bench/contenders/contender'
import { TOLERANCE, trendOf } from '../../bench/lib/flat'
import { fingerprint, mixed, numbersOf, sameFingerprint } from '../../bench/lib/numbers'
import {
  grid,
  inputFeatures,
  operations,
  parameters,
  parseShape,
  shape,
  shapeName,
} from '../../bench/lib/shape'
import { geometricMean, median, quantile } from '../../bench/lib/statistics'
import { type Effort, takeTurns } from '../../bench/lib/turns'

describe('shapes', () => {
  test('operations count two for each multiply-add of the products, backward twice those of forward', () => {
    // One step of one sequence: 64 · 64 for the input and as many for the state.
    expect(operations(shape(1, 1, 64, 64), 'forward')).toBe(2 * 2 * 64 * 64)
    // The second layer reads both directions of the first.
    const both = shape(10, 3, 5, 7, 2, 2)
    expect(inputFeatures(both, 1)).toBe(14)
    const layers = 10 * 3 * (2 * (5 * 7 + 7 * 7) + 2 * (14 * 7 + 7 * 7))
    expect(operations(both, 'step')).toBe(3 * 2 * layers)
  })

  test('are read by their number in the grid or by their sizes', () => {
    expect(parseShape('1')).toBe(grid[0])
    expect(parseShape('9')).toBe(grid[8])
    expect(parseShape('50x16x32x64')).toEqual(shape(50, 16, 32, 64))
    expect(parseShape('100x32x128x256x2x2')).toEqual(grid[6])
    for (const text of ['0', '10', '', '5x5', '0x1x1x1', '1x1x1x1x1x3', '1x1x1x1x1x1x1', 'x']) {
      expect(parseShape(text)).toBeUndefined()
    }
  })

  test('have a name with layers and directions where there are several', () => {
    expect(grid.slice(0, 4).map(shapeName)).toEqual([
      '(1, 1, 64, 64)',
      '(50, 1, 16, 32)',
      '(50, 16, 32, 64)',
      '(35, 20, 200, 200, 2, 1)',
    ])
  })
})

describe('numbers', () => {
  test('are those of lowbias32, between -1 and 1', () => {
    /** The same with integers of any size. */
    const expected = (seed: number, place: number) => {
      const low = (value: bigint) => value & 0xffff_ffffn
      let bits = low(BigInt(seed) * 0x9e37_79b9n + BigInt(place))
      bits = low((bits ^ (bits >> 16n)) * 0x7feb_352dn)
      bits = low((bits ^ (bits >> 15n)) * 0x846c_a68bn)
      bits ^= bits >> 16n
      return Number(bits) / 2 ** 31 - 1
    }
    for (const place of [0, 1, 2, 255, 65_536, 8_388_607]) {
      expect(mixed(10, place)).toBe(expected(10, place))
    }
    const values = Array.from({ length: 10_000 }, (_, place) => mixed(1, place))
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1)
    expect(Math.max(...values)).toBeLessThan(1)
    expect(Math.abs(values.reduce((a, b) => a + b) / values.length)).toBeLessThan(0.02)
  })

  test('fill every array of a network, parameters in the order of the state dict', () => {
    const both = shape(4, 3, 5, 9, 2, 2)
    const numbers = numbersOf(both)
    expect(numbers.input.shape).toEqual([4, 3, 5])
    expect(numbers.states.map(({ shape: size }) => size)).toEqual([[4, 3, 9]])
    expect(numbers.gradient.shape).toEqual([4, 3, 18])
    expect([...numbers.parameters.keys()]).toEqual(parameters(both).map(({ name }) => name))
    expect([...numbers.parameters.keys()].slice(3, 9)).toEqual([
      'bias_hh_l0',
      'weight_ih_l0_reverse',
      'weight_hh_l0_reverse',
      'bias_ih_l0_reverse',
      'bias_hh_l0_reverse',
      'weight_ih_l1',
    ])
    const weight = numbers.parameters.get('weight_ih_l1')
    expect(weight?.shape).toEqual([9, 18])
    expect(weight?.values).toHaveLength(9 * 18)
    expect(Math.max(...(weight?.values ?? []).map(Math.abs))).toBeLessThanOrEqual(1 / 3)
  })

  test('a fingerprint tells of order, signs and size, and forgives rounding', () => {
    const values = Float64Array.from({ length: 500 }, (_, place) => Math.sin(place + 1))
    const same = (other: ArrayLike<number>) =>
      sameFingerprint(fingerprint(values), fingerprint(other))
    expect(same(Float32Array.from(values))).toBe(true)
    expect(same(values.map((value) => value * 1.001))).toBe(false)
    expect(same(values.map((value) => -value))).toBe(false)
    expect(same(values.toReversed())).toBe(false)
    expect(same(values.map((value, place) => (place === 7 ? Number.NaN : value)))).toBe(false)
    // An array may come in parts.
    expect(fingerprint(values.subarray(0, 123), values.subarray(123))).toEqual(fingerprint(values))
  })
})

test('statistics', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(quantile([10, 20, 30, 40, 50], 0.25)).toBe(20)
  expect(geometricMean([0.5, 2, 8])).toBeCloseTo(2, 12)
})

describe('turns', () => {
  /** A contender whose calls take so many milliseconds; it notes in `log` when its turn comes. */
  function contender(name: string, milliseconds: number, log: string[]): Prepared {
    return {
      probe: {},
      async sample(calls, samples) {
        log.push(`${name} ${calls} ${samples}`)
        // Warming up ends by the clock, so time has to pass.
        const end = performance.now() + 1
        while (performance.now() < end) {}
        return Array.from({ length: samples }, () => milliseconds)
      },
      dispose() {},
    }
  }
  const effort: Effort = { seconds: 0.4, turns: 4, repeats: 5 }

  test('go round, and each round begins with another contender', async () => {
    const log: string[] = []
    const names = ['a', 'b', 'c']
    const timings = await takeTurns(
      names.map((name) => contender(name, 25, log)),
      effort,
      () => {
        log.push('round')
      },
    )
    const rounds = log.join(' ').split('round').slice(1)
    expect(rounds.map((round) => round.replace(/[^abc]/g, ''))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ])
    // 100 ms a turn, 25 ms a call
    expect(timings.map(({ samples }) => samples)).toEqual([16, 16, 16])
    expect(timings[0]).toMatchObject({ median: 25, lowerQuartile: 25, upperQuartile: 25, calls: 1 })
  })

  test('short calls are timed in rows of twenty milliseconds or more', async () => {
    const [timing] = await takeTurns([contender('a', 0.01, [])], effort)
    expect(timing).toMatchObject({ calls: 2048, samples: 20, median: 0.01 })
  })

  test('a slow contender is measured as often as it has to be, or three times as long', async () => {
    const [slow, slower] = await takeTurns(
      [contender('slow', 150, []), contender('slower', 5000, [])],
      effort,
    )
    expect(slow?.samples).toBe(5)
    expect(slower?.samples).toBe(1) // the call that warmed it up
  })
})

describe('the trend of resident memory', () => {
  const flat = (resident: number[]): boolean => trendOf(resident).flat

  test('is that of all readings: a line gives its slope', () => {
    const line = Array.from({ length: 11 }, (_, place) => 100 + place)
    const { growth, limit } = trendOf(line)
    expect(growth).toBe(10)
    expect(limit).toBeCloseTo(TOLERANCE * 105)
    expect(flat(line)).toBe(false)
    expect(flat(line.map((value) => 100 + (value - 100) / 6))).toBe(true)
    expect(flat([...line].reverse())).toBe(true)
  })

  test('passes over jumps of single readings, the first and the last among them', () => {
    expect(flat([64, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70])).toBe(true)
    expect(flat([70, 70, 70, 95, 70, 70, 70, 70, 70, 70, 80])).toBe(true)
  })

  test('finds growth under noise, and growth that comes late', () => {
    const noise = [0, 2, -1, 1, -2, 2, 0, -1, 2, -2, 1]
    expect(flat(noise.map((value) => 100 + value))).toBe(true)
    expect(flat(noise.map((value, place) => 100 + value + 2 * place))).toBe(false)
    expect(flat([70, 70, 70, 70, 71, 73, 75, 77, 79, 81, 83])).toBe(false)
  })
})
