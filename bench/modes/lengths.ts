/** Sequences of different lengths, compared with a full batch of as many valid steps: by `lengths`, and packed. */

import { type Contender, type Prepared, Refusal, type Settings } from '../contenders/contender'
import { openProcess } from '../contenders/index'
import { forms } from '../contenders/ragged'
import { type Shape, shape, shapeName, type Task, withCell } from '../lib/shape'
import { takeTurns } from '../lib/turns'
import type { LengthsResult } from '../report/results'
import { milliseconds, ratio } from '../report/table'
import type { Bench } from './bench'

/** From a small model of words to one that is bound by arithmetic. */
const defaults: readonly Shape[] = [
  shape(50, 16, 32, 64),
  shape(35, 20, 200, 200, 2),
  shape(20, 64, 16, 128),
  shape(100, 32, 128, 256, 2, 2),
  shape(64, 64, 512, 512),
]

type Form = Omit<Contender, 'name'>

export async function runLengths({ options, results, save }: Bench): Promise<void> {
  const shapes = options.shapesGiven
    ? options.shapes
    : defaults.map((one) => withCell(one, options.cell))
  const found: LengthsResult[] = []
  results.lengths = found
  const opened: Form[] = []
  try {
    for (const form of forms) opened.push(await open(form, options))
    for (const one of options.quick ? shapes.slice(0, 2) : shapes) {
      for (const threads of options.threads) {
        for (const task of ['forward', 'step'] as const) {
          found.push(await measure(opened, one, task, threads, options.seconds))
          console.log(summary(found.at(-1)))
        }
      }
      save()
    }
  } finally {
    for (const form of opened) form.close()
  }
}

/** A form in a process of its own, so that none computes in another's garbage. */
async function open(form: string, { python, patience }: Settings): Promise<Form> {
  const opened = await openProcess(form, { python, patience })
  if (opened instanceof Refusal) throw new Error(`${form}: ${opened.reason}`)
  return opened
}

async function measure(
  opened: readonly Form[],
  full: Shape,
  task: Task,
  threads: number,
  seconds: number,
): Promise<LengthsResult> {
  const prepared: Prepared[] = []
  for (const form of opened) {
    const ready = await form.prepare({ task, shape: full, dtype: 'float32', threads })
    if (ready instanceof Refusal) throw new Error(ready.reason)
    prepared.push(ready)
  }
  const timings = await takeTurns(prepared, { seconds, turns: 8, repeats: 5 })
  for (const { dispose } of prepared) await dispose()
  const [padded = Number.NaN, lengths = Number.NaN, packed = Number.NaN] = timings.map(
    ({ median }) => median,
  )
  return { shape: full, task, threads, padded, lengths, packed }
}

function summary(result: LengthsResult | undefined): string {
  if (result === undefined) return ''
  const { shape, task, threads, padded, lengths, packed } = result
  const parts = [
    `padded ${milliseconds(padded)}`,
    `lengths ${milliseconds(lengths)} (${ratio(lengths / padded)} ×)`,
    `packed ${milliseconds(packed)} (${ratio(packed / padded)} ×)`,
  ]
  return `${shapeName(shape)} ${task}, ${threads} thr.: ${parts.join(', ')}`
}
