/** What the user sees while the model learns. */

import { backendInfo } from '@elman/rnn'
import { duration, thousands } from '../lib/format'
import { Progress } from '../lib/progress'
import { type CharModel, cells } from './model'
import type { Options } from './options'
import type { Run } from './run'
import type { Book } from './text'

export class Report {
  readonly #options: Options
  readonly #book: Book
  readonly #run: Run
  #progress: Progress | undefined
  /** characters learned since the program began, and how long that took */
  #learned = 0
  #milliseconds = 0
  #lapStart = 0

  /** Says what is about to be done. */
  constructor(options: Options, book: Book, model: CharModel, run: Run) {
    this.#options = options
    this.#book = book
    this.#run = run

    const parameters = [...model.parameters()].reduce((sum, { numel }) => sum + numel, 0)
    const { isa, threads } = backendInfo()
    const { train, heldOut, vocabulary } = book
    console.log(
      `Text     ${book.title}: ${thousands(train.numbers.length + heldOut.numbers.length)} characters, ` +
        `${vocabulary.size} different ones; the last ${thousands(heldOut.numbers.length)} are held out`,
    )
    console.log(
      `Network  ${options.layers} ${cells[options.cell]} ${options.layers === 1 ? 'layer' : 'layers'} of ` +
        `${options.hidden}, ${thousands(parameters)} parameters; ` +
        `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${isa}`,
    )
    if (options.resume) {
      console.log(`Resumed  after ${this.done}`)
    }
  }

  /** How far the run is. */
  get done(): string {
    const { epoch, chunk } = this.#run
    return `${(epoch + chunk / this.#book.train.chunks).toFixed(2)} of ${this.#options.epochs} epochs`
  }

  get #label(): string {
    return `Epoch ${this.#run.epoch + 1}/${this.#options.epochs}`
  }

  beginEpoch(): void {
    this.#progress = new Progress(this.#label, this.#book.train.chunks, this.#run.chunk)
    this.#lapStart = performance.now()
  }

  /** A chunk of so many characters is learned. */
  update(characters: number): void {
    const now = performance.now()
    this.#learned += characters
    this.#milliseconds += now - this.#lapStart
    this.#lapStart = now

    const { epoch, chunk, epochLoss, recentLoss } = this.#run
    const { size, chunks } = this.#book.train
    const bits = (recentLoss.count > 0 ? recentLoss : epochLoss).bits
    const left = (size * (this.#options.epochs - epoch - chunk / chunks)) / this.#speed
    this.#progress?.update(chunk, [
      `${bits.toFixed(3)} bits/char`,
      `${duration(left)} left`,
      `${thousands(this.#speed)} chars/s`,
    ])
  }

  /** Characters per second, in training. */
  get #speed(): number {
    return (1000 * this.#learned) / this.#milliseconds
  }

  /** The epoch is done and scored. */
  endEpoch(): void {
    const { epoch, scores } = this.#run
    const { learned = Number.NaN, heldOut = Number.NaN } = scores.at(-1) ?? {}
    console.log(
      `Epoch ${epoch}/${this.#options.epochs}  bits/char: ${learned.toFixed(4)} while learning, ` +
        `${heldOut.toFixed(4)} held out  (${thousands(this.#speed)} chars/s)`,
    )
  }

  /** Takes the progress bar away. */
  stop(): void {
    this.#progress?.stop()
    this.#progress = undefined
  }
}
