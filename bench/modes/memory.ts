/**
 * How much memory a training step takes, whether many of them take more and more, and what `checkpointEvery` saves and
 * costs on a long sequence.
 */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { flatEnvironment, flatFlags } from '../lib/flat'
import { typescript } from '../lib/node'
import {
  type Cell,
  cellFacts,
  keptArrays,
  parameters,
  type Shape,
  shape,
  withCell,
} from '../lib/shape'
import type { CheckpointsResult, Held } from '../report/results'
import type { Bench } from './bench'

const large = shape(1000, 64, 128, 256)
const small = shape(20, 4, 8, 16)
const long = shape(10_000, 8, 256, 256, 3)

const megabyte = 2 ** 20

export function runMemory({ options, results }: Bench): void {
  const steps = options.quick ? 1000 : 10_000
  const [one, little] = [withCell(large, options.cell), withCell(small, options.cell)]
  const { bytes } = run<{ bytes: number }>('peak', one)
  const steady = (form: 'vjp' | 'tape') =>
    run<{ resident: number[] }>(
      `steady ${form} ${steps}`,
      little,
      flatFlags,
      flatEnvironment,
    ).resident.map((value) => value / megabyte)
  results.memory = {
    shape: one,
    arrays: arraysOf(one) / megabyte,
    extra: (keptArrays[one.cell] * one.T * one.B * one.H * 4) / megabyte,
    peak: bytes / megabyte,
    small: little,
    steps,
    resident: { vjp: steady('vjp'), tape: steady('tape') },
    checkpoints: runCheckpoints(options.cell, options.quick ? 3 : 7),
  }
}

/** Measures `checkpointEvery` in so many pairs of steps. */
function runCheckpoints(cell: Cell, pairs: number): CheckpointsResult {
  const deep = withCell(long, cell)
  const every = Math.round(Math.sqrt(long.T))
  const held = (n: number | null) => {
    const { buffers, resident } = run<Held>(`held ${long.L} ${n ?? 'all'}`, deep)
    return { buffers: buffers / megabyte, resident: resident / megabyte }
  }
  const milliseconds = run<CheckpointsResult['milliseconds']>(
    `cost ${long.L} ${every} ${pairs}`,
    deep,
  )
  return { shape: deep, every, plain: held(null), checkpointed: held(every), milliseconds }
}

/** Bytes of a training step's inputs, outputs and gradients in float32; the gradient of the output is an input. */
function arraysOf(shape: Shape): number {
  const { T, B, I, H, cell } = shape
  const input = T * B * I
  const output = T * B * H
  const state = cellFacts[cell].states.length * B * H
  const weights = parameters(shape).reduce(
    (sum, { shape: size }) => sum + size.reduce((a, b) => a * b),
    0,
  )
  return 4 * (2 * input + 2 * output + 3 * state + 2 * weights)
}

/** Runs the child with a request and the sizes of a shape. */
function run<T>(
  request: string,
  { T, B, I, H, cell }: Shape,
  flags: readonly string[] = ['--expose-gc'],
  environment: Readonly<Record<string, string>> = {},
): T {
  const child = join(__dirname, 'memory-child.ts')
  const output = execFileSync(
    process.execPath,
    [...flags, ...typescript, child, ...request.split(' '), ...[cell, T, B, I, H].map(String)],
    { encoding: 'utf8', env: { ...process.env, ...environment } },
  )
  return JSON.parse(output)
}
