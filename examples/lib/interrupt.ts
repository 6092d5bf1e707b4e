/**
 * Leaving cleanly on Ctrl-C: the first signal asks the program to stop where it can, a second one ends
 * it at once.
 */

import { constants } from 'node:os'

const signals = ['SIGINT', 'SIGTERM'] as const

/** Two signals closer than this are one: npm passes on the Ctrl-C that the terminal also sent us. */
const sameMilliseconds = 500

/** Listens for Ctrl-C (SIGINT) and SIGTERM until it is closed. */
export class Interrupt {
  #exitCode: number | undefined
  #time = 0
  readonly #listener: (signal: NodeJS.Signals) => void

  /**
   * @param leave puts the terminal right before a second signal ends the process
   * @param ask hears of the first signal
   */
  constructor(leave = () => {}, ask = () => {}) {
    this.#listener = (signal) => {
      const exitCode = 128 + constants.signals[signal]
      if (this.#exitCode === undefined) {
        this.#exitCode = exitCode
        this.#time = performance.now()
        ask()
      } else if (performance.now() - this.#time > sameMilliseconds) {
        leave()
        process.exit(exitCode)
      }
    }
    for (const signal of signals) process.on(signal, this.#listener)
  }

  /** The exit code to leave with once a signal has come (130 for Ctrl-C), `undefined` before. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  close(): void {
    for (const signal of signals) process.off(signal, this.#listener)
  }
}
