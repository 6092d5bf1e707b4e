/** The reports of the benchmark: comparisons, tables, aims and charts. */

import { describe, expect, test } from 'vitest'
import type { ContenderName } from '../../bench/contenders/contender'
import { lengthsOf } from '../../bench/contenders/ragged'
import type { Measurement } from '../../bench/lib/race'
import { grid, operations, shape } from '../../bench/lib/shape'
import { compareAll } from '../../bench/report/comparison'
import { goalTable } from '../../bench/report/goals'
import { gridChart } from '../../bench/report/grid-chart'
import { gridTables } from '../../bench/report/grid-tables'
import { growthChart } from '../../bench/report/growth-chart'
import { otherTables } from '../../bench/report/other-tables'
import type { CheckpointsResult, Results } from '../../bench/report/results'
import { asMarkdown, asText, milliseconds, ratio } from '../../bench/report/table'

const small = shape(50, 16, 32, 64)
const [large = small] = grid.slice(7)

function measured(
  contender: ContenderName,
  median: number,
  rest: Partial<Measurement> = {},
): Measurement {
  const timing = { median, lowerQuartile: median, upperQuartile: median, samples: 9, calls: 1 }
  const work = { task: 'step', shape: small, dtype: 'float32', threads: 1 } as const
  return { contender, timing, peak: 100, ...work, ...rest }
}

function results(parts: Partial<Results>): Results {
  return {
    command: 'npm run bench',
    cell: 'rnn',
    machine: {
      processor: 'A processor',
      processors: 2,
      memoryGigabytes: 8,
      system: 'a system',
      node: 'v20',
      isa: 'avx2',
      isaAvailable: ['scalar', 'avx2'],
      peaks: [
        { isa: 'sse2', bits: 128, threads: 1, gflops: 50 },
        { isa: 'avx2', bits: 256, threads: 1, gflops: 100 },
      ],
    },
    contenders: [],
    missing: [],
    grid: [],
    growth: [],
    skipped: [],
    ...parts,
  }
}

/** A training step by the three forms of input. */
const mixed = { task: 'step', threads: 2, padded: 10, lengths: 11, packed: 12 } as const

const checkpoints: CheckpointsResult = {
  ...{ shape: small, every: 100 },
  plain: { buffers: 160, resident: 400 },
  checkpointed: { buffers: 2, resident: 4 },
  milliseconds: { plain: 800, checkpointed: 1000 },
}

const race = [
  measured('ours', 2),
  measured('torch', 14),
  measured('jax', 5),
  measured('tfjs', 90),
  measured('ours', 1, { threads: 2 }),
  measured('jax', 3, { threads: 2 }),
]

test('a comparison has the ratios to the fastest rival, to PyTorch and to tfjs, and the share of the peak', () => {
  const [one] = compareAll(race, 'step', 1)
  expect(one).toMatchObject({ shape: small, best: 2.5, torch: 7, tfjs: 45 })
  expect(one?.share).toBeCloseTo(operations(small, 'step') / 0.002 / 100e9, 12)
  expect(one?.rivalShare).toBeCloseTo((one?.share ?? 0) / 2.5, 12)
  // tfjs has one thread only; PyTorch was not measured with two.
  expect(compareAll(race, 'step', 2)).toMatchObject([{ best: 3, torch: undefined, tfjs: 90 }])
  expect(compareAll(race, 'forward', 1)).toEqual([])
})

describe('tables', () => {
  test('numbers have three digits that count', () => {
    expect([0.00123, 0.0456, 0.7, 9.999, 12.34, 456.7, 12_345].map(milliseconds)).toEqual([
      '.00123',
      '.0456',
      '.700',
      '10.0',
      '12.3',
      '457',
      '12345',
    ])
    expect([0.5, 2, 31.25, 310].map(ratio)).toEqual(['0.500', '2.00', '31.3', '310'])
    expect(milliseconds(undefined)).toBe('–')
  })

  test('of the grid: one for each number of threads, without columns that nobody fills', () => {
    const [one, two] = gridTables(results({ grid: race }))
    expect(one?.head).toEqual([
      '(T, B, I, H, L, D)',
      '@elman/rnn',
      'PyTorch',
      'JAX',
      'tfjs-wasm',
      '× best',
      '× PyTorch',
      '× tfjs',
      'of peak',
      'best of peak',
    ])
    expect(one?.rows).toEqual([
      ['(50, 16, 32, 64)', '2.00', '14.0', '5.00', '90.0', '2.50', '7.00', '45.0', '15 %', '6 %'],
      ['geometric mean', '', '', '', '', '2.50', '7.00', '45.0', '', ''],
    ])
    expect(two?.head).not.toContain('× PyTorch')
  })

  test('as text and as Markdown', () => {
    const table = {
      title: 'A table',
      head: ['name', 'ms'],
      rows: [['one', '12.3']],
      notes: ['A note.'],
    }
    expect(asText(table).split('\n')).toEqual([
      'A table',
      '──────────',
      'name    ms',
      '──────────',
      'one   12.3',
      '──────────',
      'A note.',
    ])
    expect(asMarkdown(table)).toBe(
      '**A table**\n\n| name | ms |\n| :-- | --: |\n| one | 12.3 |\n\nA note.',
    )
  })

  test('of lengths, of programs, of the start and of memory', () => {
    const tables = otherTables(
      results({
        lengths: [{ ...mixed, shape: small }],
        memory: {
          ...{ shape: small, small, arrays: 80, extra: 20, peak: 120, steps: 1000 },
          resident: { vjp: [60, 61, 60], tape: [60, 60, 75] },
          checkpoints,
        },
        start: { node: 50, import: 60, require: 55, construct: { ours: 3, torch: 9 } },
        demo: [
          {
            ...{ threads: 1, version: 'PyTorch 2' },
            ...{ ours: [20_000, 22_000, 21_000], torch: [10_000, 10_000, 12_000] },
            bits: { ours: 2.5, torch: 2.51 },
          },
        ],
        names: [{ threads: 2, version: 'PyTorch 2', ours: [0.1, 0.3, 0.2], torch: [1.2, 1, 1.1] }],
      }),
    )
    expect(tables.map(({ rows }) => rows[0])).toEqual([
      ['(50, 16, 32, 64)', 'step', '2', '10.0', '11.0', '1.10', '12.0', '1.20'],
      ['80', '20', '120', '1.20'],
      ['vjp', '60.0', '61.0', '60.0'],
      ['all states', '160.0', '400.0', '800'],
      ['empty', '50.0', '–', '–'],
      ['3.00', '9.00', '3.00'],
      ['1', '21,000', '10,000', '2.10', '2.500, 2.510'],
      ['2', '200', '1100', '5.50'],
    ])
  })
})

test('the lengths of a batch sum to those of the full batch, and differ', () => {
  for (const one of [...grid, shape(1, 5, 1, 1), shape(3, 1, 1, 1)]) {
    const lengths = lengthsOf(one)
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(one.T * one.B)
    expect(lengths.length).toBe(one.B)
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(Math.floor(one.T / 2) || 1)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(Math.ceil((3 * one.T) / 2) + 1)
  }
})

describe('aims', () => {
  /** Whether the aim that begins so is met. */
  function met(parts: Partial<Results>, aim: string): string | undefined {
    return goalTable(results(parts)).rows.find(([, title]) => title?.startsWith(aim))?.[0]
  }

  test('of speed are held against the fastest rival on every shape', () => {
    expect(met({ grid: race }, 'step, 1 thr.: every shape')).toBe('yes')
    expect(met({ grid: race }, 'step, 1 thr.: 2 ×')).toBe('yes')
    expect(met({ grid: race }, 'step, 1 thr.: 30 × tfjs')).toBe('yes')
    expect(met({ grid: race }, 'two threads no slower')).toBe('yes')
    const slower = race.map((one) => (one.contender === 'jax' ? measured('jax', 2.2) : one))
    expect(met({ grid: slower }, 'step, 1 thr.: every shape')).toBe('NO')
  })

  test('where a rival is above 72 % of the peak, 88 % of it are enough', () => {
    const time = (share: number) => operations(large, 'step') / 1e6 / 100 / share
    const at = (ours: number, torch: number) => [
      measured('ours', time(ours), { shape: large }),
      measured('torch', time(torch), { shape: large }),
    ]
    const aim = 'step, 1 thr.: every shape'
    expect(met({ grid: at(0.89, 0.8) }, aim)).toBe('yes')
    expect(met({ grid: at(0.86, 0.8) }, aim)).toBe('NO')
    expect(met({ grid: at(0.8, 0.7) }, aim)).toBe('NO')
    expect(met({ grid: at(0.89, 0.8) }, 'step, 1 thr.: 88 % of peak')).toBe('yes')
    expect(met({ grid: at(0.86, 0.8) }, 'step, 1 thr.: 88 % of peak')).toBe('NO')
  })

  test('of the example names: five epochs in the time of one', () => {
    const names = [{ threads: 1, version: 'PyTorch 2', ours: [0.2], torch: [1.1] }]
    expect(met({ names }, 'names, 1 thr.')).toBe('yes')
    expect(met({ names: names.map((one) => ({ ...one, torch: [0.9] })) }, 'names, 1 thr.')).toBe(
      'NO',
    )
  })

  test('of sequences of different lengths: little more than a full batch', () => {
    const lengths = [
      { ...mixed, shape: small },
      { ...mixed, shape: small, lengths: 9, packed: 10 },
    ]
    expect(met({ lengths }, 'lengths: at most 1.15 ×')).toBe('yes')
    expect(met({ lengths }, 'packed: at most 1.15 ×')).toBe('NO')
  })

  test('of memory: little beyond the arrays, and no growth', () => {
    const memory = {
      ...{ shape: small, small, arrays: 80, extra: 20, peak: 120, steps: 1000 },
      resident: { vjp: [60, 61, 60], tape: [60, 60, 75] },
      checkpoints,
    }
    expect(met({ memory }, 'memory of a step')).toBe('yes')
    expect(met({ memory: { ...memory, peak: 160 } }, 'memory of a step')).toBe('NO')
    expect(met({ memory }, 'no growth over 1000 steps, vjp')).toBe('yes')
    expect(met({ memory }, 'no growth over 1000 steps, tape')).toBe('NO')
  })

  test('of the start: little beyond that of Node, and PyTorch takes longer', () => {
    const start = { node: 50, import: 90, require: 55, construct: { ours: 3, torch: 9 } }
    expect(met({ start }, 'import in less')).toBe('NO')
    expect(met({ start }, 'require in less')).toBe('yes')
    expect(met({ start }, 'made in less')).toBe('yes')
    const slow = { ...start, construct: { ours: 3, torch: 2 } }
    expect(met({ start: slow }, 'made in less')).toBe('NO')
    const alone = { ...start, construct: { ours: 3 } }
    expect(met({ start: alone }, 'made in less')).toBeUndefined()
  })

  test('of checkpoints: less is held, and a step is not much longer', () => {
    const met = (changed: Partial<CheckpointsResult>) => {
      const memory = {
        ...{ shape: small, small, arrays: 80, extra: 20, peak: 120, steps: 1000 },
        resident: { vjp: [60], tape: [60] },
        checkpoints: { ...checkpoints, ...changed },
      }
      const { rows } = goalTable(results({ memory }))
      return rows.filter(([, title]) => title?.startsWith('checkpointEvery')).map(([yes]) => yes)
    }
    expect(met({})).toEqual(['yes', 'yes'])
    expect(met({ plain: { buffers: 19, resident: 400 } })).toEqual(['NO', 'yes'])
    expect(met({ milliseconds: { plain: 800, checkpointed: 1200 } })).toEqual(['yes', 'NO'])
  })
})

describe('pictures', () => {
  /** Where the dots of a colour are: [x, y] each. */
  function dots(svg: string | undefined, colour: string): [number, number][] {
    const circles = svg?.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"[^>]* fill="(#\w+)"/g) ?? []
    return [...circles]
      .filter(([, , , fill]) => fill === colour)
      .map(([, x, y]) => [Number(x), Number(y)])
  }

  test('of the grid: a peer that takes longer lies further to the right', () => {
    const svg = gridChart(results({ grid: race }))
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
    // Behind the dot of the legend: with one thread, and JAX with two.
    const [, jax, jaxTwo] = dots(svg, '#228833')
    const [, torch] = dots(svg, '#cc3311')
    expect(torch?.[0]).toBeGreaterThan(jax?.[0] ?? Number.NaN)
    expect(torch?.[1]).toBe(jax?.[1])
    expect(jaxTwo?.[0]).toBeGreaterThan(torch?.[0] ?? Number.NaN)
    expect(gridChart(results({ grid: [measured('ours', 1)] }))).toBeUndefined()
  })

  test('of growth: doubling time and size goes up by equal steps', () => {
    const point = (size: number, median: number) => ({
      ...measured('ours', median, { shape: shape(size, 32, 64, 128) }),
      ...{ axis: 'T' as const, size },
    })
    const svg = growthChart(results({ growth: [point(16, 1), point(32, 2), point(64, 4)] }))
    expect(svg).not.toMatch(/NaN|Infinity/)
    const [, a, b, c] = dots(svg, '#4477aa')
    expect((b?.[0] ?? 0) - (a?.[0] ?? 0)).toBeCloseTo((c?.[0] ?? 0) - (b?.[0] ?? 0), 0)
    expect((a?.[1] ?? 0) - (b?.[1] ?? 0)).toBeCloseTo((b?.[1] ?? 0) - (c?.[1] ?? 0), 0)
    expect(a?.[1]).toBeGreaterThan(b?.[1] ?? Number.NaN)
    expect(growthChart(results({}))).toBeUndefined()
  })
})
