/** Going through data in random order, a batch at a time, while the user sees how far it is. */

import { setImmediate } from 'node:timers/promises'
import { rand } from '@elman/rnn'
import { thousands } from './format'
import { Interrupt } from './interrupt'
import { Progress } from './progress'

/** How much time may pass between two turns of the event loop. */
const turnMilliseconds = 20

/** The numbers from 0 to `count` - 1 in random order. */
export function shuffled(count: number): number[] {
  const keys = rand([count], { dtype: 'float64' }).data
  return Array.from(keys, (_, index) => index).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0))
}

/**
 * One epoch: the numbers of all examples in a new random order, in batches. Between two batches the event
 * loop turns, as often as an eye can follow, so that the progress bar is drawn; Ctrl-C ends the program.
 *
 * @param label stands before the progress bar
 * @param count how many examples there are
 * @param size examples of a batch; the last one may be smaller
 */
export async function* batches(
  label: string,
  count: number,
  size: number,
): AsyncGenerator<number[]> {
  const order = shuffled(count)
  const progress = new Progress(label, count)
  const interrupt = new Interrupt(() => progress.stop())
  const start = performance.now()
  let turned = start
  try {
    for (let done = 0; done < count; done += size) {
      yield order.slice(done, done + size)
      const now = performance.now()
      if (now - turned < turnMilliseconds) continue
      turned = now
      const seconds = (now - start) / 1000
      progress.update(done, `${thousands((done + size) / seconds)} examples/s`)
      await setImmediate()
      if (interrupt.exitCode !== undefined) {
        progress.stop()
        process.exit(interrupt.exitCode)
      }
    }
  } finally {
    progress.stop()
    interrupt.close()
  }
}
