/** The grid: forward passes and training steps of networks of all sizes, everyone in turns. */

import { contenderNames, titles } from '../contenders/contender'
import { type Measurement, race } from '../lib/race'
import { operations, type Shape, shapeName, type Task } from '../lib/shape'
import { milliseconds } from '../report/table'
import type { Bench } from './bench'

/** float64 is measured where arithmetic, not overhead, takes the time: from so many operations on. */
const largeOperations = 4e9

export async function runGrid({ options, field, meter, results, save }: Bench): Promise<void> {
  const { shapes, threads, seconds } = options
  for (const shape of shapes) {
    for (const task of ['step', 'forward'] as const) {
      const isLarge = operations(shape, 'step') >= largeOperations
      const { measurements, skipped } = await race({
        ...{ field, task, shape, threads, meter },
        dtypes: isLarge ? ['float32', 'float64'] : ['float32'],
        effort: { seconds, turns: 8, repeats: 5 },
      })
      results.grid.push(...measurements)
      results.skipped.push(...skipped)
      console.log(summary(shape, task, measurements))
      save()
    }
  }
}

/** One line: everyone's milliseconds with each number of threads. */
function summary(shape: Shape, task: Task, measurements: readonly Measurement[]): string {
  const parts = contenderNames.flatMap((name) => {
    const times = measurements
      .filter(({ contender, dtype }) => contender === name && dtype === 'float32')
      .map(({ timing }) => milliseconds(timing.median))
    return times.length > 0 ? [`${titles[name]} ${times.join(' / ')}`] : []
  })
  return `${shapeName(shape)} ${task}: ${parts.join(', ')}`
}
