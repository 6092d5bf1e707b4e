/**
 * What goes into the next step: Elman's hidden state, or Jordan's output?
 *
 * The task is an echo. At every step a random bit comes in, and the network says which bit came in three
 * steps ago. So it has to hold three bits, of which its right answer shows only the oldest:
 *
 *     Elman    h_t = tanh(W_ih x_t + W_hh h_{t-1}),  y_t = σ(W_hy h_t)      holds as much as h has room for
 *     Jordan   h_t = tanh(W_ih x_t + W_yh y_{t-1}),  y_t = σ(W_hy h_t)      holds what its answer shows
 *
 * The Jordan network learns twice: from its own answers, back through time, and with a teacher, which feeds
 * the right answers back; then all steps are computed at once, and no gradient goes through time.
 *
 *     npm run example -- jordan
 */

import { join } from 'node:path'
import { nn, noGrad, optim, rand, type Tensor, tensor } from '@elman/rnn'
import { exampleOptions } from '../lib/example-options'
import { writeText } from '../lib/files'
import { table } from '../lib/format'
import { lineChart } from '../lib/line-chart'
import { runProgram } from '../lib/program'
import type { SavedRun } from '../lib/saved-run'
import { Training } from '../lib/training'

const delay = 3
const [steps, hidden] = [24, 16]
const sequencesAnEpoch = 128

/** Answers with the probability that the bit of `delay` steps ago was 1: (T, B, 1) to (T, B, 1). */
interface Network extends nn.Module {
  answer(bits: Tensor, target: Tensor): Tensor
}

class Elman extends nn.Module implements Network {
  readonly rnn = new nn.RNN(1, hidden)
  readonly head = new nn.Linear(hidden, 1)

  answer(bits: Tensor): Tensor {
    const [states] = this.rnn.forward(bits)
    return this.head.forward(states).sigmoid()
  }
}

class Jordan extends nn.Module implements Network {
  readonly rnn = new nn.JordanRNN(1, hidden, 1, { outputNonlinearity: 'sigmoid' })

  constructor(readonly taught: boolean) {
    super()
  }

  answer(bits: Tensor, target: Tensor): Tensor {
    // Only in training does somebody know the right answers.
    const teacher = this.taught && this.training ? target : null
    const [output] = this.rnn.forward(bits, null, { teacher })
    return output
  }
}

/** Random bits, and the same ones `delay` steps later; before them comes 0. */
function sequences(count: number): { bits: Tensor; target: Tensor } {
  const bits = rand([steps, count, 1]).data.map(Math.round)
  const target = new Float32Array(bits.length)
  target.set(bits.subarray(0, (steps - delay) * count), delay * count)
  const shape = [steps, count, 1]
  return { bits: tensor(bits, { shape }), target: tensor(target, { shape }) }
}

/** How many of the answers are right, in percent. */
function right(network: Network, { bits, target }: ReturnType<typeof sequences>): number {
  network.eval()
  const answers = noGrad(() => network.answer(bits, target)).data
  network.train()
  const hits = answers.filter((answer, i) => Math.round(answer) === target.data[i])
  return (100 * hits.length) / answers.length
}

/** Learns; gives how many answers to `test` are right before and after each epoch, in percent. */
async function learn(
  run: SavedRun,
  name: string,
  network: Network,
  epochs: number,
  test: ReturnType<typeof sequences>,
): Promise<number[]> {
  const optimizer = new optim.Adam(network.parameters(), { lr: 0.01 })
  const criterion = new nn.MSELoss()
  const notes = { curve: [right(network, test)] }
  const training = new Training(run, { model: network, optimizer }, notes, { stage: name })
  const { curve } = training.notes
  for await (const epoch of training.epochs(epochs)) {
    for await (const some of training.batches(sequencesAnEpoch, 64)) {
      const { bits, target } = sequences(some.length)
      const loss = criterion.forward(network.answer(bits, target), target)
      optimizer.zeroGrad()
      loss.backward()
      nn.utils.clipGradNorm_(network.parameters(), 1)
      optimizer.step()
    }
    curve.push(right(network, test))
    if (epoch % 10 === 0) {
      console.log(`${name}: epoch ${epoch}/${epochs}: ${curve.at(-1)?.toFixed(1)} % right`)
    }
  }
  return curve
}

async function main(): Promise<number> {
  const { run, output, epochs } = exampleOptions(
    'jordan',
    'Sets a Jordan network against an Elman one.',
    {
      epochs: 60,
    },
  )
  const test = sequences(500)
  const curves: [string, number[]][] = []
  for (const [name, network] of [
    ['Elman', new Elman()],
    ['Jordan', new Jordan(false)],
    ['Jordan, taught', new Jordan(true)],
  ] as const) {
    const seen = performance.now()
    const curve = await learn(run, name, network, epochs, test)
    console.log(`${name}: ${((performance.now() - seen) / 1000).toFixed(1)} s`)
    curves.push([name, curve])
  }

  const zero = (100 * test.target.data.filter((bit) => bit === 0).length) / test.target.data.length
  console.log(
    `\n${table([
      [`the bit of ${delay} steps ago`, 'right'],
      ['always 0', `${zero.toFixed(1)} %`],
      ...curves.map(([name, curve]) => [name, `${curve.at(-1)?.toFixed(1)} %`]),
    ])}`,
  )

  const points = (curve: number[]) => curve.map((value, epoch) => [epoch, value] as const)
  writeText(
    join(output, 'curves.svg'),
    lineChart({
      title: `Which bit came in ${delay} steps ago?`,
      subtitle: 'what is fed back decides what can be remembered: the hidden state, or the answer',
      xLabel: 'epochs',
      yLabel: 'right answers to new sequences, %',
      series: [
        ...curves.map(([name, curve], i) => ({
          name: `${name} (${curve.at(-1)?.toFixed(0)} %)`,
          points: points(curve),
          colour: ['#cc3311', '#4477aa', '#228833'][i] ?? '#000000',
        })),
        {
          name: `always 0 (${zero.toFixed(0)} %)`,
          points: [
            [0, zero],
            [epochs, zero],
          ],
          colour: '#999999',
          dashed: true,
        },
      ],
    }),
  )
  console.log(`\nWritten to ${output}: curves.svg, and the three models`)
  return 0
}

runProgram(main)
