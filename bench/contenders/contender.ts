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
 * Fingerprints of the results, to see that all contenders compute the same thing: `output`, `hN` and of an LSTM `cN`,
 * and after a step the gradients `input`, `hx`, `cx` and those of the parameters by their names in the state dict.
 */
export type Probe = Readonly<Record<string, Fingerprint>>

/** Why something cannot be done or be had. */
export class Refusal {
  constructor(readonly reason: string) {}
}

/** A contender as the races see it: a process of its own, so that no contender pays for the garbage of another. */
export interface Contender {
  readonly name: ContenderName
  /** the library's own name and version */
  readonly version: string
  /** Brings the numbers of the shape (lib/numbers.ts) into place and computes once. */
  prepare(work: Work): Promise<Prepared | Refusal>
  close(): void
}

/** Work that is ready to be timed. */
export interface Prepared {
  readonly probe: Probe
  /** @returns how many milliseconds a call took, in each of `samples` rows of `calls` calls */
  sample(calls: number, samples: number): Promise<number[]>
  dispose(): void | Promise<void>
}

/** A contender within its process, where that runs Node. */
export interface Library {
  readonly version: string
  prepare(work: Work): Promise<Ready | Refusal>
}

/** The same as {@link Prepared}, within the process. */
export interface Ready {
  readonly probe: Probe
  /** puts right what other work may have changed */
  begin?(): void
  /** what is timed */
  call(): unknown
  dispose?(): void | Promise<void>
}

/** What a contender is started with. */
export interface Settings {
  /** a Python that has the libraries of the Python peers */
  readonly python: string | undefined
  /** work that takes longer than so many seconds is refused where that can be told beforehand */
  readonly patience: number
}

/** All contenders; ours first, in its two forms. */
export const contenderNames = ['ours', 'tape', 'torch', 'jax', 'ort', 'tfjs'] as const

export type ContenderName = (typeof contenderNames)[number]

/** Those that could be had, and why the others could not. */
export interface Field {
  readonly contenders: readonly Contender[]
  readonly missing: readonly { readonly name: ContenderName; readonly reason: string }[]
}

/** Names for people. */
export const titles: Record<ContenderName, string> = {
  ours: '@elman/rnn',
  tape: '@elman/rnn, tape',
  torch: 'PyTorch',
  jax: 'JAX',
  ort: 'onnxruntime-node',
  tfjs: 'tfjs-wasm',
}

/** What they can do, or are measured at. */
export const tasksOf: Record<ContenderName, readonly Task[]> = {
  ours: ['step', 'forward'],
  tape: ['step'],
  torch: ['step', 'forward'],
  jax: ['step', 'forward'],
  ort: ['forward'],
  tfjs: ['step'], // for inference there are better ones
}

/** The most threads that they can use, if not any number: in Node, the WebAssembly of tfjs has one. */
export const mostThreadsOf: Partial<Record<ContenderName, number>> = { tfjs: 1 }

/** Whether a contender is this package itself. */
export function isOurs(name: ContenderName): boolean {
  return name === 'ours' || name === 'tape'
}
