/** How the cost grows when T, B or H alone doubles from 16 to 4096. */

import { type ContenderName, titles } from '../contenders/contender'
import { race } from '../lib/race'
import { type Shape, shape, shapeName, type Task, withCell } from '../lib/shape'
import type { GrowthPoint } from '../report/results'
import { milliseconds } from '../report/table'
import type { Bench } from './bench'

/** The sizes that stay when another grows: a small training job, where no cost hides the others. */
const base: Shape = shape(64, 32, 64, 128)

/** What doubling a size does to the time at most, as a factor. */
const growthOf = { T: 2, B: 2, H: 4 } as const

/** A contender that takes longer than so many seconds drops out. */
const patience = 3

export async function runGrowth({ options, field, results, save }: Bench): Promise<void> {
  const most = options.quick ? 256 : 4096
  const sizes = Array.from({ length: 9 }, (_, index) => 16 << index).filter((size) => size <= most)
  const threads = Math.max(...options.threads)
  const contenders = field.contenders.filter(({ name }) => name !== 'tape')
  for (const axis of ['T', 'B', 'H'] as const) {
    for (const task of ['step', 'forward'] as const) {
      /** seconds that the next size takes at most */
      const expected = new Map<ContenderName, number>()
      for (const size of sizes) {
        const grown = withCell({ ...base, [axis]: size }, options.cell)
        const { measurements } = await race({
          ...{ field: { ...field, contenders }, task, shape: grown, meter: undefined },
          dtypes: ['float32'],
          threads: [threads],
          effort: { seconds: options.seconds / 8, turns: 4, repeats: 3 },
          tooLong: (name) =>
            (expected.get(name) ?? 0) > patience ? `longer than ${patience} s` : undefined,
        })
        for (const { name } of contenders) {
          const found = measurements.find(({ contender }) => contender === name)
          const seconds = found ? found.timing.lowerQuartile / 1000 : Number.POSITIVE_INFINITY
          expected.set(name, seconds * growthOf[axis])
        }
        const points = measurements.map((one): GrowthPoint => ({ ...one, axis, size }))
        results.growth.push(...points)
        console.log(summary(grown, task, points))
      }
      save()
    }
  }
}

function summary(shape: Shape, task: Task, points: readonly GrowthPoint[]): string {
  const times = points.map(
    ({ contender, timing }) => `${titles[contender]} ${milliseconds(timing.median)}`,
  )
  return `${shapeName(shape)} ${task}: ${times.join(', ')}`
}
