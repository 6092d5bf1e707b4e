/**
 * "This movie is great": where a loss is taken, and what flows back from it.
 *
 * The words go in as one-hot vectors, (T, I) = (4, 4). The network has the three matrices of the textbooks:
 *
 *     h_t = tanh(U x_t + W h_{t-1}),   scores_t = V h_t
 *
 * First it says the kind of each word (sequence to sequence): every step has a loss, and their sum is made
 * small. Then it says whether the sentence is praise (classification): only the last step has a loss.
 * In both cases the program works out the gradients by hand, as sums over the steps, and compares
 * them with those of `backward()`, in float64.
 *
 *     npm run example -- sentence
 */

import { join } from 'node:path'
import { manualSeed, nn, type Tensor, tensor } from '@elman/rnn'
import { exampleOutput } from '../lib/example-options'
import { writeText } from '../lib/files'
import { table } from '../lib/format'
import { matrixGrid } from '../lib/matrix-grid'
import { runProgram } from '../lib/program'

type Vector = number[]
type Matrix = Vector[]
type Gradients = Record<'U' | 'W' | 'V', Matrix>

const words = ['This', 'movie', 'is', 'great']
const oneHot: Matrix = words.map((_, i) => words.map((_, j) => Number(i === j)))
const kinds = ['determiner', 'noun', 'verb', 'adjective'] // of the words, in their order
const opinions = ['praise', 'blame']

const zip = <A, B>(a: A[], f: (one: A, other: B) => number, b: B[]): Vector =>
  a.map((one, i) => f(one, b[i] as B))
const dot = (a: Vector, b: Vector) => zip(a, (x, y: number) => x * y, b).reduce((x, y) => x + y, 0)
const times = (matrix: Matrix, vector: Vector): Vector => matrix.map((row) => dot(row, vector))
const transposed = (matrix: Matrix): Matrix =>
  (matrix[0] ?? []).map((_, j) => matrix.map((row) => row[j] ?? 0))
const outer = (a: Vector, b: Vector): Matrix => a.map((x) => b.map((y) => x * y))
const plus = (a: Matrix, b: Matrix): Matrix =>
  a.map((row, i) => zip(row, (x, y: number) => x + y, b[i] ?? []))
const sum = (matrices: Matrix[]): Matrix => matrices.reduce(plus)

/** A network with two hidden units and a score for each of `outputs` answers. */
class Network extends nn.Module<'float64'> {
  readonly rnn = new nn.RNN(4, 2, { bias: false, dtype: 'float64' })
  readonly head: nn.Linear<'float64'>

  constructor(outputs: number) {
    super()
    this.head = new nn.Linear(2, outputs, { bias: false, dtype: 'float64' })
  }

  /** U (H, I), W (H, H) and V (O, H). */
  weights(of = (weight: Tensor<'float64'>): Tensor<'float64'> | null => weight): Gradients {
    const [U, W, V] = this.parameters().map((weight) => of(weight)?.toArray() ?? [])
    return { U, W, V } as Gradients
  }

  /** What backward() gave for them. */
  gradients(): Gradients {
    return this.weights(({ grad }) => grad)
  }
}

/**
 * Backpropagation through time by hand, for the loss of one step: -log softmax(scores_t)[target].
 * The loss reaches U and W once for every step k up to t; `U[k]` and `W[k]` are these parts, V has one.
 */
function byHand({ U, W, V }: Gradients, t: number, target: number) {
  const states: Matrix = [[0, 0]] // h_0, h_1, …
  for (const x of oneHot) {
    states.push(zip(times(U, x), (a, b: number) => Math.tanh(a + b), times(W, states.at(-1) ?? [])))
  }
  const h = (step: number) => states[step] ?? []

  const scores = times(V, h(t + 1)).map(Math.exp)
  const total = scores.reduce((a, b) => a + b)
  const dScores = scores.map((score, i) => score / total - Number(i === target))

  const parts: { U: Matrix[]; W: Matrix[]; V: Matrix } = {
    U: [],
    W: [],
    V: outer(dScores, h(t + 1)),
  }
  let dh = times(transposed(V), dScores)
  for (let k = t; k >= 0; k--) {
    const dInner = zip(dh, (d, value: number) => d * (1 - value ** 2), h(k + 1)) // through tanh
    parts.U.unshift(outer(dInner, oneHot[k] ?? []))
    parts.W.unshift(outer(dInner, h(k)))
    dh = times(transposed(W), dInner) // to the step before
  }
  return parts
}

/** Prints the columns, their sum and what `backward()` gave, an element a row; gives all of them. */
function compare(
  titles: string[],
  columns: Gradients[],
  backward: Gradients,
): [string, Gradients][] {
  const added = (name: keyof Gradients) => sum(columns.map((column) => column[name]))
  const all = [...columns, { U: added('U'), W: added('W'), V: added('V') }, backward]
  const heads = [...titles, 'sum', 'backward()']
  const rows = (['U', 'W', 'V'] as const).flatMap((name) =>
    backward[name].flatMap((row, i) =>
      row.map((_, j) => [
        `${name}[${i}][${j}]`,
        ...all.map((each) => (each[name][i]?.[j] ?? 0).toFixed(6).padStart(9)),
      ]),
    ),
  )
  console.log(table([['', ...heads.map((head) => head.padStart(9))], ...rows]))
  const flat = (gradients?: Gradients) => Object.values(gradients ?? {}).flat(2)
  const apart = Math.max(
    ...zip(flat(all.at(-2)), (a, b: number) => Math.abs(a - b), flat(backward)),
  )
  console.log(`sum and backward() are ${apart.toExponential(1)} apart\n`)
  if (!(apart < 1e-12)) throw new Error('the gradients differ')
  return heads.map((head, i) => [head, all[i] ?? backward])
}

async function main(): Promise<number> {
  const output = exampleOutput('sentence', 'What flows back from the losses of a sentence.')
  manualSeed(1)
  const input = tensor(oneHot, { dtype: 'float64' })
  const criterion = new nn.CrossEntropyLoss({ reduction: 'sum' })

  console.log(
    `Sequence to sequence: every word's kind (${kinds.join(', ')}), a loss at every step.`,
  )
  console.log('Gradient of the loss of each step:\n')
  const tagger = new Network(kinds.length)
  const [states] = tagger.rnn.forward(input) // (T, H)
  const targets = tensor([0, 1, 2, 3], { dtype: 'int32' })
  criterion.forward(tagger.head.forward(states), targets).backward()
  const losses = words.map((_, t) => {
    const { U, W, V } = byHand(tagger.weights(), t, t)
    return { U: sum(U), W: sum(W), V }
  })
  const tagged = compare(words, losses, tagger.gradients())

  console.log(`Classification: ${opinions.join(' or ')}, a loss at the last step only.`)
  console.log('Its gradient, word by word: what flows back to each step through time:\n')
  const judge = new Network(opinions.length)
  const [, hN] = judge.rnn.forward(input) // (1, H)
  criterion.forward(judge.head.forward(hN), tensor([0], { dtype: 'int32' })).backward()
  const last = words.length - 1
  const { U, W, V } = byHand(judge.weights(), last, 0)
  const nothing = V.map((row) => row.map(() => 0))
  const parts = words.map((_, k) => ({ U: U[k] ?? [], W: W[k] ?? [], V: k === last ? V : nothing }))
  const judged = compare(words, parts, judge.gradients())

  const picture = matrixGrid('What flows back from “This movie is great”', [
    { title: 'a loss at every step: the gradient of each', columns: tagged },
    { title: 'one loss at the end: what it sends back to each word', columns: judged },
  ])
  writeText(join(output, 'gradients.svg'), picture)
  console.log(`Written to ${output}: gradients.svg`)
  return 0
}

runProgram(main)
