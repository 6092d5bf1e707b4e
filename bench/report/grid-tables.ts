/** The tables of the grid. */

import { contenderNames, titles } from '../contenders/contender'
import { cellFacts, shapeName, type Task } from '../lib/shape'
import { type Comparison, compareAll, meanOf } from './comparison'
import { type Results, timeOf } from './results'
import { milliseconds, percent, ratio, type Table } from './table'

const taskTitles: Record<Task, string> = {
  step: 'Training step: forward and backward with all gradients',
  forward: 'Forward pass without gradients',
}

const notes = [
  '× best: how many times as long as @elman/rnn the fastest of the others takes, tfjs aside. Of peak: share of the',
  'floating-point operations that so many cores could do. tfjs has one thread in Node, whatever the others have.',
]

/** One table for each task and number of threads, and one for float64. */
export function gridTables({ grid }: Results): Table[] {
  const threads = [...new Set(grid.map((one) => one.threads))]
  const tasks = (['step', 'forward'] as const).filter((task) =>
    grid.some((one) => one.task === task),
  )
  const tables = tasks.flatMap((task) => threads.map((count) => raceTable(grid, task, count)))
  return [
    ...tables.map((table, index) => (index === tables.length - 1 ? { ...table, notes } : table)),
    ...float64Table(grid, threads),
  ]
}

/** What is derived from the times, with its geometric mean where that means something. */
const derived: {
  title: string
  of: (row: Comparison) => number | undefined
  show: (value: number | undefined) => string
  mean?: boolean
}[] = [
  { title: '× best', of: ({ best }) => best, show: ratio, mean: true },
  { title: '× PyTorch', of: ({ torch }) => torch, show: ratio, mean: true },
  { title: '× tfjs', of: ({ tfjs }) => tfjs, show: ratio, mean: true },
  { title: 'of peak', of: ({ share }) => share, show: percent },
  { title: 'best of peak', of: ({ rivalShare }) => rivalShare, show: percent },
]

function raceTable(grid: Results['grid'], task: Task, threads: number): Table {
  const rows = compareAll(grid, task, threads)
  const cell = rows[0]?.shape.cell ?? 'rnn'
  const kind = cell === 'rnn' ? '' : `, ${cellFacts[cell].title}`
  const names = contenderNames.filter((name) => rows.some(({ times }) => times.has(name)))
  const columns = derived.filter(({ of }) => rows.some((row) => of(row) !== undefined))
  const count = threads === 1 ? '1 thread' : `${threads} threads`
  return {
    title: `${taskTitles[task]}${kind}, float32, ${count}, milliseconds`,
    head: [
      '(T, B, I, H, L, D)',
      ...names.map((name) => titles[name]),
      ...columns.map(({ title }) => title),
    ],
    rows: [
      ...rows.map((row) => [
        shapeName(row.shape),
        ...names.map((name) => milliseconds(row.times.get(name))),
        ...columns.map(({ of, show }) => show(of(row))),
      ]),
      [
        'geometric mean',
        ...names.map(() => ''),
        ...columns.map(({ of, show, mean }) => (mean ? show(meanOf(rows.map(of))) : '')),
      ],
    ],
  }
}

function float64Table(grid: Results['grid'], threads: readonly number[]): Table[] {
  const measured = grid.filter(({ dtype }) => dtype === 'float64')
  if (measured.length === 0) return []
  const shapes = [...new Set(measured.map(({ shape }) => shape))]
  const rows = shapes.flatMap((shape) =>
    (['step', 'forward'] as const).map((task) => [
      `${shapeName(shape)} ${task}`,
      ...threads.flatMap((count) => {
        const where = { task, shape, threads: count }
        const double = timeOf(grid, 'ours', { ...where, dtype: 'float64' })
        const single = timeOf(grid, 'ours', where)
        return [
          milliseconds(double),
          ratio(double === undefined || single === undefined ? undefined : single / double),
        ]
      }),
    ]),
  )
  return [
    {
      title: 'float64, @elman/rnn, milliseconds',
      head: [
        '(T, B, I, H, L, D)',
        ...threads.flatMap((count) => [`${count} thr.`, 'of float32 speed']),
      ],
      rows,
    },
  ]
}
