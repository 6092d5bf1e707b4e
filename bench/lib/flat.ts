/**
 * Whether a process's memory stays where it is while it does the same thing over and over.
 *
 * Resident memory is read after equal stretches of the work, the garbage collected each time, and drawn as a line over
 * the work. Two things are not a leak, and one is:
 *
 * - The beginning. Code is compiled, V8 lets its heap grow to the size that suits the program, the allocator takes
 *   what it will use again and again. This ends; so before the first reading the work is done once, all of it.
 * - Noise. V8 and the allocator take and give back pieces of a megabyte as they please, so that readings differ and
 *   the last may be the largest. A single reading, or the difference of two, says little.
 * - A trend. What is kept of each step adds up in proportion to the steps. It shows as a slope over all readings:
 *   the median of the slopes between any two of them (Theil and Sen), which a jump of one reading, or of a quarter of
 *   them, does not move.
 *
 * Memory is flat if that slope, from the first reading to the last, comes to at most {@link TOLERANCE} of what is
 * resident. At 90 MB and 10 000 steps this is 180 bytes a step: less than any array of a step that the benchmark and the
 * tests run, so a single one that is kept each time is found.
 */

import { setImmediate } from 'node:timers/promises'
import { median } from './statistics'

/**
 * What Node is told. V8's young generation is small, and has its final size from the start. By default it grows to 16 MB
 * three times over, in jumps somewhere within some ten thousand steps, and what its garbage holds outside of the heap
 * makes readings differ by several megabytes; neither has to do with what is kept.
 */
export const flatFlags: readonly string[] = [
  '--expose-gc',
  '--min-semi-space-size=2',
  '--max-semi-space-size=2',
]

/**
 * What the environment adds. Each thread that allocates may get an arena of glibc's allocator, up to eight for each
 * processor; a new one, some two megabytes that stay, comes when threads happen to meet, and with other work on the
 * machine that may be after any number of steps.
 */
export const flatEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '2' }

/** Stretches of equal work between readings. */
export const STRETCHES = 10

/** What the trend may add from the first reading to the last, as a part of what is resident. */
export const TOLERANCE = 0.02

/** Reads the resident memory, in bytes, when what is garbage is gone. Node must run with `--expose-gc`. */
export async function residentNow(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('this needs node --expose-gc')
  globalThis.gc()
  await setImmediate() // Node frees what is native of collected objects in a turn of the event loop
  globalThis.gc() // waits for what the first one frees in the background
  return process.memoryUsage().rss
}

/**
 * Does something `times` times, after as many times as a warm-up.
 *
 * @returns bytes that are resident, {@link STRETCHES} + 1 readings
 */
export async function residentOver(
  times: number,
  action: () => void | Promise<void>,
): Promise<number[]> {
  const repeat = async (count: number): Promise<number> => {
    for (let time = 0; time < count; time += 1) {
      const done = action()
      if (done !== undefined) await done
    }
    return residentNow()
  }
  const resident = [await repeat(times)]
  for (let stretch = 0; stretch < STRETCHES; stretch += 1) {
    resident.push(await repeat(times / STRETCHES))
  }
  return resident
}

/** What readings come to. */
export interface Trend {
  /** what the trend adds from the first reading to the last, in their unit */
  readonly growth: number
  /** the most that would still be flat */
  readonly limit: number
  readonly flat: boolean
}

/** The trend of readings at equal distances; see the head of this file. */
export function trendOf(resident: readonly number[]): Trend {
  const slopes = resident.flatMap((later, j) =>
    resident.slice(0, j).map((earlier, i) => (later - earlier) / (j - i)),
  )
  const growth = median(slopes) * (resident.length - 1)
  const limit = TOLERANCE * median(resident)
  return { growth, limit, flat: growth <= limit }
}
