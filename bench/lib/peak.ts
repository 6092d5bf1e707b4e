/** How much arithmetic the machine can do at the most, measured by the program of peak/. */

import { execFileSync } from 'node:child_process'

/** The most of one instruction set. */
export interface Peak {
  readonly isa: string
  /** width of its vectors */
  readonly bits: number
  readonly threads: number
  /** billions of float32 operations per second, of all threads together */
  readonly gflops: number
}

export class PeakMeter {
  readonly #program: string
  /** of one thread with every instruction set, at the start, narrowest vectors first */
  readonly ofACore: readonly Peak[]

  /** @param program where elman-peak is */
  constructor(program: string) {
    this.#program = program
    this.ofACore = this.measure(1, 50)
  }

  /** The instruction set with the widest vectors: its peak is the one that all are held against. */
  get widest(): string {
    return this.ofACore.at(-1)?.isa ?? ''
  }

  /** The peak of every instruction set, narrowest vectors first, or of one alone. */
  measure(threads: number, milliseconds: number, isa?: string): Peak[] {
    const args = [threads, milliseconds, ...(isa === undefined ? [] : [isa])].map(String)
    const lines = execFileSync(this.#program, args, { encoding: 'utf8' }).trim().split('\n')
    return lines.map((line) => JSON.parse(line))
  }
}
