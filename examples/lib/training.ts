/**
 * Learning in epochs, which the user sees, stops with Ctrl-C, and resumes. After each epoch a checkpoint is
 * written; a signal is heeded between two batches, after a checkpoint.
 */

import { setImmediate } from 'node:timers/promises'
import { type DType, type Json, type nn, rand, saveSafetensors } from '@elman/rnn'
import { withReason } from './files'
import { thousands } from './format'
import { Interrupt } from './interrupt'
import { Progress } from './progress'
import type { Parts, SavedRun } from './saved-run'

/** How much time may pass between two turns of the event loop. */
const turnMilliseconds = 20

/** The numbers from 0 to `count` - 1 in random order. */
export function shuffled(count: number): number[] {
  const keys = rand([count], { dtype: 'float64' }).data
  return Array.from(keys, (_, index) => index).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0))
}

/** Writes the weights of a model as a safetensors file. */
export function saveModel(
  path: string,
  model: nn.Module<DType>,
  metadata: Readonly<Record<string, string | number>>,
): void {
  const texts = Object.entries(metadata).map(([name, value]) => [name, String(value)])
  withReason(`cannot write ${path}`, () =>
    saveSafetensors(model.stateDict(), path, { metadata: Object.fromEntries(texts) }),
  )
}

/** What an example notes along the way: anything that JSON can hold. */
type Notes = { [name: string]: Json }

/** Where a training stands: epochs that are done, and of the present one, examples that are done and their order. */
type Place = { epoch: number; done: number; order: number[] | null }

/** The training of one network. */
export class Training<N extends Notes> {
  /** What the example notes; checkpoints keep it. */
  readonly notes: N
  readonly #run: SavedRun
  readonly #parts: Parts
  readonly #stage: string
  readonly #metadata: Readonly<Record<string, string | number>>
  readonly #resumed: boolean
  readonly #place: Place
  #epochs = 0
  #interrupt: Interrupt | undefined

  /**
   * @param run the run that it is a part of; with `--resume`, `parts` and `notes` become what they were
   * @param parts what learns
   * @param notes as they are in the beginning
   * @param options `stage`: a name that tells it from other networks of the run; `metadata`: of the model's file
   */
  constructor(
    run: SavedRun,
    parts: Parts,
    notes: N,
    {
      stage = '',
      metadata = {},
    }: { stage?: string; metadata?: Readonly<Record<string, string | number>> } = {},
  ) {
    const saved = run.load(parts, stage) as { place: Place; notes: N } | undefined
    this.notes = saved?.notes ?? notes
    this.#place = saved?.place ?? { epoch: 0, done: 0, order: null }
    this.#resumed = saved !== undefined
    this.#run = run
    this.#parts = parts
    this.#stage = stage
    this.#metadata = metadata
  }

  /**
   * The numbers of the epochs that are to be learned, up to `count`. Each is saved when it is done, and in the end the
   * model. Ctrl-C ends the program.
   */
  async *epochs(count: number): AsyncGenerator<number> {
    const place = this.#place
    this.#epochs = count
    if (this.#resumed) console.log(`${this.#label('Resumed')} after ${this.#done(0)} epochs`)
    this.#interrupt = new Interrupt()
    try {
      while (place.epoch < count) {
        yield place.epoch + 1
        Object.assign(place, { epoch: place.epoch + 1, done: 0, order: null })
        this.#save()
        await setImmediate() // a signal comes through after epochs that are shorter than a turn, too
        this.#heed(0)
      }
    } finally {
      this.#interrupt.close()
    }
    saveModel(this.#run.file('model', this.#stage), this.#parts.model, this.#metadata)
  }

  /** One epoch: the numbers of `count` examples in a new random order, in batches; the last one may be smaller. */
  async *batches(count: number, size: number): AsyncGenerator<number[]> {
    this.#place.order ??= shuffled(count)
    const { order } = this.#place
    for await (const start of this.steps(count, size)) yield order.slice(start, start + size)
  }

  /**
   * One epoch: where each batch of `size` examples begins. Between two of them the event loop turns, as often as
   * an eye can follow, so that the progress bar is drawn and signals come through.
   */
  async *steps(count: number, size: number): AsyncGenerator<number> {
    const place = this.#place
    const from = place.done
    const progress = new Progress(
      this.#label(`Epoch ${place.epoch + 1}/${this.#epochs}`),
      count,
      from,
    )
    const start = performance.now()
    let turned = start
    try {
      while (place.done < count) {
        yield place.done
        place.done = Math.min(place.done + size, count)
        const now = performance.now()
        if (now - turned < turnMilliseconds) continue
        turned = now
        const speed = (1000 * (place.done - from)) / (now - start)
        progress.update(place.done, [`${thousands(speed)} examples/s`])
        await setImmediate()
        this.#heed(count, progress)
      }
    } finally {
      progress.stop()
    }
  }

  /** Words, after the name of the stage. */
  #label(words: string): string {
    return this.#stage === '' ? words : `${this.#stage}: ${words.toLowerCase()}`
  }

  #done(count: number): string {
    const { epoch, done } = this.#place
    const share = count > 0 ? done / count : 0
    return `${(epoch + share).toFixed(2)} of ${this.#epochs}`
  }

  #save(): void {
    this.#run.save(this.#parts, { place: this.#place, notes: this.notes }, this.#stage)
  }

  /** Ends the program after a signal; a place amid an epoch of `count` examples is saved first. */
  #heed(count: number, progress?: Progress): void {
    const exitCode = this.#interrupt?.exitCode
    if (exitCode === undefined) return
    progress?.stop()
    if (count > 0) this.#save()
    throw this.#run.stopped(exitCode, this.#label(`${this.#done(count)} epochs`))
  }
}
