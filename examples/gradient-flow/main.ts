/**
 * How far a gradient reaches back: the size of ∂h_t/∂h_{t-k} over k, in four networks of one hidden layer.
 *
 * Row i of this matrix is the gradient of h_t[i] with respect to h_{t-k}. So `rnn.vjp` gives the whole matrix in
 * one call: the last k steps of one sequence H times over as a batch, with the identity as the gradient of hN.
 * Its size is taken as ‖∂h_t/∂h_{t-k}‖ / √H, by which it stretches a gradient in the root of the mean square.
 *
 * Then: what clipping makes of a gradient, and what is lost of it when it is cut off after k steps.
 *
 *     npm run example -- gradient-flow
 */

import { join } from 'node:path'
import { cat, manualSeed, nn, noGrad, optim, rand, type Tensor, tensor } from '@elman/rnn'
import { writeText } from '../lib/files'
import { percent, table } from '../lib/format'
import { lineChart } from '../lib/line-chart'
import { exampleOptions, runProgram } from '../lib/program'

const [H, memory, reach] = [32, 20, 50]
const dtype = 'float64'

/** Reads numbers, (T, B, 1), and says what the first of them was, (B, 1). */
class Recall extends nn.Module<'float64'> {
  readonly rnn: nn.RNN<'float64'>
  readonly head = new nn.Linear(H, 1, { dtype })

  constructor(nonlinearity: 'tanh' | 'relu' = 'tanh') {
    super()
    this.rnn = new nn.RNN(1, H, { nonlinearity, dtype })
  }

  /** The loss of some sequences; backward() goes back through the last `steps` steps only. */
  loss(numbers: Tensor<'float64'>, steps = numbers.shape[0] ?? 0): Tensor<'float64'> {
    const cut = (numbers.shape[0] ?? 0) - steps
    const state = cut > 0 ? noGrad(() => this.rnn.forward(numbers.narrow(0, 0, cut))[1]) : null
    const [, hN] = this.rnn.forward(numbers.narrow(0, cut, steps), state)
    return new nn.MSELoss().forward(this.head.forward(hN.select(0, 0)), numbers.select(0, 0))
  }
}

/** Learns with sequences that grow: from the start, nothing would come back over 20 steps to learn from. */
function learn(model: Recall, epochs: number): void {
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.003 })
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const steps = Math.min(epoch + 1, memory)
    let total = 0
    for (let batch = 0; batch < 80; batch++) {
      const loss = model.loss(rand([steps, 64, 1], { dtype }))
      optimizer.zeroGrad()
      loss.backward()
      nn.utils.clipGradNorm_(model.parameters(), 1)
      optimizer.step()
      total += loss.item() / 80
    }
    if (epoch % 6 === 0) {
      const error = Math.sqrt(total).toFixed(3)
      console.log(`Epoch ${epoch}/${epochs}: the first of ${steps} numbers, to within ${error}`)
    }
  }
}

/** The size of ∂h_t/∂h_{t-k}, t being the last step of a sequence (T, 1, 1). */
function stretch(rnn: nn.RNN<'float64'>, sequence: Tensor<'float64'>, k: number): number {
  const before = (sequence.shape[0] ?? 0) - k
  const [, state] = noGrad(() => rnn.forward(sequence.narrow(0, 0, before)))
  const repeated = (one: Tensor<'float64'>) => cat(Array<Tensor<'float64'>>(H).fill(one), 1) // (…, 1, …) → (…, H, …)
  const { pullback } = rnn.vjp(repeated(sequence.narrow(0, before, k)), repeated(state))
  const identity = Array.from({ length: H }, (_, i) =>
    Array.from({ length: H }, (_, j) => +(i === j)),
  )
  const { hx } = pullback(null, tensor([identity], { dtype }))
  return norm([...hx.data]) / Math.sqrt(H)
}

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
const norm = (a: number[]) => Math.sqrt(dot(a, a))
const distance = (a: number[], b: number[]) => norm(a.map((value, i) => value - (b[i] ?? 0)))
const geometricMean = (values: number[]) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)

/** The gradients of all parameters as one vector: of the loss of the last steps, and perhaps clipped. */
function gradient(
  model: Recall,
  numbers: Tensor<'float64'>,
  steps = memory,
  clip = (_: Tensor<'float64'>[]) => {},
) {
  model.zeroGrad()
  model.loss(numbers, steps).backward()
  clip(model.parameters())
  return model.parameters().flatMap(({ grad }) => [...(grad?.data ?? [])])
}

/** A network that has learned nothing; all of them come from the same random numbers. */
function untrained(nonlinearity: 'tanh' | 'relu', weight = (value: number, _: number) => value) {
  manualSeed(0)
  const model = new Recall(nonlinearity)
  const weights = model.rnn.parameters()[1]?.data
  weights?.set(weights.map(weight))
  return model
}

async function main(): Promise<number> {
  const { output, epochs } = exampleOptions(
    'gradient-flow',
    'Measures how far gradients reach back in time.',
    { epochs: 24 },
  )
  const models = {
    untrained: untrained('tanh'),
    trained: untrained('tanh'),
    'relu, W_hh = identity': untrained('relu', (_, place) => Number(place % (H + 1) === 0)),
    'relu, W_hh × 2.5': untrained('relu', (value) => 2.5 * value),
  }
  learn(models.trained, epochs)
  manualSeed(1)

  const sequences = Array.from({ length: 8 }, () => rand([2 * reach, 1, 1], { dtype }))
  const curves = Object.entries(models).map(([name, { rnn }]) => ({
    name,
    points: Array.from({ length: reach }, (_, i): [number, number] => [
      i + 1,
      geometricMean(sequences.map((sequence) => stretch(rnn, sequence, i + 1))),
    ]),
  }))
  console.log('\nThe size of ∂h_t/∂h_{t-k}:\n')
  const some = [1, 5, 10, 20, 50]
  const sizes = curves.map(({ name, points }) => [
    name,
    ...some.map((k) => points[k - 1]?.[1].toExponential(1) ?? ''),
  ])
  console.log(table([['k =', ...some.map(String)], ...sizes]))

  const numbers = rand([memory, 64, 1], { dtype })
  const clips = {
    'clipGradNorm_(…, 1)': (of: Tensor<'float64'>[]) => void nn.utils.clipGradNorm_(of, 1),
    'clipGradValue_(…, 0.1)': (of: Tensor<'float64'>[]) => nn.utils.clipGradValue_(of, 0.1),
  }
  console.log(`\nThe length of a gradient over ${memory} steps, and what clipping makes of it:\n`)
  const clipped = Object.entries(models).flatMap(([name, model]) => {
    const whole = gradient(model, numbers)
    return Object.entries(clips).map(([how, clip]) => {
      const less = gradient(model, numbers, memory, clip)
      const cosine = dot(less, whole) / (norm(less) * norm(whole))
      return [name, norm(whole).toFixed(3), how, norm(less).toFixed(3), cosine.toFixed(3)]
    })
  })
  console.log(table([['', 'length', 'clipped by', 'length', 'cosine of the angle'], ...clipped]))

  console.log('\nThe part of it that is missing if it is cut off after k steps:\n')
  const cuts = [1, 2, 5, 10, 15, memory]
  const missing = Object.entries(models).map(([name, model]) => {
    const whole = gradient(model, numbers)
    const lost = cuts.map((k) => distance(gradient(model, numbers, k), whole) / norm(whole))
    return [name, ...lost.map(percent)]
  })
  console.log(table([['k =', ...cuts.map(String)], ...missing]))

  const chart = lineChart({
    title: 'How far a gradient reaches back',
    subtitle: `networks of ${H} units: the size of ∂h_t/∂h_(t-k), mean of ${sequences.length} sequences`,
    xLabel: 'k, steps back in time',
    yLabel: '‖∂h_t/∂h_(t-k)‖ / √H',
    yLog: true,
    series: curves,
  })
  writeText(join(output, 'gradients.svg'), chart)
  console.log(`\nWritten to ${output}: gradients.svg`)
  return 0
}

runProgram(main)
