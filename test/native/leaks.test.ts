/**
 * Repeated work does not leak memory: a shorter run of `npm run test:leaks`. bench/lib/flat.ts describes what is
 * measured, and how a leak differs from a warm-up and from noise.
 */

import { describe, expect, it } from 'vitest'
import { flatEnvironment, flatFlags, trendOf } from '../../bench/lib/flat'
import { runFile } from '../helpers/child'
import { leaks, workloads } from './leaks/workloads'

const measure = (name: string, times: number) => {
  const { status, stdout, stderr } = runFile('test/native/leaks/child.ts', [name, `${times}`], {
    flags: [...flatFlags],
    env: flatEnvironment,
  })
  expect([status, stderr]).toEqual([0, ''])
  const resident: number[] = JSON.parse(stdout)
  expect(resident).toHaveLength(11)
  return { ...trendOf(resident), resident }
}

/** A part of the full run for each, of some seconds. */
const times: Readonly<Record<string, number>> = {
  training: 5000,
  'training of gates': 3000,
  'training in the background': 1500,
  inference: 20_000,
  streams: 20_000,
  workers: 100,
}

describe('memory is flat over', () => {
  it('all that the full run does', () => {
    expect(Object.keys(times)).toEqual(Object.keys(workloads))
  })

  it.each(Object.entries(times))('%s, %i times', (name, count) => {
    // If the allocator takes two more megabytes half-way, one process of fifteen shows a slope too. A leak in each step
    // shows in every process.
    const first = measure(name, count)
    const result = first.flat ? first : measure(name, count)
    expect(result.flat, JSON.stringify([first, result])).toBe(true)
  })
})

it.each(Object.keys(leaks))('%s is found', (name) => {
  const result = measure(name, 5000)
  expect(result.flat, JSON.stringify(result)).toBe(false)
  expect(result.growth).toBeGreaterThan(result.limit)
})
