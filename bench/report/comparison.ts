/** A shape of the grid as the tables and charts see it: ours against the peers. */

import { type ContenderName, mostThreadsOf } from '../contenders/contender'
import type { Measurement } from '../lib/race'
import { operations, type Shape, type Task } from '../lib/shape'
import { geometricMean } from '../lib/statistics'
import { timeOf } from './results'

/** Whom a task is measured against; tfjs, which is far behind, is told apart. */
export const rivals: Record<Task, readonly ContenderName[]> = {
  step: ['torch', 'jax'],
  forward: ['torch', 'jax', 'ort'],
}

export interface Comparison {
  readonly shape: Shape
  /** milliseconds of everyone who was measured */
  readonly times: ReadonlyMap<ContenderName, number>
  /** how many times as long as ours the fastest rival, PyTorch and tfjs take */
  readonly best: number | undefined
  readonly torch: number | undefined
  readonly tfjs: number | undefined
  /** share of the peak, ours and the fastest rival's */
  readonly share: number | undefined
  readonly rivalShare: number | undefined
}

/** One comparison for each shape that was measured. */
export function compareAll(
  grid: readonly Measurement[],
  task: Task,
  threads: number,
): Comparison[] {
  const measured = grid.filter((one) => one.task === task && one.dtype === 'float32')
  const shapes = [...new Set(measured.map(({ shape }) => shape))]
  return shapes.map((shape) => compare(measured, shape, task, threads))
}

function compare(
  measured: readonly Measurement[],
  shape: Shape,
  task: Task,
  threads: number,
): Comparison {
  const times = new Map<ContenderName, number>()
  for (const name of new Set(measured.map(({ contender }) => contender))) {
    const count = Math.min(threads, mostThreadsOf[name] ?? threads)
    const time = timeOf(measured, name, { task, shape, threads: count })
    if (time !== undefined) times.set(name, time)
  }
  const ours = times.get('ours') ?? Number.NaN
  const fastest = Math.min(...rivals[task].flatMap((name) => times.get(name) ?? []))
  const over = (time: number | undefined) =>
    time === undefined || !Number.isFinite(time / ours) ? undefined : time / ours

  const peak = measured.find((one) => one.shape === shape && one.threads === threads)?.peak
  const shareOf = (time: number) =>
    peak === undefined || !Number.isFinite(time)
      ? undefined
      : operations(shape, task) / (time * 1e6) / peak
  return {
    shape,
    times,
    best: over(fastest),
    torch: over(times.get('torch')),
    tfjs: over(times.get('tfjs')),
    share: shareOf(ours),
    rivalShare: shareOf(fastest),
  }
}

/** The geometric mean of what is there; nothing of nothing. */
export function meanOf(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined)
  return there.length > 0 ? geometricMean(there) : undefined
}
