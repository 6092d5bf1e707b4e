/**
 * An Elman network small enough to be computed in the head: two inputs, two hidden units, two outputs, all
 * weights 1, no bias, relu.
 *
 *     h_t = relu(W_ih x_t + W_hh h_{t-1}),   h_0 = 0
 *     y_t = W_hy h_t
 *
 * The program computes it four times: by hand; by hand with the two matrices joined into one,
 * h_t = relu(W [h_{t-1}; x_t]) with W = [W_hh W_ih] of shape (H, H + I); by `nn.RNNCell`, a step at a time;
 * and by `nn.RNN`, all steps in one call. Then it reads the same inputs in other orders: since the network
 * remembers, it answers something else.
 *
 *     npm run example -- worked-example
 */

import { join } from 'node:path'
import { nn, noGrad, stack, type Tensor, tensor, zeros } from '@elman/rnn'
import { exampleOutput } from '../lib/example-options'
import { writeText } from '../lib/files'
import { table } from '../lib/format'
import { runProgram } from '../lib/program'
import { unrolled } from '../lib/unrolled'

type Vector = readonly number[]
type Matrix = readonly Vector[]

const W_ih: Matrix = [
  [1, 1],
  [1, 1],
] // (H, I)
const W_hh: Matrix = [
  [1, 1],
  [1, 1],
] // (H, H)
const W_hy: Matrix = [
  [1, 1],
  [1, 1],
] // (O, H)
const W: Matrix = W_hh.map((row, i) => [...row, ...(W_ih[i] ?? [])]) // (H, H + I)

const times = (matrix: Matrix, vector: Vector): Vector =>
  matrix.map((row) => row.reduce((sum, weight, j) => sum + weight * (vector[j] ?? 0), 0))
const plus = (a: Vector, b: Vector): Vector => a.map((value, i) => value + (b[i] ?? 0))
const relu = (vector: Vector): Vector => vector.map((value) => Math.max(0, value))
const written = (vector: Vector): string => `[${vector.join(', ')}]`

/** The network by hand: every number of every step. */
function byHand(inputs: Matrix) {
  let h: Vector = [0, 0]
  return inputs.map((x) => {
    const [fromInput, fromMemory] = [times(W_ih, x), times(W_hh, h)]
    h = relu(plus(fromInput, fromMemory))
    return { x, fromInput, fromMemory, h, y: times(W_hy, h) }
  })
}

/** The same with one matrix: the memory and the input stand in one vector. */
function joined(inputs: Matrix): Matrix {
  let h: Vector = [0, 0]
  return inputs.map((x) => {
    h = relu(times(W, [...h, ...x]))
    return times(W_hy, h)
  })
}

/** A module all of whose weights are 1. */
function withOnes<M extends nn.Module>(module: M): M {
  for (const weight of module.parameters()) weight.data.fill(1)
  return module
}

const head = withOnes(new nn.Linear(2, 2, { bias: false }))
const outputs = (states: Tensor) => noGrad(() => head.forward(states).toArray())

/** The same with the cell: the loop over the steps is ours. */
function byCell(inputs: Matrix): Matrix {
  const cell = withOnes(new nn.RNNCell(2, 2, { bias: false, nonlinearity: 'relu' }))
  let h = zeros([2])
  return outputs(stack(inputs.map((x) => (h = cell.forward(tensor(x), h)))))
}

/** The same with the module, which does the loop itself: (T, I) in, (T, H) out. */
function byModule(inputs: Matrix): Matrix {
  const rnn = withOnes(new nn.RNN(2, 2, { bias: false, nonlinearity: 'relu' }))
  return outputs(rnn.forward(tensor(inputs))[0])
}

async function main(): Promise<number> {
  const output = exampleOutput('worked-example', 'A network small enough to check by hand.')
  const [one, two] = [
    [1, 1],
    [2, 2],
  ]
  const inputs = [one, one, two]

  const steps = byHand(inputs)
  const rows = steps.map((step, t) => [String(t + 1), ...Object.values(step).map(written)])
  console.log(table([['t', 'x', 'W_ih x', 'W_hh h', 'h', 'y'], ...rows]))

  console.log('\nThe outputs y, computed in other ways:\n')
  const ways = {
    'by hand': steps.map(({ y }) => y),
    'one matrix W': joined(inputs),
    'nn.RNNCell': byCell(inputs),
    'nn.RNN': byModule(inputs),
  }
  console.log(table(Object.entries(ways).map(([way, y]) => [way, ...y.map(written)])))
  const expected = written(ways['by hand'].flat())
  if (Object.values(ways).some((y) => written(y.flat()) !== expected))
    throw new Error('they differ')

  console.log('\nThe same inputs in another order give other outputs:\n')
  const orders = [inputs, [one, two, one], [two, one, one]]
  const answers = orders.map((order) => [
    order.map(written).join(' '),
    '→',
    ...byModule(order).map(written),
  ])
  console.log(table(answers))

  const passes = orders.map((order) => ({
    title: `inputs ${order.map(written).join(', ')}`,
    steps: byHand(order).map(({ x, h, y }) => ({ x: written(x), h: written(h), y: written(y) })),
  }))
  const subtitle = 'all weights 1, relu: the order of the inputs matters'
  const picture = unrolled('Three steps of an Elman network', subtitle, passes)
  writeText(join(output, 'steps.svg'), picture)
  console.log(`\nWritten to ${output}: steps.svg`)
  return 0
}

runProgram(main)
