/**
 * This package on sequences of different lengths, in two forms of a call, `lengths` and `packed`, and for
 * comparison `padded`: a full batch with as many valid steps.
 *
 * The lengths of a batch of B go evenly from T/2 to 3T/2, in a shuffled order, so that they sum to T·B: the full batch
 * has T steps and no padding. It is the same arithmetic, in half as many steps more, of which the last are narrow.
 */

import { type DType, nn, noGrad, setNumThreads, type Tensor } from '@elman/rnn'
import { mixed, numbersOf } from '../lib/numbers'
import type { Shape } from '../lib/shape'
import type { Library, Ready, Work } from './contender'
import { beginOf, libraryOf, networkOf, statesOf, tensorOf } from './ours'

const { PackedSequence, packPaddedSequence } = nn.utils.rnn

/** The forms of a call; the full batch first. */
export const forms = ['padded', 'lengths', 'packed'] as const

export type Form = (typeof forms)[number]

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

/** A call of one form: the output, and the gradient that goes back from it. */
type Call = () => [output: Tensor<DType>, gradient: Tensor<DType>]

/** The form, for batches of T full steps. */
export function open(form: Form): Library {
  return libraryOf((work) => prepare(form, work))
}

function prepare(form: Form, { task, shape: full, dtype, threads }: Work): Ready {
  const lengths = lengthsOf(full)
  const numbers = numbersOf(form === 'padded' ? full : { ...full, T: Math.max(...lengths) })
  const rnn = networkOf(full, numbers, dtype)
  const trains = task === 'step'
  const hx = beginOf(numbers, dtype, trains)
  let input = tensorOf(numbers.input, dtype, trains)
  let gradient = tensorOf(numbers.gradient, dtype)
  let call: Call = () => [rnn.forward(input, hx)[0], gradient]

  // The order of the lengths changes from call to call, so that no call finds what is kept of the last one.
  const orders = [lengths, lengths.toReversed()]
  let turn = 0
  const turned = <T>(list: readonly T[]): T => {
    turn = (turn + 1) % list.length
    return list[turn] as T
  }
  if (form === 'lengths') {
    call = () => [rnn.forward(input, hx, { lengths: turned(orders) })[0], gradient]
  }
  if (form === 'packed') {
    const pack = (x: Tensor<DType>, order: readonly number[]) =>
      noGrad(() => packPaddedSequence(x, order, { enforceSorted: false }))
    const [padded, rows] = [input, pack(input, lengths).data]
    rows.requiresGrad = trains
    const packs = orders.map((order) => {
      const { batchSizes, sortedIndices, unsortedIndices } = pack(padded, order)
      return new PackedSequence(rows, batchSizes, sortedIndices, unsortedIndices)
    })
    input = rows
    gradient = pack(gradient, lengths).data
    call = () => [rnn.forward(turned(packs), hx)[0].data, gradient]
  }

  const leaves = [input, ...statesOf(hx), ...rnn.parameters()]
  const step = () => {
    for (const leaf of leaves) leaf.grad = null
    const [output, above] = call()
    output.backward(above)
  }
  const begin = () => setNumThreads(threads)
  begin()
  const timed = trains ? step : () => noGrad(call)
  timed()
  return { probe: {}, begin, call: timed }
}
