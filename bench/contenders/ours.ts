/** This package, through its public API: by `vjp` and pullback, or by the tape and `backward`. */

import { nn, noGrad, setNumThreads, type Tensor, tensor } from '@elman/rnn'
import { fingerprint, type Numbers, numbersOf, type Values } from '../lib/numbers'
import { type Cell, cellFacts, type DType, type Shape } from '../lib/shape'
import type { Library, Probe, Ready, Work } from './contender'

/** A tensor of this dtype with these numbers. */
export function tensorOf(
  { shape, values }: Values,
  dtype: DType,
  requiresGrad = false,
): Tensor<DType> {
  const data = dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values)
  return tensor(data, { shape, dtype, requiresGrad })
}

/** h, or h and c of an LSTM. */
export type State = Tensor<DType> | [Tensor<DType>, Tensor<DType>]

type Packed = InstanceType<typeof nn.utils.rnn.PackedSequence>

/** What nn.RNN, nn.GRU and nn.LSTM have in common, as far as the benchmark calls it. */
export interface Recurrent extends nn.Module<DType> {
  forward(
    input: Tensor<DType>,
    hx?: State | null,
    options?: { lengths?: readonly number[]; checkpointEvery?: number | null },
  ): [output: Tensor<DType>, hN: State]
  forward(input: Packed, hx?: State | null): [output: Packed, hN: State]
  vjp(
    input: Tensor<DType>,
    hx?: State | null,
  ): {
    output: Tensor<DType>
    hN: State
    pullback(
      gradOutput: Tensor<DType> | null,
      gradHN: null,
    ): { input: Tensor<DType>; hx: State | null; parameters: Map<string, Tensor<DType>> }
  }
  stream(): { readonly input: Float32Array | Float64Array; step(): void }
}

interface RecurrentOptions {
  readonly numLayers?: number
  readonly bidirectional?: boolean
  readonly dtype?: DType
}

const modules = { rnn: nn.RNN<DType>, gru: nn.GRU<DType>, lstm: nn.LSTM<DType> }

/** A module of this kind. */
export function makeRecurrent(
  cell: Cell,
  inputSize: number,
  hiddenSize: number,
  options: RecurrentOptions = {},
): Recurrent {
  return new modules[cell](inputSize, hiddenSize, options) as unknown as Recurrent
}

/** States as a module takes them. */
export function stateOf(states: readonly Tensor<DType>[]): State {
  const [h, c] = states
  if (h === undefined) throw new Error('a network has a state')
  return c === undefined ? h : [h, c]
}

/** What {@link stateOf} has joined. */
export function statesOf(state: State): Tensor<DType>[] {
  return Array.isArray(state) ? state : [state]
}

/** The benchmark's states. */
export function beginOf(numbers: Numbers, dtype: DType, requiresGrad = false): State {
  return stateOf(numbers.states.map((values) => tensorOf(values, dtype, requiresGrad)))
}

/** A network of this shape with the benchmark's numbers as parameters. */
export function networkOf(shape: Shape, numbers: Numbers, dtype: DType): Recurrent {
  const { I, H, L, D, cell } = shape
  const rnn = makeRecurrent(cell, I, H, { numLayers: L, bidirectional: D === 2, dtype })
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
  const hx = beginOf(numbers, dtype)
  const gradient = tensorOf(numbers.gradient, dtype)
  const begin = () => setNumThreads(threads)

  begin()
  if (task === 'forward') {
    const call = () => noGrad(() => rnn.forward(input, hx))
    const [output, hN] = call()
    return { probe: probeOf({ output, ...named(shape, 'N', hN) }), begin, call }
  }
  const call = () => {
    const { output, hN, pullback } = rnn.vjp(input, hx)
    return { output, hN, gradients: pullback(gradient, null) }
  }
  const { output, hN, gradients } = call()
  const probe = probeOf({
    ...{ output, ...named(shape, 'N', hN) },
    ...{ input: gradients.input, ...(gradients.hx ? named(shape, 'x', gradients.hx) : {}) },
    ...Object.fromEntries(gradients.parameters),
  })
  return { probe, begin, call }
}

/** `forward` on the tape, then `backward`, as a training loop does. */
function prepareTape({ shape, dtype, threads }: Work): Ready {
  const numbers = numbersOf(shape)
  const rnn = networkOf(shape, numbers, dtype)
  const input = tensorOf(numbers.input, dtype, true)
  const hx = beginOf(numbers, dtype, true)
  const gradient = tensorOf(numbers.gradient, dtype)
  const leaves = [input, ...statesOf(hx), ...rnn.parameters()]
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
    ...{ output, ...named(shape, 'N', hN), input: input.grad },
    ...gradientsOf(named(shape, 'x', hx)),
    ...Object.fromEntries(gradients),
  })
  return { probe, begin, call }
}

/** States by name: `hx` and `cx`, or `hN` and `cN`. */
function named({ cell }: Shape, kind: 'x' | 'N', state: State): Record<string, Tensor<DType>> {
  const names = cellFacts[cell].states.map((name) => `${name}${kind}`)
  return Object.fromEntries(statesOf(state).map((tensor, index) => [names[index], tensor]))
}

function gradientsOf(tensors: Record<string, Tensor<DType>>): Record<string, Tensor<DType> | null> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { grad }]) => [name, grad]))
}

function probeOf(results: Record<string, Tensor<DType> | null>): Probe {
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, fingerprint(result?.data ?? [])]),
  )
}
