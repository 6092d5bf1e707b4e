/**
 * A process of its own for the measurements of memory, since memory that another one has used before would count too.
 *
 *     memory-child peak CELL T B I H   → {"bytes": …}, the peak of one training step above the time before
 *     memory-child steady FORM STEPS CELL T B I H  → {"resident": […]}, resident bytes after equal stretches of steps
 *     memory-child held L N CELL T B I H  → {"buffers": …, "resident": …}, bytes held between forward and backward
 *                                        in addition to the results, with `checkpointEvery: N`, or without for N = all
 *     memory-child cost L N PAIRS CELL T B I H  → {"plain": …, "checkpointed": …}, milliseconds of a step, medians
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { type DType, ones, rand, type Tensor } from '@elman/rnn'
import { makeRecurrent, type Recurrent, stateOf, statesOf } from '../contenders/ours'
import { residentOver } from '../lib/flat'
import { type Cell, cellFacts } from '../lib/shape'
import { median } from '../lib/statistics'

/** T, B, I, H. */
type Sizes = readonly [number, number, number, number]

/** A module of the kind that the command line says. */
type Make = (inputSize: number, hiddenSize: number, numLayers?: number) => Recurrent

/** The most resident memory since {@link forgetPeak}, in bytes. */
function peak(): number {
  // `resourceUsage` may count what the parent process had.
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(status.match(/^VmHWM:\s*(\d+)/m)?.[1]) * 1024
}

function forgetPeak(): void {
  if (process.platform === 'linux') writeFileSync('/proc/self/clear_refs', '5')
}

function step(make: Make, cell: Cell, [T, B, I, H]: Sizes): void {
  const states = cellFacts[cell].states.map(() => rand([1, B, H]))
  const { output, pullback } = make(I, H).vjp(rand([T, B, I]), stateOf(states))
  pullback(ones(output.shape), null)
}

function measurePeak(make: Make, cell: Cell, sizes: Sizes): { bytes: number } {
  const [, , I, H] = sizes
  step(make, cell, [2, 2, I, H]) // loads everything
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  forgetPeak()
  step(make, cell, sizes)
  return { bytes: peak() - before }
}

async function measureSteady(
  make: Make,
  form: string,
  steps: number,
  [T, B, I, H]: Sizes,
): Promise<{ resident: number[] }> {
  const rnn = make(I, H)
  const input = rand([T, B, I], { requiresGrad: true })
  const gradient = ones([T, B, H])
  const run =
    form === 'vjp'
      ? () => {
          rnn.vjp(input).pullback(gradient, null)
        }
      : () => {
          rnn.zeroGrad()
          input.grad = null
          const [output] = rnn.forward(input)
          output.backward(gradient)
        }
  return { resident: await residentOver(steps, run) }
}

/** Bytes of array buffers, and of memory that is resident. */
interface Memory {
  readonly buffers: number
  readonly resident: number
}

/** Memory after everything has been collected. */
async function collected(): Promise<Memory> {
  for (let time = 0; time < 3; time += 1) {
    globalThis.gc?.()
    await setTimeout(20) // array buffers are freed on another thread
  }
  const { arrayBuffers, rss } = process.memoryUsage()
  return { buffers: arrayBuffers, resident: rss }
}

/**
 * A training step on the tape.
 *
 * @param between gets the results after forward.
 */
async function tapeStep(
  rnn: Recurrent,
  [input, gradient]: readonly [Tensor<DType>, Tensor<DType>],
  checkpointEvery: number | null,
  between: (results: Tensor<DType>[]) => Promise<void> = async () => {},
): Promise<void> {
  rnn.zeroGrad()
  input.grad = null
  const [output, hN] = rnn.forward(input, null, { checkpointEvery })
  await between([output, ...statesOf(hN)])
  output.backward(gradient)
}

/** What a step reads: the input, and the gradient of the output. */
function given([T, B, I, H]: Sizes): readonly [Tensor<DType>, Tensor<DType>] {
  return [rand([T, B, I], { requiresGrad: true }), ones([T, B, H])]
}

/** The third step, since an addon may go on holding what it has worked in. */
async function measureHeld(
  make: Make,
  layers: number,
  every: number | null,
  sizes: Sizes,
): Promise<Memory> {
  const [, B, I, H] = sizes
  const rnn = make(I, H, layers)
  await tapeStep(rnn, given([2, B, I, H]), every) // loads everything
  const tensors = given(sizes)
  rnn.zeroGrad()
  const start = await collected()
  for (let time = 0; time < 2; time += 1) await tapeStep(rnn, tensors, every)
  const held = { buffers: 0, resident: 0 }
  await tapeStep(rnn, tensors, every, async (results) => {
    const now = await collected()
    const bytes = results.reduce((sum, { data }) => sum + data.byteLength, 0)
    held.buffers = now.buffers - start.buffers - bytes
    held.resident = now.resident - start.resident - bytes
  })
  return held
}

async function measureCost(
  make: Make,
  layers: number,
  every: number,
  pairs: number,
  sizes: Sizes,
): Promise<{ plain: number; checkpointed: number }> {
  const [, , I, H] = sizes
  const rnn = make(I, H, layers)
  const tensors = given(sizes)
  const timed = async (n: number | null): Promise<number> => {
    await collected()
    const start = performance.now()
    await tapeStep(rnn, tensors, n)
    return performance.now() - start
  }
  for (const n of [null, every]) await timed(n)
  const plain: number[] = []
  const checkpointed: number[] = []
  for (let pair = 0; pair < pairs; pair += 1) {
    plain.push(await timed(null))
    checkpointed.push(await timed(every))
  }
  return { plain: median(plain), checkpointed: median(checkpointed) }
}

async function main(mode: string, args: string[]): Promise<unknown> {
  const [T = 1, B = 1, I = 1, H = 1] = args.slice(-4).map(Number)
  const sizes: Sizes = [T, B, I, H]
  const cell = args.at(-5) as Cell
  const make: Make = (inputSize, hiddenSize, numLayers = 1) =>
    makeRecurrent(cell, inputSize, hiddenSize, { numLayers })
  const [first = '', second = '', third] = args
  switch (mode) {
    case 'peak':
      return measurePeak(make, cell, sizes)
    case 'steady':
      return measureSteady(make, first, Number(second), sizes)
    case 'held':
      return measureHeld(make, Number(first), second === 'all' ? null : Number(second), sizes)
    case 'cost':
      return measureCost(make, Number(first), Number(second), Number(third), sizes)
    default:
      throw new Error(`there is nothing to measure that is called ${mode}`)
  }
}

const [mode = '', ...args] = process.argv.slice(2)
main(mode, args).then((result) => console.log(JSON.stringify(result)))
