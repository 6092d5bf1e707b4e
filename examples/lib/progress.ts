/**
 * Progress of a long run: a bar in a terminal, a plain line every few seconds anywhere else.
 */

import { Presets, SingleBar } from 'cli-progress'

/** A pipe or a log file gets a line of progress this often. */
const lineSeconds = 10

const interactive = process.stdout.isTTY === true && process.env.TERM !== 'dumb'

/** Progress of one stretch of work; `details` are the words next to the bar. */
export class Progress {
  readonly #label: string
  readonly #total: number
  readonly #bar: SingleBar | undefined
  #lineTime = performance.now()

  /**
   * @param label stands before the bar
   * @param total the value of `done` at the end
   * @param done where the work stands at the start
   */
  constructor(label: string, total: number, done = 0) {
    this.#label = label
    this.#total = total
    if (!interactive) return
    this.#bar = new SingleBar(
      {
        stream: process.stdout,
        format: `${label} {bar} {percentage}%  {details}`,
        barsize: Math.max(10, Math.min(30, (process.stdout.columns ?? 80) - 65)),
        hideCursor: true,
        linewrap: false,
        clearOnComplete: true,
        gracefulExit: false,
      },
      Presets.rect,
    )
    this.#bar.start(total, done, { details: '' })
  }

  update(done: number, details: string): void {
    if (this.#bar) {
      this.#bar.update(done, { details })
    } else if (performance.now() - this.#lineTime >= lineSeconds * 1000) {
      this.#lineTime = performance.now()
      const percent = Math.floor((100 * done) / this.#total)
      console.log(`${this.#label} ${String(percent).padStart(3)} %  ${details}`)
    }
  }

  /** Takes the bar away and gives the cursor back. */
  stop(): void {
    this.#bar?.stop()
  }
}
