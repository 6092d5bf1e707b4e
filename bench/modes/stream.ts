/** One time step at a time, as in a program that answers while the sequence is still coming in. */

import { type ContenderName, type Prepared, Refusal } from '../contenders/contender'
import { networkOf } from '../contenders/ours'
import { numbersOf } from '../lib/numbers'
import { shape, withCell } from '../lib/shape'
import { timed } from '../lib/timed'
import { takeTurns } from '../lib/turns'
import type { StepRate } from '../report/results'
import type { Bench } from './bench'

/** A cell with one sequence. */
const single = shape(1, 1, 64, 64)

/** What does the same with a whole call for each step. */
const others: Partial<Record<ContenderName, string>> = {
  ours: 'forward() of one step',
  ort: 'onnxruntime-node run',
}

interface Entry {
  readonly name: string
  readonly prepared: Prepared
  readonly bytesPerStep?: number
}

export async function runStream({ options, field, results }: Bench): Promise<void> {
  const one = withCell(single, options.cell)
  const numbers = numbersOf(one)
  const stream = networkOf(one, numbers, 'float32').stream()
  const input = Float32Array.from(numbers.input.values)
  const step = () => {
    stream.input.set(input)
    stream.step()
  }
  const ours: Prepared = {
    probe: {},
    sample: (calls, samples) => timed(step, calls, samples),
    dispose() {},
  }
  const entries: Entry[] = [{ name: 'stream.step()', prepared: ours, bytesPerStep: bytesOf(step) }]
  for (const contender of field.contenders) {
    const name = others[contender.name]
    if (name === undefined) continue
    const work = { task: 'forward', shape: one, dtype: 'float32', threads: 1 } as const
    const prepared = await contender.prepare(work)
    if (!(prepared instanceof Refusal)) entries.push({ name, prepared })
  }

  const effort = { seconds: options.seconds, turns: 8, repeats: 5 }
  const timings = await takeTurns(
    entries.map(({ prepared }) => prepared),
    effort,
  )
  results.stream = entries.map(({ name, bytesPerStep }, index): StepRate => {
    const microseconds = 1000 * (timings[index]?.median ?? Number.NaN)
    return { name, microseconds, ...(bytesPerStep === undefined ? {} : { bytesPerStep }) }
  })
  for (const { prepared } of entries) await prepared.dispose()
}

/** Bytes of JavaScript memory that a call takes, over so many calls that even one of a few bytes would show. */
function bytesOf(call: () => void): number {
  const calls = 100_000
  for (let index = 0; index < calls; index += 1) call()
  const used = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = used()
  for (let index = 0; index < calls; index += 1) call()
  return Math.max(0, used() - before) / calls
}
