/** Numbers: each instruction set that can be forced gives what the equation says, and the same as the others. */

import { backendInfo } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { runFile } from '../helpers/child'

interface Run {
  readonly isa: string
  /** The numbers of a training step. */
  readonly values: number[]
  /** What is wrong with numbers at the limits. */
  readonly wrong: Record<string, string[]>
}
const names = ['scalar', 'neon', 'avx2', 'avx512']
const { isa: chosen, isaAvailable } = backendInfo()
const run = (isa: string) => runFile('test/helpers/isa-values.ts', [], { env: { ELMAN_ISA: isa } })

describe('each instruction set can be forced:', () => {
  const runs: Run[] = []
  it(`this processor has ${isaAvailable.join(', ')}`, () => {
    expect(isaAvailable[0]).toBe(process.arch === 'arm64' ? 'neon' : 'scalar')
    expect(names).toEqual(expect.arrayContaining(isaAvailable))
    expect(isaAvailable).toContain(chosen)
  })

  it.each(isaAvailable)('%s gives NaN, infinities, zeros and denormals their place', (isa) => {
    const { status, stdout, stderr } = run(isa)
    expect([status, stderr]).toEqual([0, ''])
    const result: Run = JSON.parse(stdout)
    runs.push(result)
    expect(result.isa).toBe(isa)
    expect(Object.keys(result.wrong)).toHaveLength(12)
    for (const [what, places] of Object.entries(result.wrong)) expect(places, what).toEqual([])
  })

  it('all give the same numbers, but for the rounding of products in the scalar one', () => {
    const [scalar, ...vectors] = runs
    expect(runs.map(({ isa }) => isa)).toEqual(isaAvailable)
    for (const { isa, values } of vectors) {
      expect(values, isa).toEqual(vectors[0].values)
      const errors = values.map((value, place) => Math.abs(value - scalar.values[place]))
      expect(Math.max(...errors)).toBeLessThan(1e-5)
    }
  })

  it.each(names.filter((name) => !isaAvailable.includes(name)))(
    '%s is not here, and refused',
    (isa) => {
      const { status, stderr } = run(isa)
      expect(status).toBe(1)
      expect(stderr).toContain(`RangeError: ELMAN_ISA must be one of ${isaAvailable.join(', ')}`)
    },
  )
})
