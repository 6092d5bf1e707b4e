/**
 * A process of its own for the measurements of memory, since memory that another one has used before would count too.
 *
 *     memory-child peak T B I H        → {"bytes": …}, the peak of one training step above the time before
 *     memory-child steady FORM STEPS T B I H  → {"resident": […]}, resident bytes after equal stretches of steps
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { nn, ones, rand } from '@elman/rnn'

/** Stretches that the steps are divided into. */
const stretches = 10

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

function step(T: number, B: number, I: number, H: number): void {
  const rnn = new nn.RNN(I, H)
  const { output, pullback } = rnn.vjp(rand([T, B, I]), rand([1, B, H]))
  pullback(ones(output.shape), null)
}

function measurePeak(T: number, B: number, I: number, H: number): { bytes: number } {
  step(2, 2, I, H) // loads everything
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  forgetPeak()
  step(T, B, I, H)
  return { bytes: peak() - before }
}

function measureSteady(
  form: string,
  steps: number,
  [T, B, I, H]: readonly [number, number, number, number],
): { resident: number[] } {
  const rnn = new nn.RNN(I, H)
  const input = rand([T, B, I], { requiresGrad: true })
  const gradient = ones([T, B, H])
  const run =
    form === 'vjp'
      ? () => rnn.vjp(input).pullback(gradient, null)
      : () => {
          rnn.zeroGrad()
          input.grad = null
          const [output] = rnn.forward(input)
          output.backward(gradient)
        }
  const resident: number[] = []
  for (let stretch = 0; stretch <= stretches; stretch += 1) {
    for (let index = 0; index < steps / stretches; index += 1) run()
    globalThis.gc?.()
    resident.push(process.memoryUsage().rss)
  }
  return { resident }
}

const [mode, ...args] = process.argv.slice(2)
if (mode === 'peak') {
  const [T = 1, B = 1, I = 1, H = 1] = args.map(Number)
  console.log(JSON.stringify(measurePeak(T, B, I, H)))
} else {
  const [form = '', steps, ...sizes] = args
  const [T = 1, B = 1, I = 1, H = 1] = sizes.map(Number)
  console.log(JSON.stringify(measureSteady(form, Number(steps), [T, B, I, H])))
}
