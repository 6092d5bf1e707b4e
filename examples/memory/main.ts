/**
 * What a plain RNN forgets, and an LSTM and a GRU remember: the adding problem of Hochreiter and Schmidhuber (1997).
 *
 * A sequence holds random numbers from 0 to 1, and two of them are marked: one in the first half, one in the second. The
 * network reads all of them and then has to say the sum of the marked two. So it has to keep a number over many
 * steps and to leave the others out. To say 1 each time is 0.408 off, in the root mean square.
 *
 * Three networks with the same number of hidden units, the same data and the same optimizer.
 *
 *     npm run example -- memory
 */

import { join } from 'node:path'
import {
  getRngState,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  setRngState,
  type Tensor,
  tensor,
} from '@elman/rnn'
import { exampleOptions } from '../lib/example-options'
import { writeText } from '../lib/files'
import { table } from '../lib/format'
import { lineChart } from '../lib/line-chart'
import { runProgram } from '../lib/program'
import type { SavedRun } from '../lib/saved-run'
import { Training } from '../lib/training'

const steps = 60
const batches = 100
const heldOut = 512

interface Batch {
  /** (T, B, 2): the number, and whether it is marked */
  input: Tensor
  /** (B, 1) */
  sum: Tensor
}

/** Sequences, each with a mark in either half. */
function draw(batch: number): Batch {
  const [numbers, places] = [rand([steps, batch]).data, rand([2, batch]).data]
  const input = new Float32Array(steps * batch * 2)
  for (const [i, value] of numbers.entries()) input[2 * i] = value
  const sum = new Float32Array(batch)
  for (const [i, place] of places.entries()) {
    const [half, row] = [Math.floor(i / batch), i % batch]
    const step = Math.floor(((half + place) * steps) / 2)
    input[2 * (step * batch + row) + 1] = 1
    sum[row] = (sum[row] ?? 0) + (numbers[step * batch + row] ?? 0)
  }
  return {
    input: tensor(input, { shape: [steps, batch, 2] }),
    sum: tensor(sum, { shape: [batch, 1] }),
  }
}

/** A recurrent layer and the number that is read off its last output. */
class Adder extends nn.Module {
  readonly head: nn.Linear

  constructor(readonly layer: nn.RNN | nn.LSTM | nn.GRU) {
    super()
    this.head = new nn.Linear(layer.hiddenSize, 1)
  }

  forward(input: Tensor): Tensor {
    const { layer } = this
    const [output] = layer instanceof nn.LSTM ? layer.forward(input) : layer.forward(input)
    return this.head.forward(output.select(0, -1))
  }
}

const kinds = { 'Elman RNN': nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU }

interface Settings {
  run: SavedRun
  epochs: number
  batch: number
  rate: number
}

const criterion = new nn.MSELoss()

/** Trains a network; the error on the held-out sequences after each epoch. */
async function learn(
  stage: string,
  model: Adder,
  { run, epochs, batch, rate }: Settings,
  test: Batch,
): Promise<[number, number][]> {
  const optimizer = new optim.Adam(model.parameters(), { lr: rate })
  const error = () =>
    Math.sqrt(noGrad(() => criterion.forward(model.forward(test.input), test.sum)).item())
  const training = new Training(run, { model, optimizer }, { errors: [error()] }, { stage })
  const { errors } = training.notes
  for await (const _ of training.epochs(epochs)) {
    for await (const _ of training.steps(batches * batch, batch)) {
      const { input, sum } = draw(batch)
      const loss = criterion.forward(model.forward(input), sum)
      optimizer.zeroGrad()
      loss.backward()
      nn.utils.clipGradNorm_(model.parameters(), 1)
      optimizer.step()
    }
    errors.push(error())
  }
  return errors.map((value, epoch) => [epoch * batches, value])
}

async function main(): Promise<number> {
  const options = exampleOptions(
    'memory',
    'Teaches an Elman network, an LSTM and a GRU to add two numbers that are far apart.',
    { epochs: 16, batch: 64, hidden: 32, rate: 0.01 },
  )
  const test = draw(heldOut)
  const baseline = Math.sqrt(criterion.forward(ones(test.sum.shape), test.sum).item())

  const random = getRngState()
  const series: { name: string; points: [number, number][] }[] = []
  for (const [name, Layer] of Object.entries(kinds)) {
    const model = new Adder(new Layer(2, options.hidden))
    setRngState(random) // the same sequences for each of them
    const points = await learn(name, model, options, test)
    console.log(`${name}: ${options.epochs} × ${batches} batches of ${options.batch} sequences`)
    series.push({ name, points })
  }

  console.log(
    `\nThe sum of two of ${steps} numbers, root mean squared error on ${heldOut} other sequences:\n`,
  )
  const errors = series.map(({ name, points }) => [name, (points.at(-1)?.[1] ?? 0).toFixed(3)])
  console.log(table([['always 1', baseline.toFixed(3)], ...errors]))

  const end = options.epochs * batches
  const chart = lineChart({
    title: `Adding two of ${steps} numbers`,
    subtitle: `${options.hidden} hidden units each: the error on sequences that were not learned from`,
    xLabel: `batches of ${options.batch} sequences`,
    yLabel: 'root mean squared error',
    yMost: 0.6, // an untrained network guesses worse than that
    series: [
      ...series,
      {
        name: 'always 1',
        points: [
          [0, baseline],
          [end, baseline],
        ],
        dashed: true,
      },
    ],
  })
  writeText(join(options.output, 'curves.svg'), chart)
  console.log(`\nWritten to ${options.output}: curves.svg, and the three models`)
  return 0
}

runProgram(main)
