/**
 * Progress of a long run: a bar in a terminal, a plain line every few seconds anywhere else.
 */

import { SingleBar } from 'cli-progress'

/** A pipe or a log file gets a line of progress this often. */
const lineSeconds = 10

/** Characters of a bar. */
const [shortest, longest] = [5, 30]

/**
 * The line of a progress bar, which fits into a terminal. Where that is narrow the bar is shorter; then details are
 * left out from the last one on, but for the first; then the bar, the first one, and the end of the label.
 *
 * @param label stands before the bar
 * @param share how much is done, from 0 to 1
 * @param details the words after it, the most important ones first
 * @param columns the width of the terminal
 */
export function progressLine(
  label: string,
  share: number,
  details: readonly string[],
  columns: number,
): string {
  const percent = `${Math.floor(100 * share)}%`.padStart(4)
  for (let count = details.length; count >= 0; count--) {
    const words = [percent, ...details.slice(0, count)].join('  ')
    const left = columns - label.length - words.length - 2
    if (left >= shortest) {
      const size = Math.min(left, longest)
      const full = Math.round(share * size)
      return `${label} ${'■'.repeat(full)}${' '.repeat(size - full)} ${words}`
    }
    if (count <= 1 && left >= -1) return `${label} ${words}`
  }
  return `${label.slice(0, Math.max(0, columns - percent.length))}${percent}`.slice(0, columns)
}

/** Progress of one stretch of work. */
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
    const { stdout } = process
    if (!stdout.isTTY || process.env.TERM === 'dumb') return
    this.#bar = new SingleBar({
      stream: stdout,
      // A character in the last column would be lost when the rest of the line is cleared.
      format: (_, { progress, maxWidth }, { details }) =>
        progressLine(label, progress, details, maxWidth - 1),
      hideCursor: true,
      linewrap: false,
      clearOnComplete: true,
      gracefulExit: false,
    })
    this.#bar.start(total, done, { details: [] })
  }

  /** @param details the words next to the bar, the most important ones first */
  update(done: number, details: readonly string[]): void {
    if (this.#bar) {
      this.#bar.update(done, { details })
    } else if (performance.now() - this.#lineTime >= lineSeconds * 1000) {
      this.#lineTime = performance.now()
      const percent = Math.floor((100 * done) / this.#total)
      console.log([this.#label, `${String(percent).padStart(3)} % `, ...details].join(' '))
    }
  }

  /** Takes the bar away and gives the cursor back. */
  stop(): void {
    this.#bar?.stop()
  }
}
