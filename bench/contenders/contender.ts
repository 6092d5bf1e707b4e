/** What the benchmark asks of each library that it measures. */

import type { Fingerprint } from '../lib/numbers'
import type { DType, Shape, Task } from '../lib/shape'

/** What is to be computed, and with how many threads. */
export interface Work {
  readonly task: Task
  readonly shape: Shape
  readonly dtype: DType
  readonly threads: number
}

/**
 * Fingerprints of the results, to see that all contenders compute the same thing: `output` and `hN`, and after a step
 * the gradients `input`, `hx` and those of the parameters by their names in the state dict.
 */
export type Probe = Readonly<Record<string, Fingerprint>>

/** Work that is ready to be timed. */
export interface Prepared {
  readonly probe: Probe
  /** @returns how many milliseconds a call took, in each of `samples` rows of `calls` calls */
  sample(calls: number, samples: number): Promise<number[]>
  dispose(): void | Promise<void>
}

/** Why a contender does not do some work. */
export class Refusal {
  constructor(readonly reason: string) {}
}

export interface Contender {
  readonly name: ContenderName
  /** the library's own name and version */
  readonly version: string
  /** the most threads that it can use, if it cannot use any number */
  readonly most?: number
  /** Brings the numbers of the shape (lib/numbers.ts) into place and computes once. */
  prepare(work: Work): Promise<Prepared | Refusal>
  close(): void | Promise<void>
}

/** What a contender is started with. */
export interface Settings {
  /** a Python that has the libraries of the Python peers */
  readonly python: string | undefined
  /** work that takes longer than so many seconds is refused where that can be told beforehand */
  readonly patience: number
}

/** Opens a contender; `Refusal` if it cannot be had. */
export type Open = (settings: Settings) => Promise<Contender | Refusal>

/** All contenders; ours first, in its two forms. */
export const contenderNames = ['ours', 'tape', 'torch', 'jax', 'ort', 'tfjs'] as const

export type ContenderName = (typeof contenderNames)[number]

/** Names for people. */
export const titles: Record<ContenderName, string> = {
  ours: '@elman/rnn',
  tape: '@elman/rnn, tape',
  torch: 'PyTorch',
  jax: 'JAX',
  ort: 'onnxruntime-node',
  tfjs: 'tfjs-wasm',
}

/** Whether a contender is this package itself. */
export function isOurs(name: ContenderName): boolean {
  return name === 'ours' || name === 'tape'
}

/** Times calls of a function of this process: rows of `calls` calls, one time for each row. */
export async function timed(
  call: () => unknown,
  calls: number,
  samples: number,
): Promise<number[]> {
  const times: number[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    const start = performance.now()
    for (let index = 0; index < calls; index += 1) {
      const result = call()
      if (result instanceof Promise) await result
    }
    times.push((performance.now() - start) / calls)
  }
  return times
}
