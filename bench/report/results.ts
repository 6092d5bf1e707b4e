/** Everything that a run of the benchmark has found: what the JSON file holds. */

import type { ContenderName } from '../contenders/contender'
import type { Machine } from '../lib/machine'
import type { Measurement, Skipped } from '../lib/race'
import type { Cell, DType, Shape, Task } from '../lib/shape'

/** A point of the second chart: the cost when one size alone grows. */
export interface GrowthPoint extends Measurement {
  readonly axis: 'T' | 'B' | 'H'
  readonly size: number
}

export interface StepRate {
  readonly name: string
  /** microseconds of a time step */
  readonly microseconds: number
  /** bytes that a step leaves to the garbage collector, where it has been measured */
  readonly bytesPerStep?: number
}

/** Milliseconds of a full batch, and of sequences of different lengths with as many valid steps. */
export interface LengthsResult {
  /** that of the full batch */
  readonly shape: Shape
  readonly task: Task
  readonly threads: number
  readonly padded: number
  readonly lengths: number
  readonly packed: number
}

/** Milliseconds of each kind of cell at the same sizes. */
export interface GatesResult extends Readonly<Record<Cell, number>> {
  readonly shape: Shape
  readonly task: Task
  readonly threads: number
}

/** What is held between forward and backward in addition to the results: array buffers, and memory that is resident. */
export interface Held {
  readonly buffers: number
  readonly resident: number
}

/** What `checkpointEvery` saves and costs. */
export interface CheckpointsResult {
  readonly shape: Shape
  /** steps between the states that are kept */
  readonly every: number
  /** megabytes, without it and with it */
  readonly plain: Held
  readonly checkpointed: Held
  /** of a training step, in turns */
  readonly milliseconds: { readonly plain: number; readonly checkpointed: number }
}

export interface MemoryResult {
  readonly shape: Shape
  /** megabytes of inputs, outputs and gradients, and of the arrays (T, B, H) that are kept (`keptArrays`) */
  readonly arrays: number
  readonly extra: number
  /** what the peak lies above the time before the inputs were made */
  readonly peak: number
  readonly small: Shape
  readonly steps: number
  /** megabytes of resident memory after equal stretches of the small steps, in `vjp` and on the tape */
  readonly resident: Readonly<Record<'vjp' | 'tape', readonly number[]>>
  readonly checkpoints: CheckpointsResult
}

/** Milliseconds, medians. */
export interface StartResult {
  /** an empty program, and one that does nothing but take the package */
  readonly node: number
  readonly import: number
  readonly require: number
  /** nn.RNN(512, 512) with four layers */
  readonly construct: { readonly ours: number; readonly torch?: number }
}

export interface DemoResult {
  readonly threads: number
  /** PyTorch's own name and version */
  readonly version: string
  /** characters per second of each run, and bits per character after the last */
  readonly ours: readonly number[]
  readonly torch: readonly number[]
  readonly bits: Readonly<Record<'ours' | 'torch', number>>
}

/** Milliseconds on one thread. */
export interface DenormalsResult {
  readonly shape: Shape
  readonly task: Task
  /** with numbers of ordinary size */
  readonly normal: number
  /** with denormal ones */
  readonly denormal: number
  /** with denormal ones that are taken as zero */
  readonly flushed: number
}

export interface NamesResult {
  readonly threads: number
  /** PyTorch's own name and version */
  readonly version: string
  /** seconds of each epoch */
  readonly ours: readonly number[]
  readonly torch: readonly number[]
}

export interface Results {
  readonly command: string
  /** what was measured, other than by `gates`, `start` and `names` */
  readonly cell: Cell
  readonly machine: Machine
  readonly contenders: readonly { readonly name: ContenderName; readonly version: string }[]
  readonly missing: readonly { readonly name: ContenderName; readonly reason: string }[]
  readonly grid: Measurement[]
  readonly growth: GrowthPoint[]
  readonly skipped: Skipped[]
  stream?: readonly StepRate[]
  lengths?: readonly LengthsResult[]
  gates?: readonly GatesResult[]
  denormals?: readonly DenormalsResult[]
  memory?: MemoryResult
  start?: StartResult
  demo?: DemoResult[]
  names?: NamesResult[]
}

/** Finds the time of a contender on the grid, in milliseconds. */
export function timeOf(
  grid: readonly Measurement[],
  contender: ContenderName,
  where: { task: Task; shape: Shape; threads: number; dtype?: DType },
): number | undefined {
  const { task, shape, threads, dtype = 'float32' } = where
  return grid.find(
    (one) =>
      one.contender === contender &&
      one.task === task &&
      one.shape === shape &&
      one.threads === threads &&
      one.dtype === dtype,
  )?.timing.median
}
