/**
 * From the picture of a digit to its name: 7 → "seven", letter by letter.
 *
 * One thing goes in and a sequence comes out ("one to many"). A layer turns the picture into features, and the
 * features are the initial state h0 of a recurrent network, the decoder: all that it ever learns of the
 * picture. It starts with the mark ^ and writes a letter at each step, until it writes the mark again.
 * While it learns, the letter that should have come before is its input (teacher forcing); when it
 * spells on its own, its own letter is.
 *
 * A fifth of the 10,000 digits is held out and never learned from.
 *
 *     npm run example -- image-to-word
 */

import { join } from 'node:path'
import { type IntTensor, nn, noGrad, optim, type Tensor, tensor } from '@elman/rnn'
import { exampleOptions } from '../lib/example-options'
import { readPackageFile, writeText } from '../lib/files'
import { percent, table } from '../lib/format'
import { imageGrid } from '../lib/image-grid'
import { runProgram } from '../lib/program'
import { shuffled, Training } from '../lib/training'

const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']
const mark = '^'
const alphabet = [...new Set(mark + words.join(''))]
const steps = 6 // five letters at most, and the mark
const pixels = 28 * 28

interface Digit {
  image: number[]
  word: string
}

/** The digits of the package mnist, 28 × 28 values from 0 to 1 each. */
function readDigits(): Digit[] {
  return words.flatMap((word, digit) => {
    const { data }: { data: number[] } = JSON.parse(
      readPackageFile('mnist', `src/digits/${digit}.json`),
    )
    const count = Math.floor(data.length / pixels)
    return Array.from({ length: count }, (_, i) => ({
      image: data.slice(i * pixels, (i + 1) * pixels),
      word,
    }))
  })
}

class Speller extends nn.Module {
  readonly features = new nn.Linear(pixels, 128)
  readonly embedding = new nn.Embedding(alphabet.length, 16)
  readonly decoder = new nn.RNN(16, 128)
  readonly head = new nn.Linear(128, alphabet.length)

  /** What is to be spelt: pictures (B, 784) → the decoder's initial state (1, B, H). */
  encode(images: Tensor): Tensor {
    return this.features.forward(images).tanh().reshape([1, -1, 128])
  }

  /** Letters (T, B) after a state → scores (T, B, alphabet) of the letters that follow, and the state. */
  decode(letters: IntTensor, state: Tensor): [Tensor, Tensor] {
    const [output, hN] = this.decoder.forward(this.embedding.forward(letters), state)
    return [this.head.forward(output), hN]
  }

  /** Spells what pictures show, feeding its own letters back. */
  spell(images: Tensor): string[] {
    return noGrad(() => {
      let state = this.encode(images)
      let letters: number[] = Array(images.shape[0]).fill(alphabet.indexOf(mark))
      let written = letters.map(() => '')
      for (let t = 0; t < steps; t++) {
        const [scores, next] = this.decode(tensor([letters], { dtype: 'int32' }), state)
        const rows = scores.select(0, 0).toArray() // (B, alphabet)
        letters = rows.map((row) => row.indexOf(Math.max(...row)))
        written = written.map((word, i) => word + alphabet[letters[i] ?? 0])
        state = next
      }
      return written.map((word) => word.split(mark, 1)[0] ?? '')
    })
  }
}

/** Words one after the other in time, (T, B): the letters that are read, or those that should follow. */
const lettersOf = (some: Digit[], shift: 0 | 1): IntTensor =>
  tensor(
    Array.from({ length: steps }, (_, t) =>
      some.map(({ word }) => alphabet.indexOf(`${mark}${word}`[t + shift] ?? mark)),
    ),
    { dtype: 'int32' },
  )
const imagesOf = (some: Digit[]): Tensor => tensor(some.map(({ image }) => image))

/** The baseline: the word of the mean picture that is nearest. */
function nearestMean(train: Digit[]): (digit: Digit) => string {
  const means = words.map((word) => {
    const images = train.filter((digit) => digit.word === word).map(({ image }) => image)
    return Array.from(
      { length: pixels },
      (_, p) => images.reduce((sum, image) => sum + (image[p] ?? 0), 0) / images.length,
    )
  })
  return ({ image }) => {
    const distances = means.map((mean) =>
      image.reduce((sum, value, p) => sum + (value - (mean[p] ?? 0)) ** 2, 0),
    )
    return words[distances.indexOf(Math.min(...distances))] ?? ''
  }
}

async function main(): Promise<number> {
  const { run, output, epochs } = exampleOptions(
    'image-to-word',
    'Learns to spell the digits that it sees.',
    { epochs: 10 },
  )
  const all = readDigits()
  const order = shuffled(all.length).map((i) => all[i] as Digit)
  const border = Math.round(0.8 * order.length)
  const [train, heldOut] = [order.slice(0, border), order.slice(border)]
  console.log(`${all.length} digits, ${heldOut.length} of them held out`)

  const model = new Speller()
  const criterion = new nn.CrossEntropyLoss()
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.001 })
  const metadata = { alphabet: alphabet.join('') }
  const training = new Training(run, { model, optimizer }, { total: 0 }, { metadata })
  for await (const epoch of training.epochs(epochs)) {
    for await (const batch of training.batches(train.length, 64)) {
      const some = batch.map((i) => train[i] as Digit)
      const [scores] = model.decode(lettersOf(some, 0), model.encode(imagesOf(some)))
      const loss = criterion.forward(scores, lettersOf(some, 1))
      optimizer.zeroGrad()
      loss.backward()
      nn.utils.clipGradNorm_(model.parameters(), 1)
      optimizer.step()
      training.notes.total += loss.item() * batch.length
    }
    const loss = (training.notes.total / train.length).toFixed(4)
    console.log(`Epoch ${epoch}/${epochs}  loss ${loss} a letter`)
    training.notes.total = 0
  }

  const spelt = model.spell(imagesOf(heldOut))
  const nearest = nearestMean(train)
  const right = (guess: (digit: Digit, i: number) => string) =>
    percent(heldOut.filter((digit, i) => guess(digit, i) === digit.word).length / heldOut.length)
  console.log(
    `\n${table([
      ['held-out digits', 'spelt exactly'],
      ['nearest mean picture', right(nearest)],
      ['network', right((_, i) => spelt[i] ?? '')],
    ])}`,
  )

  // Some that it spells right and, last, some that it does not.
  const outcomes = heldOut.map(({ image, word }, i) => {
    const caption = spelt[i] ?? ''
    return { image, caption, wrong: caption !== word }
  })
  const shown = [
    ...outcomes.filter(({ wrong }) => !wrong).slice(0, 16),
    ...outcomes.filter(({ wrong }) => wrong).slice(0, 8),
  ]
  const subtitle = 'held-out digits; the last row is wrong'
  writeText(join(output, 'words.svg'), imageGrid('Digits and the words spelt', subtitle, shown))
  console.log(`\nWritten to ${output}: words.svg, model.safetensors`)
  return 0
}

runProgram(main)
