/** What the package wants to reach, held against what a run has measured. */

import { trendOf } from '../lib/flat'
import type { Measurement } from '../lib/race'
import { type Cell, cellFacts, keptArrays, type Shape, shapeName, type Task } from '../lib/shape'
import { median } from '../lib/statistics'
import { type Comparison, compareAll, meanOf } from './comparison'
import { type Results, timeOf } from './results'
import { milliseconds, percent, ratio, type Table } from './table'

interface Goal {
  readonly aim: string
  readonly measured: string
  readonly met: boolean
}

/** The aims of the races; where there are two numbers, they are for one thread and for more. */
interface RaceAims {
  /** A rival above this share of the peak leaves no room for 1.2 times its speed: then the other share is the aim. */
  readonly rivalShare: number
  readonly share: readonly [number, number]
  /** how many times as fast as the fastest peer, in the geometric mean */
  readonly mean: Readonly<Record<Task, readonly [number, number]>>
  /** in a training step: as PyTorch in the geometric mean, and as tfjs on every shape */
  readonly torch?: number
  readonly tfjs?: number
}

const raceAims: Readonly<Record<Cell, RaceAims>> = {
  rnn: {
    rivalShare: 0.72,
    share: [0.88, 0.88],
    mean: { step: [2, 2], forward: [2, 2] },
    ...{ torch: 6, tfjs: 30 },
  },
  gru: {
    rivalShare: 0.68,
    share: [0.82, 0.75],
    mean: { step: [2, 2.4], forward: [1.7, 2.2] },
  },
  lstm: {
    rivalShare: 0.68,
    share: [0.82, 0.75],
    mean: { step: [1.7, 2], forward: [1.5, 1.6] },
  },
}

/** How many times as long as that of nn.RNN a training step may take where arithmetic takes the time. */
const gateCosts = { gru: 3.3, lstm: 4.3 } as const

/** The aims of everything that was measured. */
export function goalTable(results: Results): Table {
  const { grid } = results
  const threads = [...new Set(grid.map((one) => one.threads))]
  const goals = [
    ...threads.flatMap((count) => [
      ...raceGoals(results, 'step', count),
      ...raceGoals(results, 'forward', count),
      ...peakGoals(results, count),
    ]),
    ...threadGoals(grid, threads),
    ...float64Goals(grid),
    ...lengthsGoals(results),
    ...gatesGoals(results),
    ...otherGoals(results),
  ]
  return {
    title: 'Aims',
    head: ['met', 'aim', 'measured'],
    rows: goals.map(({ aim, measured, met }) => [met ? 'yes' : 'NO', aim, measured]),
    words: true,
  }
}

/** The least of some numbers with the shape it belongs to. */
function least(
  rows: readonly Comparison[],
  value: (row: Comparison) => number | undefined,
): { value: number; shape: Shape } | undefined {
  return rows
    .flatMap((row) => {
      const one = value(row)
      return one === undefined ? [] : [{ value: one, shape: row.shape }]
    })
    .sort((a, b) => a.value - b.value)[0]
}

function raceGoals({ grid, cell }: Results, task: Task, threads: number): Goal[] {
  const rows = compareAll(grid, task, threads)
  const aims = raceAims[cell]
  const place = threads > 1 ? 1 : 0
  const aimedShare = aims.share[place]
  const isFastEnough = ({ best = Number.NaN, share = 0, rivalShare = 0 }: Comparison): boolean =>
    best >= 1.2 || (rivalShare > aims.rivalShare && share >= aimedShare)
  const name = `${task}, ${threads} thr.:`
  const raced = rows.filter(({ best }) => best !== undefined)
  const goals: Goal[] = []
  const mean = meanOf(raced.map(({ best }) => best))
  if (mean !== undefined) {
    const slow = raced.filter((row) => !isFastEnough(row))
    goals.push({
      aim: `${name} every shape 1.2 × the fastest peer, or ${percent(aimedShare)} of peak where it has ${percent(aims.rivalShare)}`,
      measured:
        slow.length === 0
          ? `all ${raced.length}`
          : `not ${slow.map(({ shape, best }) => `${shapeName(shape)} ${ratio(best)}`).join(', ')}`,
      met: slow.length === 0,
    })
    const wanted = aims.mean[task][place]
    const aim = `${name} ${wanted} × the fastest peer in the geometric mean`
    goals.push(atLeast(aim, mean, wanted))
  }
  if (task === 'forward') return goals
  const torch = meanOf(raced.map((row) => row.torch))
  if (torch !== undefined && aims.torch !== undefined) {
    const aim = `${name} ${aims.torch} × PyTorch in the geometric mean`
    goals.push(atLeast(aim, torch, aims.torch))
  }
  const tfjs = least(rows, (row) => row.tfjs)
  if (tfjs && aims.tfjs !== undefined) {
    const aim = `${name} ${aims.tfjs} × tfjs on every shape`
    goals.push(atLeast(aim, tfjs.value, aims.tfjs, tfjs.shape))
  }
  return goals
}

function atLeast(aim: string, value: number, wanted: number, shape?: Shape): Goal {
  const where = shape === undefined ? '' : ` at ${shapeName(shape)}`
  return { aim, measured: `${ratio(value)} ×${where}`, met: value >= wanted }
}

/** Shares of the peak for one and two threads: with 512-bit vectors that double it, and otherwise. */
const shares = [
  {
    shapes: ['(128, 64, 512, 512)', '(64, 128, 1024, 1024)'],
    wide: [0.78, 0.72],
    other: [0.88, 0.82],
  },
  { shapes: ['(100, 32, 128, 256, 2, 2)'], wide: [0.7, 0.62], other: [0.8, 0.72] },
  { shapes: ['(35, 20, 200, 200, 2, 1)'], wide: [0.62], other: [0.75] },
]

function peakGoals({ grid, machine, cell }: Results, threads: number): Goal[] {
  if (cell !== 'rnn') return []
  const [before, widest] = machine.peaks.slice(-2)
  const isWide = widest?.bits === 512 && widest.gflops > 1.5 * (before?.gflops ?? 0)
  const rows = compareAll(grid, 'step', threads)
  return shares.flatMap(({ shapes, wide, other }) =>
    shapes.flatMap((name): Goal[] => {
      const wanted = (isWide ? wide : other)[threads - 1]
      const share = rows.find(({ shape }) => shapeName(shape) === name)?.share
      if (wanted === undefined || share === undefined) return []
      return [
        {
          aim: `step, ${threads} thr.: ${percent(wanted)} of peak at ${name}`,
          measured: percent(share),
          met: share >= wanted,
        },
      ]
    }),
  )
}

function threadGoals(grid: readonly Measurement[], threads: readonly number[]): Goal[] {
  if (!threads.includes(1) || !threads.includes(2)) return []
  const gains = (['step', 'forward'] as const).flatMap((task) =>
    compareAll(grid, task, 1).flatMap(({ shape }) => {
      const one = timeOf(grid, 'ours', { task, shape, threads: 1 })
      const two = timeOf(grid, 'ours', { task, shape, threads: 2 })
      return one === undefined || two === undefined ? [] : [{ task, shape, gain: one / two }]
    }),
  )
  const [worst] = gains.sort((a, b) => a.gain - b.gain)
  if (!worst) return []
  return [
    {
      aim: 'two threads no slower than one, within 5 %',
      measured: `${ratio(worst.gain)} × at ${shapeName(worst.shape)} ${worst.task}`,
      met: worst.gain >= 1 / 1.05,
    },
  ]
}

function float64Goals(grid: readonly Measurement[]): Goal[] {
  const [worst] = grid
    .filter(({ dtype }) => dtype === 'float64')
    .flatMap((one) => {
      const single = timeOf(grid, 'ours', { ...one, dtype: 'float32' })
      return single === undefined ? [] : [{ ...one, speed: single / one.timing.median }]
    })
    .sort((a, b) => a.speed - b.speed)
  return worst
    ? [atLeast('float64 half as fast as float32 on large shapes', worst.speed, 0.5, worst.shape)]
    : []
}

function lengthsGoals({ lengths = [] }: Results): Goal[] {
  return (['lengths', 'packed'] as const).flatMap((form) => {
    const [worst] = lengths
      .map((one) => ({ ...one, cost: one[form] / one.padded }))
      .sort((a, b) => b.cost - a.cost)
    if (worst === undefined) return []
    const { shape, task, threads, cost } = worst
    return [
      {
        aim: `${form}: at most 1.15 × a full batch with as many steps`,
        measured: `${ratio(cost)} × at ${shapeName(shape)} ${task}, ${threads} thr.`,
        met: cost <= 1.15,
      },
    ]
  })
}

function gatesGoals({ gates = [] }: Results): Goal[] {
  const large = '(128, 64, 512, 512)'
  return gates
    .filter(({ shape, task }) => shapeName(shape) === large && task === 'step')
    .flatMap((one) =>
      (['gru', 'lstm'] as const).map((cell): Goal => {
        const [cost, wanted] = [one[cell] / one.rnn, gateCosts[cell]]
        return {
          aim: `step, ${one.threads} thr.: ${cellFacts[cell].title} at most ${wanted} × nn.RNN at ${large}`,
          measured: `${ratio(cost)} ×`,
          met: cost <= wanted,
        }
      }),
    )
}

function otherGoals(results: Results): Goal[] {
  const { stream = [], memory, start, demo = [], names = [], cell } = results
  const goals: Goal[] = []
  const rate = (name: string) => stream.find((one) => one.name.startsWith(name))
  const [ours, ort] = [rate('stream.step'), rate('onnxruntime')]
  if (ours && ort) {
    const gain = ort.microseconds / ours.microseconds
    const wanted = cell === 'rnn' ? 25 : 15
    goals.push(atLeast(`stream.step() ${wanted} × onnxruntime-node's run`, gain, wanted))
    const bytes = ours.bytesPerStep ?? Number.NaN
    goals.push({
      aim: 'stream.step() allocates nothing',
      measured: `${bytes.toFixed(1)} bytes`,
      met: bytes < 1,
    })
  }
  if (memory) {
    const share = memory.peak / (memory.arrays + memory.extra)
    const kept = keptArrays[memory.shape.cell]
    goals.push({
      aim: `memory of a step at most 1.5 × its arrays and ${kept === 1 ? 'one' : kept} (T, B, H) more`,
      measured: `${ratio(share)} ×`,
      met: share <= 1.5,
    })
    for (const form of ['vjp', 'tape'] as const) {
      const { growth, flat } = trendOf(memory.resident[form])
      goals.push({
        aim: `no growth over ${memory.steps} steps, ${form}`,
        measured: `${growth.toFixed(1)} MB`,
        met: flat,
      })
    }
    const { plain, checkpointed, milliseconds: time } = memory.checkpoints
    const held = plain.buffers / checkpointed.buffers
    goals.push(atLeast('checkpointEvery: 10 × less held for the backward pass', held, 10))
    const cost = time.checkpointed / time.plain
    goals.push({
      aim: 'checkpointEvery: a step at most 1.45 × as long',
      measured: `${ratio(cost)} ×`,
      met: cost <= 1.45,
    })
  }
  if (start) {
    for (const way of ['import', 'require'] as const) {
      const beyond = start[way] - start.node
      goals.push({
        aim: `${way} in less than 30 ms beyond Node's start`,
        measured: `${milliseconds(beyond)} ms`,
        met: beyond < 30,
      })
    }
    const { ours, torch } = start.construct
    if (torch !== undefined) {
      goals.push(atLeast('made in less time than by PyTorch', torch / ours, 1))
    }
  }
  for (const { threads, ours, torch } of demo) {
    const gain = median(ours) / median(torch)
    goals.push(
      atLeast(`demo, ${threads} thr.: 1.8 × the characters per second of PyTorch`, gain, 1.8),
    )
  }
  for (const { threads, ours, torch } of names) {
    const gain = median(torch) / median(ours)
    goals.push(atLeast(`names, ${threads} thr.: 5 × the epochs of PyTorch`, gain, 5))
  }
  return goals
}
