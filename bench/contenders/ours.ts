/** This package, through its public API: by `vjp` and pullback, or by the tape and `backward`. */

import { nn, noGrad, setNumThreads, type Tensor, tensor } from '@elman/rnn'
import { fingerprint, type Numbers, numbersOf, type Values } from '../lib/numbers'
import type { DType, Shape } from '../lib/shape'
import { type Contender, type Prepared, type Probe, Refusal, timed, type Work } from './contender'

/** A tensor of this dtype with these numbers. */
export function tensorOf({ shape, values }: Values, dtype: DType, requiresGrad = false): Tensor {
  const data = dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values)
  return tensor(data, { shape, dtype, requiresGrad })
}

/** A network of this shape with the benchmark's numbers as parameters. */
export function networkOf({ I, H, L, D }: Shape, numbers: Numbers, dtype: DType): nn.RNN {
  const rnn = new nn.RNN(I, H, { numLayers: L, bidirectional: D === 2, dtype })
  for (const [name, parameter] of rnn.namedParameters()) {
    parameter.data.set(numbers.parameters.get(name)?.values ?? [])
  }
  return rnn
}

/** Opens this package: `ours` trains by `vjp`, `tape` by `backward`. */
export async function open(name: 'ours' | 'tape'): Promise<Contender> {
  const { version } = require('../../package.json') as { version: string }
  return {
    name,
    version: `@elman/rnn ${version}`,
    prepare: async (work) => (name === 'ours' ? prepare(work) : prepareTape(work)),
    close() {},
  }
}

/** Forward without gradients, or `vjp` with its pullback. */
function prepare({ task, shape, dtype, threads }: Work): Prepared {
  const numbers = numbersOf(shape)
  const rnn = networkOf(shape, numbers, dtype)
  const input = tensorOf(numbers.input, dtype)
  const hx = tensorOf(numbers.hx, dtype)
  const gradient = tensorOf(numbers.gradient, dtype)

  const forward = () => noGrad(() => rnn.forward(input, hx))
  const step = () => {
    const { output, hN, pullback } = rnn.vjp(input, hx)
    return { output, hN, gradients: pullback(gradient, null) }
  }
  setNumThreads(threads)
  return prepared(threads, task === 'forward' ? forward : step, () => {
    if (task === 'forward') {
      const [output, hN] = forward()
      return probeOf({ output, hN })
    }
    const { output, hN, gradients } = step()
    const { parameters, ...rest } = gradients
    return probeOf({ output, hN, ...rest, ...Object.fromEntries(parameters) })
  })
}

/** `forward` on the tape, then `backward`, as a training loop does. */
function prepareTape({ task, shape, dtype, threads }: Work): Prepared | Refusal {
  if (task === 'forward') return new Refusal('without gradients there is no tape')
  const numbers = numbersOf(shape)
  const rnn = networkOf(shape, numbers, dtype)
  const input = tensorOf(numbers.input, dtype, true)
  const hx = tensorOf(numbers.hx, dtype, true)
  const gradient = tensorOf(numbers.gradient, dtype)
  const leaves = [input, hx, ...rnn.parameters()]

  const step = () => {
    for (const leaf of leaves) leaf.grad = null
    const [output, hN] = rnn.forward(input, hx)
    output.backward(gradient)
    return { output, hN }
  }
  setNumThreads(threads)
  return prepared(threads, step, () => {
    const { output, hN } = step()
    const results: Record<string, Tensor | null> = { output, hN, input: input.grad, hx: hx.grad }
    for (const [name, parameter] of rnn.namedParameters()) results[name] = parameter.grad
    return probeOf(results)
  })
}

function prepared(threads: number, call: () => unknown, probe: () => Probe): Prepared {
  return {
    probe: probe(),
    sample(calls, samples) {
      setNumThreads(threads)
      return timed(call, calls, samples)
    },
    dispose() {},
  }
}

function probeOf(results: Record<string, Tensor | null>): Probe {
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, fingerprint(result?.data ?? [])]),
  )
}
