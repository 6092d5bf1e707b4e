/** One race: all contenders, with each number of threads, on one piece of work. */

import {
  type ContenderName,
  type Field,
  mostThreadsOf,
  type Prepared,
  type Probe,
  Refusal,
  tasksOf,
  titles,
} from '../contenders/contender'
import { sameFingerprint } from './numbers'
import type { PeakMeter } from './peak'
import { type DType, type Shape, shapeName, type Task } from './shape'
import { median } from './statistics'
import { type Effort, type Timing, takeTurns } from './turns'

/** What a contender reached. */
export interface Measurement {
  readonly contender: ContenderName
  readonly task: Task
  readonly shape: Shape
  readonly dtype: DType
  readonly threads: number
  /** milliseconds of a call */
  readonly timing: Timing
  /** billions of float32 operations per second that so many threads could do at the most, in this very race */
  readonly peak: number | undefined
}

/** Work that a contender did not do. */
export interface Skipped {
  readonly contender: ContenderName
  readonly task: Task
  readonly shape: Shape
  readonly threads: number
  readonly reason: string
}

export interface RaceResult {
  readonly measurements: readonly Measurement[]
  readonly skipped: readonly Skipped[]
}

export interface Race {
  readonly field: Field
  readonly task: Task
  readonly shape: Shape
  /** float64 is asked of this package's `vjp` alone */
  readonly dtypes: readonly DType[]
  readonly threads: readonly number[]
  readonly effort: Effort
  readonly meter: PeakMeter | undefined
  /** leaves out contenders whose time can be told beforehand to be too long; gives the reason */
  readonly tooLong?: (contender: ContenderName, threads: number) => string | undefined
}

/** How long the peak is measured in each round. */
const peakMilliseconds = 15

export async function race(options: Race): Promise<RaceResult> {
  const { meter, threads, effort } = options
  const { entries, skipped } = await prepareAll(options)
  const peaks = new Map(threads.map((count) => [count, [] as number[]]))
  const timings = await takeTurns(
    entries.map(({ prepared }) => prepared),
    effort,
    () => {
      for (const [count, values] of peaks) {
        const widest = meter?.measure(count, peakMilliseconds, meter.widest)[0]
        if (widest) values.push(widest.gflops)
      }
    },
  )
  const measurements: Measurement[] = []
  for (const [index, { prepared, ...entry }] of entries.entries()) {
    await prepared.dispose()
    const timing = timings[index]
    const values = peaks.get(entry.threads) ?? []
    const peak = values.length > 0 ? median(values) : undefined
    if (timing) measurements.push({ ...entry, timing, peak })
  }
  return { measurements, skipped }
}

type Entry = Omit<Measurement, 'timing' | 'peak'> & { readonly prepared: Prepared }

async function prepareAll({
  field,
  task,
  shape,
  dtypes,
  threads,
  tooLong,
}: Race): Promise<{ entries: Entry[]; skipped: Skipped[] }> {
  const entries: Entry[] = []
  const skipped: Skipped[] = []
  for (const contender of field.contenders) {
    const { name } = contender
    if (!tasksOf[name].includes(task)) continue
    const most = mostThreadsOf[name] ?? Number.POSITIVE_INFINITY
    const counts = new Set(threads.map((count) => Math.min(count, most)))
    for (const dtype of dtypes) {
      if (dtype === 'float64' && name !== 'ours') continue
      for (const count of counts) {
        const work = { task, shape, dtype, threads: count }
        const reason = tooLong?.(name, count)
        const prepared = reason === undefined ? await contender.prepare(work) : new Refusal(reason)
        if (prepared instanceof Refusal) {
          skipped.push({ contender: name, task, shape, threads: count, reason: prepared.reason })
        } else {
          const [first] = entries
          if (first) compare(first, { contender: name, ...work, prepared })
          entries.push({ contender: name, ...work, prepared })
        }
      }
    }
  }
  return { entries, skipped }
}

/** Stops if two contenders have not computed the same thing: their times would not compare. */
function compare(a: Entry, b: Entry): void {
  const [probe, other]: Probe[] = [a.prepared.probe, b.prepared.probe]
  for (const [name, expected] of Object.entries(probe ?? {})) {
    const got = other?.[name]
    if (got === undefined || sameFingerprint(expected, got)) continue
    throw new Error(
      `${titles[b.contender]} and ${titles[a.contender]} disagree about ${name} at ${shapeName(a.shape)}: ` +
        `${JSON.stringify(got)} and ${JSON.stringify(expected)}`,
    )
  }
}
