/**
 * Sequences of different lengths beside a full batch with as many valid steps: by `lengths`, and packed.
 *
 * The lengths of a batch of B go evenly from T/2 to 3T/2, in a shuffled order, so that they sum to T·B: the full batch
 * has T steps and no padding. It is the same arithmetic, in half as many steps more, of which the last are narrow.
 */

import { nn, noGrad, setNumThreads, type Tensor } from '@elman/rnn'
import type { Prepared } from '../contenders/contender'
import { networkOf, tensorOf } from '../contenders/ours'
import { mixed, type Numbers, numbersOf } from '../lib/numbers'
import { type Shape, shape, shapeName, type Task } from '../lib/shape'
import { timed } from '../lib/timed'
import { takeTurns } from '../lib/turns'
import type { LengthsResult } from '../report/results'
import { milliseconds, ratio } from '../report/table'
import type { Bench } from './bench'

const { PackedSequence, packPaddedSequence } = nn.utils.rnn

/** From a small model of words to one that is bound by arithmetic. */
const defaults: readonly Shape[] = [
  shape(50, 16, 32, 64),
  shape(35, 20, 200, 200, 2),
  shape(20, 64, 16, 128),
  shape(100, 32, 128, 256, 2, 2),
  shape(64, 64, 512, 512),
]

export async function runLengths({ options, results, save }: Bench): Promise<void> {
  const shapes = options.shapesGiven ? options.shapes : defaults
  const found: LengthsResult[] = []
  results.lengths = found
  for (const one of options.quick ? shapes.slice(0, 2) : shapes) {
    for (const threads of options.threads) {
      for (const task of ['forward', 'step'] as const) {
        found.push(await measure(one, task, threads, options.seconds))
        console.log(summary(found.at(-1)))
      }
    }
    save()
  }
}

/** Lengths that sum to T·B. */
export function lengthsOf({ T, B }: Shape): number[] {
  const spread = Array.from({ length: B }, (_, b) => Math.round((T * (b + 0.5)) / B + T / 2))
  const rest = T * B - spread.reduce((sum, length) => sum + length, 0)
  spread[B - 1] = (spread[B - 1] ?? 0) + rest
  return spread
    .map((length, b) => [mixed(5, b), length] as const)
    .sort(([a], [b]) => a - b)
    .map(([, length]) => length)
}

async function measure(
  full: Shape,
  task: Task,
  threads: number,
  seconds: number,
): Promise<LengthsResult> {
  setNumThreads(threads)
  const lengths = lengthsOf(full)
  const ragged = { ...full, T: Math.max(...lengths) }
  const [fullNumbers, raggedNumbers] = [numbersOf(full), numbersOf(ragged)]
  const rnn = networkOf(full, fullNumbers, 'float32')
  const leaves = (numbers: Numbers) => ({
    input: tensorOf(numbers.input, 'float32', task === 'step'),
    hx: tensorOf(numbers.hx, 'float32', task === 'step'),
    gradient: tensorOf(numbers.gradient, 'float32'),
  })

  const padded = leaves(fullNumbers)
  const long = leaves(raggedNumbers)
  const packed = leaves(raggedNumbers)
  // The order of the lengths changes from call to call, so that no call finds what is kept of the last one.
  let turn = 0
  const turned = <T>(list: readonly T[]): T => {
    turn = (turn + 1) % list.length
    return list[turn] as T
  }
  const orders = [lengths, lengths.toReversed()]
  const pack = (x: Tensor, order: readonly number[] = lengths) =>
    noGrad(() => packPaddedSequence(x, order, { enforceSorted: false }))
  const rows = pack(packed.input).data
  const rowsGradient = pack(packed.gradient).data
  rows.requiresGrad = task === 'step'
  const packs = orders.map((order) => {
    const { batchSizes, sortedIndices, unsortedIndices } = pack(packed.input, order)
    return new PackedSequence(rows, batchSizes, sortedIndices, unsortedIndices)
  })

  const contenders = [
    prepared(task, [padded.input, padded.hx, ...rnn.parameters()], () => {
      const [output] = rnn.forward(padded.input, padded.hx)
      return [output, padded.gradient]
    }),
    prepared(task, [long.input, long.hx, ...rnn.parameters()], () => {
      const [output] = rnn.forward(long.input, long.hx, { lengths: turned(orders) })
      return [output, long.gradient]
    }),
    prepared(task, [rows, packed.hx, ...rnn.parameters()], () => {
      const [{ data }] = rnn.forward(turned(packs), packed.hx)
      return [data, rowsGradient]
    }),
  ]
  const timings = await takeTurns(contenders, { seconds, turns: 8, repeats: 5 })
  const [inPadded = Number.NaN, inLengths = Number.NaN, inPacked = Number.NaN] = timings.map(
    ({ median }) => median,
  )
  return { shape: full, task, threads, padded: inPadded, lengths: inLengths, packed: inPacked }
}

/** A call on the tape, or without gradients. */
function prepared(
  task: Task,
  leaves: readonly Tensor[],
  forward: () => [output: Tensor, gradient: Tensor],
): Prepared {
  const step = () => {
    for (const leaf of leaves) leaf.grad = null
    const [output, gradient] = forward()
    output.backward(gradient)
  }
  const call = task === 'step' ? step : () => noGrad(forward)
  call()
  return { probe: {}, sample: (calls, samples) => timed(call, calls, samples), dispose() {} }
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
