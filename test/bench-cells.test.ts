/** The benchmark with gated cells: their sizes, numbers, tables and aims. */

import { expect, test } from 'vitest'
import { numbersOf } from '../bench/lib/numbers'
import type { Measurement } from '../bench/lib/race'
import {
  cellFacts,
  cells,
  operations,
  parameters,
  shape,
  shapeName,
  withCell,
} from '../bench/lib/shape'
import { goalTable } from '../bench/report/goals'
import { gridTables } from '../bench/report/grid-tables'
import { otherTables } from '../bench/report/other-tables'
import type { Results } from '../bench/report/results'

const deep = shape(10, 3, 5, 7, 2, 2)
const large = shape(128, 64, 512, 512)

function results(parts: Partial<Results>): Results {
  return {
    ...{ command: 'npm run bench', cell: 'rnn', contenders: [], missing: [] },
    ...{ grid: [], growth: [], skipped: [] },
    machine: {
      ...{ processor: 'A processor', processors: 2, memoryGigabytes: 8, system: 'a system' },
      ...{ node: 'v20', isa: 'avx2', isaAvailable: ['scalar', 'avx2'] },
      peaks: [{ isa: 'avx2', bits: 256, threads: 1, gflops: 100 }],
    },
    ...parts,
  }
}

/** Whether the aim that begins so is met. */
function met(parts: Partial<Results>, aim: string): string | undefined {
  return goalTable(results(parts)).rows.find(([, title]) => title?.startsWith(aim))?.[0]
}

/** A training step of an LSTM by this package and by PyTorch, in milliseconds. */
function race(ours: number, torch: number, threads: number): Measurement[] {
  const lstm = withCell(large, 'lstm')
  return (['ours', 'torch'] as const).map((contender) => {
    const median = contender === 'ours' ? ours : torch
    const timing = { median, lowerQuartile: median, upperQuartile: median, samples: 9, calls: 1 }
    return { contender, task: 'step', shape: lstm, dtype: 'float32', threads, timing, peak: 100 }
  })
}

test.each(cells)('%s: operations and parameters count every gate', (cell) => {
  const { gates } = cellFacts[cell]
  const one = withCell(deep, cell)
  expect(operations(one, 'step')).toBe(gates * operations(deep, 'step'))
  expect(parameters(one).map(({ name }) => name)).toEqual(parameters(deep).map(({ name }) => name))
  expect(parameters(one)[4]?.shape).toEqual([gates * 7, 5])
  expect(parameters(one)[8]?.shape).toEqual([gates * 7, 14])
  expect(shapeName(one)).toBe(shapeName(deep))
})

test('an LSTM has two states with different numbers', () => {
  const { states } = numbersOf(withCell(deep, 'lstm'))
  expect(states.map(({ shape: size }) => size)).toEqual([
    [4, 3, 7],
    [4, 3, 7],
  ])
  expect(states[0]?.values).not.toEqual(states[1]?.values)
  expect(states[0]).toEqual(numbersOf(deep).states[0])
})

test('the table of the grid names the cell', () => {
  const [table] = gridTables(results({ cell: 'lstm', grid: race(1, 2, 1) }))
  expect(table?.title).toContain('with all gradients, LSTM, float32, 1 thread')
})

test('the aims of speed depend on the cell and on the number of threads', () => {
  const grid = [...race(1, 1.8, 1), ...race(1, 1.9, 2)]
  expect(met({ cell: 'lstm', grid }, 'step, 1 thr.: 1.7 ×')).toBe('yes')
  expect(met({ cell: 'lstm', grid }, 'step, 2 thr.: 2 ×')).toBe('NO')
  expect(met({ cell: 'gru', grid }, 'step, 1 thr.: 2 ×')).toBe('NO')
  expect(met({ cell: 'lstm', grid }, 'step, 1 thr.: 6 × PyTorch')).toBeUndefined()
})

test('where a peer is above 68 % of the peak, 82 % are enough, and 75 % with two threads', () => {
  const time = (share: number) => operations(withCell(large, 'lstm'), 'step') / 1e6 / 100 / share
  const grid = [1, 2].flatMap((threads) => race(time(0.8), time(0.7), threads))
  expect(met({ cell: 'lstm', grid }, 'step, 1 thr.: every shape')).toBe('NO')
  expect(met({ cell: 'lstm', grid }, 'step, 2 thr.: every shape')).toBe('yes')
})

test('gates: the table has the ratios to nn.RNN, and the large shape has aims', () => {
  const one = { task: 'step', threads: 1, rnn: 100, gru: 340, lstm: 420 } as const
  const gates = [{ ...one, shape: large }]
  expect(met({ gates }, 'step, 1 thr.: GRU at most 3.3 ×')).toBe('NO')
  expect(met({ gates }, 'step, 1 thr.: LSTM at most 4.3 ×')).toBe('yes')
  expect(met({ gates: [{ ...one, shape: deep }] }, 'step, 1 thr.: GRU')).toBeUndefined()
  const [table] = otherTables(results({ gates }))
  expect(table?.rows).toEqual([
    ['(128, 64, 512, 512)', 'step', '1', '100', '340', '420', '3.40', '4.20'],
  ])
})
