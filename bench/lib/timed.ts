/** Timing within a process. */

/**
 * Times calls in `samples` rows of `calls` calls.
 *
 * @returns for each row the milliseconds of a call
 */
export async function timed(
  call: () => unknown,
  calls: number,
  samples: number,
): Promise<number[]> {
  const times: number[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    const start = performance.now()
    for (let index = 0; index < calls; index += 1) {
      const result = call()
      if (result instanceof Promise) await result
    }
    times.push((performance.now() - start) / calls)
  }
  return times
}
