/** What the package wants to reach, held against what a run has measured. */

import { trendOf } from '../lib/flat'
import type { Measurement } from '../lib/race'
import { type Shape, shapeName, type Task } from '../lib/shape'
import { median } from '../lib/statistics'
import { type Comparison, compareAll, meanOf } from './comparison'
import { type Results, timeOf } from './results'
import { milliseconds, percent, ratio, type Table } from './table'

interface Goal {
  readonly aim: string
  readonly measured: string
  readonly met: boolean
}

/** The aims of everything that was measured. */
export function goalTable(results: Results): Table {
  const { grid } = results
  const threads = [...new Set(grid.map((one) => one.threads))]
  const goals = [
    ...threads.flatMap((count) => [
      ...raceGoals(compareAll(grid, 'step', count), 'step', count),
      ...raceGoals(compareAll(grid, 'forward', count), 'forward', count),
      ...peakGoals(results, count),
    ]),
    ...threadGoals(grid, threads),
    ...float64Goals(grid),
    ...lengthsGoals(results),
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

/** A rival above 72 % of the peak leaves no room for 1.2 times its speed: then 88 % of the peak is the aim. */
function isFastEnough({ best = Number.NaN, share, rivalShare }: Comparison): boolean {
  if (best >= 1.2) return true
  return rivalShare !== undefined && rivalShare > 0.72 && share !== undefined && share >= 0.88
}

function raceGoals(rows: readonly Comparison[], task: Task, threads: number): Goal[] {
  const name = `${task}, ${threads} thr.:`
  const raced = rows.filter(({ best }) => best !== undefined)
  const goals: Goal[] = []
  const mean = meanOf(raced.map(({ best }) => best))
  if (mean !== undefined) {
    const slow = raced.filter((row) => !isFastEnough(row))
    goals.push({
      aim: `${name} every shape 1.2 × the fastest peer, or 88 % of peak where it has 72 %`,
      measured:
        slow.length === 0
          ? `all ${raced.length}`
          : `not ${slow.map(({ shape, best }) => `${shapeName(shape)} ${ratio(best)}`).join(', ')}`,
      met: slow.length === 0,
    })
    goals.push(atLeast(`${name} 2 × the fastest peer in the geometric mean`, mean, 2))
  }
  if (task === 'forward') return goals
  const torch = meanOf(raced.map((row) => row.torch))
  if (torch !== undefined)
    goals.push(atLeast(`${name} 6 × PyTorch in the geometric mean`, torch, 6))
  const tfjs = least(rows, (row) => row.tfjs)
  if (tfjs) goals.push(atLeast(`${name} 30 × tfjs on every shape`, tfjs.value, 30, tfjs.shape))
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

function peakGoals({ grid, machine }: Results, threads: number): Goal[] {
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

function otherGoals({ stream = [], memory, start, demo = [], names = [] }: Results): Goal[] {
  const goals: Goal[] = []
  const rate = (name: string) => stream.find((one) => one.name.startsWith(name))
  const [ours, ort] = [rate('stream.step'), rate('onnxruntime')]
  if (ours && ort) {
    const gain = ort.microseconds / ours.microseconds
    goals.push(atLeast("stream.step() 25 × onnxruntime-node's run", gain, 25))
    const bytes = ours.bytesPerStep ?? Number.NaN
    goals.push({
      aim: 'stream.step() allocates nothing',
      measured: `${bytes.toFixed(1)} bytes`,
      met: bytes < 1,
    })
  }
  if (memory) {
    const share = memory.peak / (memory.arrays + memory.extra)
    goals.push({
      aim: 'memory of a step at most 1.5 × its arrays and one (T, B, H) more',
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
