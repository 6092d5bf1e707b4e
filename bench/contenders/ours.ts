/** This package, through its public API: by `vjp` and pullback, or by the tape and `backward`. */

import { nn, noGrad, setNumThreads, type Tensor, tensor } from '@elman/rnn'
import { fingerprint, type Numbers, numbersOf, type Values } from '../lib/numbers'
import type { DType, Shape } from '../lib/shape'
import type { Library, Probe, Ready, Work } from './contender'

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

/** This package: `ours` trains by `vjp`, `tape` by `backward`. */
export function open(name: 'ours' | 'tape'): Library {
  return libraryOf(name === 'ours' ? prepare : prepareTape)
}

/** This package, with this way to get ready. */
export function libraryOf(prepare: (work: Work) => Ready): Library {
  const { version } = require('../../package.json') as { version: string }
  return { version: `@elman/rnn ${version}`, prepare: async (work) => prepare(work) }
}

/** Forward without gradients, or `vjp` with its pullback. */
function prepare({ task, shape, dtype, threads }: Work): Ready {
  const numbers = numbersOf(shape)
  const rnn = networkOf(shape, numbers, dtype)
  const input = tensorOf(numbers.input, dtype)
  const hx = tensorOf(numbers.hx, dtype)
  const gradient = tensorOf(numbers.gradient, dtype)
  const begin = () => setNumThreads(threads)

  begin()
  if (task === 'forward') {
    const call = () => noGrad(() => rnn.forward(input, hx))
    const [output, hN] = call()
    return { probe: probeOf({ output, hN }), begin, call }
  }
  const call = () => {
    const { output, hN, pullback } = rnn.vjp(input, hx)
    return { output, hN, gradients: pullback(gradient, null) }
  }
  const { output, hN, gradients } = call()
  const { parameters, ...rest } = gradients
  const probe = probeOf({ output, hN, ...rest, ...Object.fromEntries(parameters) })
  return { probe, begin, call }
}

/** `forward` on the tape, then `backward`, as a training loop does. */
function prepareTape({ shape, dtype, threads }: Work): Ready {
  const numbers = numbersOf(shape)
  const rnn = networkOf(shape, numbers, dtype)
  const input = tensorOf(numbers.input, dtype, true)
  const hx = tensorOf(numbers.hx, dtype, true)
  const gradient = tensorOf(numbers.gradient, dtype)
  const leaves = [input, hx, ...rnn.parameters()]
  const begin = () => setNumThreads(threads)

  const call = () => {
    for (const leaf of leaves) leaf.grad = null
    const [output, hN] = rnn.forward(input, hx)
    output.backward(gradient)
    return { output, hN }
  }
  begin()
  const { output, hN } = call()
  const gradients = [...rnn.namedParameters()].map(([name, { grad }]) => [name, grad])
  const probe = probeOf({
    ...{ output, hN, input: input.grad, hx: hx.grad },
    ...Object.fromEntries(gradients),
  })
  return { probe, begin, call }
}

function probeOf(results: Record<string, Tensor | null>): Probe {
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, fingerprint(result?.data ?? [])]),
  )
}
