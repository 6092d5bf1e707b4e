/** Cases of nn.LSTM and nn.GRU. */

import type * as types from '@elman/rnn'
import { type DType, nn, type Tensor } from './package'
import {
  backward,
  type Case,
  gradients,
  leaf,
  lossOf,
  type Parts,
  parametersOf,
  uniform,
} from './parts'

type Options = NonNullable<ConstructorParameters<typeof nn.GRU>[2]> & { projSize?: number }
type Data = Tensor<DType> | types.nn.utils.rnn.PackedSequence<DType>

const { packPaddedSequence, padPackedSequence } = nn.utils.rnn

/** T, B, I, H. */
type Sizes = readonly [number, number, number, number]

interface Call {
  readonly sizes: Sizes
  readonly options?: Options
  /** Which results have an upstream gradient: output, h, c. */
  readonly upstream?: readonly boolean[]
  readonly withHx?: boolean
  readonly lengths?: readonly number[]
  readonly checkpointEvery?: number
  /** What wants a gradient; all if it is left out. */
  readonly wanted?: readonly string[]
}

/** A module over lists of states. */
interface Layers {
  readonly module: types.nn.LSTM<DType> | types.nn.GRU<DType>
  readonly forward: (
    input: Data,
    states: Tensor<DType>[] | null,
    options: object,
  ) => [Data, Tensor<DType>[]]
  readonly later: (
    input: Tensor<DType>,
    states: Tensor<DType>[] | null,
  ) => Promise<[Tensor<DType>, Tensor<DType>[]]>
  readonly stream: (
    batchSize: number,
    states: Tensor<DType>[],
  ) => Pick<types.nn.RNNStream<DType>, 'input' | 'output' | 'step'> & {
    states: () => Tensor<DType>[]
  }
}

type Make = (I: number, H: number, options: Options) => Layers
type Pair = [Tensor<DType>, Tensor<DType>]

const lstm: Make = (I, H, options) => {
  const module = new nn.LSTM(I, H, options)
  return {
    module,
    forward: (input, states, rest) =>
      module.forward(input as Tensor<DType>, states as Pair | null, rest),
    later: (input, states) => module.forwardAsync(input, states as Pair | null),
    stream: (batchSize, states) => {
      const stream = module.stream({ batchSize, hx: states as Pair })
      return Object.assign(stream, { states: () => stream.hidden })
    },
  }
}

const gru: Make = (I, H, options) => {
  const module = new nn.GRU(I, H, options)
  return {
    module,
    forward: (input, states, rest) => {
      const [output, hN] = module.forward(input as Tensor<DType>, states?.[0], rest)
      return [output, [hN]]
    },
    later: async (input, states) => {
      const [output, hN] = await module.forwardAsync(input, states?.[0])
      return [output, [hN]]
    },
    stream: (batchSize, [hx]) => {
      const stream = module.stream({ batchSize, hx })
      return Object.assign(stream, { states: () => [stream.hidden] })
    },
  }
}

function prepare(make: Make, { sizes: [T, B, I, H], options = {}, ...call }: Call) {
  const layers = make(I, H, options)
  const { dtype, projSize } = options
  const outer = (options.numLayers ?? 1) * (options.bidirectional ? 2 : 1)
  const input = leaf(options.batchFirst ? [B, T, I] : [T, B, I], dtype)
  const features = make === lstm ? [projSize || H, H] : [H]
  const states =
    (call.withHx ?? true) ? features.map((size) => leaf([outer, B, size], dtype)) : null
  const names = states?.map((state, place) => [['h0', 'c0'][place], state] as const) ?? []
  const leaves = { input, ...Object.fromEntries(names), ...parametersOf(layers.module) }
  if (call.wanted !== undefined) {
    for (const [name, one] of Object.entries(leaves)) one.requiresGrad = call.wanted.includes(name)
  }
  return { ...layers, input, states, leaves }
}

const named = (states: readonly Tensor<DType>[]): Parts =>
  Object.fromEntries(states.map((state, place) => [['hN', 'cN'][place], state]))

const pick = (
  results: readonly Tensor<DType>[],
  upstream?: readonly boolean[],
): (Tensor<DType> | null)[] =>
  results.map((result, place) => ((upstream?.[place] ?? true) ? result : null))

function forward(make: Make, call: Call): Parts {
  const { forward, input, states, leaves } = prepare(make, call)
  const { lengths = null, checkpointEvery = null, upstream } = call
  const [output, last] = forward(input, states, { lengths, checkpointEvery })
  const y = output as Tensor<DType>
  backward(pick([y, ...last], upstream))
  return { output: y, ...named(last), ...gradients(leaves) }
}

function packed(make: Make, call: Call): Parts {
  const { forward, input, states, leaves } = prepare(make, call)
  const { lengths = [], checkpointEvery = null, options = {} } = call
  const batchFirst = options.batchFirst ?? false
  const sequences = packPaddedSequence(input, lengths, { batchFirst, enforceSorted: false })
  const [output, last] = forward(sequences, states, { checkpointEvery })
  const [padded] = padPackedSequence(output as types.nn.utils.rnn.PackedSequence<DType>)
  backward([padded, ...last])
  return { padded, ...named(last), ...gradients(leaves) }
}

async function background(make: Make, call: Call): Promise<Parts> {
  const { later, input, states, leaves } = prepare(make, call)
  const [output, last] = await later(input, states)
  await lossOf([output, ...last]).backwardAsync()
  return { output, ...named(last), ...gradients(leaves) }
}

function stream(make: Make, call: Call): Parts {
  const [T, B, I] = call.sizes
  const { stream, states } = prepare(make, call)
  const steps = stream(B, states ?? [])
  const parts: Record<string, Float32Array | Float64Array> = {}
  for (let t = 0; t < T; t += 1) {
    steps.input.set(uniform([B, I], call.options?.dtype).data)
    steps.step()
    parts[`${t}`] = steps.output.slice()
  }
  return { ...parts, ...named(steps.states()) }
}

/** Sizes at the edges of vectors and tiles, and some of more rows. */
const shapes: readonly Sizes[] = [
  [1, 1, 1, 2],
  [5, 3, 2, 7],
  [4, 1, 16, 16],
  [3, 9, 5, 17],
  [6, 2, 33, 33],
  [5, 8, 64, 64],
  [3, 17, 8, 130],
  [2, 33, 130, 24],
  [2, 0, 3, 4],
]

/** Enough work for a team. */
const large: readonly Call[] = [
  { sizes: [20, 32, 64, 130] },
  { sizes: [30, 1, 200, 300] },
  { sizes: [8, 24, 96, 128], options: { numLayers: 2, bidirectional: true } },
]

const odd: Sizes = [7, 5, 19, 37]
const lengths = [3, 7, 1, 5, 7]

const flags: readonly Options[] = [
  { bias: false },
  { batchFirst: true },
  { bidirectional: true },
  { numLayers: 3, dropout: 0.4 },
  { numLayers: 2, bidirectional: true, dropout: 0.25, batchFirst: true },
]

type Run = (make: Make, call: Call) => Parts | Promise<Parts>

const kinds: readonly (readonly [name: string, run: Run, Partial<Call>])[] = [
  ['lengths', forward, { lengths }],
  ['lengths, no hx', forward, { lengths, withHx: false }],
  ['packed', packed, { lengths }],
  ['output only', forward, { upstream: [true, false, false] }],
  ['hN only, lengths', forward, { upstream: [false, true, false], lengths }],
  ['gradient of h0 alone', forward, { wanted: ['h0'] }],
  ['gradient of input alone', forward, { wanted: ['input'] }],
  ['gradient of weight_hh_l0 alone', forward, { wanted: ['weight_hh_l0'] }],
  ['async', background, {}],
  ['stream', stream, {}],
  ['lengths, checkpointEvery 3', forward, { lengths, checkpointEvery: 3 }],
  ['packed, checkpointEvery 3', packed, { lengths, checkpointEvery: 3 }],
]

const ofLstm: typeof kinds = [
  ['cN only', forward, { upstream: [false, false, true] }],
  ['gradient of c0 alone', forward, { wanted: ['c0'] }],
]

function told(options: object): string {
  return Object.entries(options)
    .map(([name, value]) => (value === true ? name : `${name} ${value}`))
    .join(' ')
}

function casesOf(name: string, make: Make, dtype: DType, projection: (H: number) => number) {
  const at = (rest: string): string => `${name} ${dtype} ${rest}`.trim()
  const one = (rest: string, run: Run, call: Call): Case => {
    const projSize = projection(call.sizes[3])
    const options = { ...call.options, ...(projSize > 0 ? { projSize } : {}), dtype }
    return { name: at(rest), run: () => run(make, { ...call, options }) }
  }
  return [
    ...shapes.map((sizes) => one(`(${sizes})`, forward, { sizes })),
    ...large.map((call) =>
      one(`(${call.sizes}) ${told(call.options ?? {})}`.trim(), forward, call),
    ),
    ...flags.map((options) => one(told(options), forward, { sizes: odd, options })),
    ...[...kinds, ...(make === lstm ? ofLstm : [])].map(([kind, run, rest]) =>
      one(kind, run, { sizes: odd, options: { numLayers: 2 }, ...rest }),
    ),
  ]
}

function cellCases(dtype: DType): Case[] {
  return shapes.map(([T, B, I, H]) => ({
    name: `LSTMCell and GRUCell ${dtype} (${[T, B, I, H]})`,
    run: () => {
      const [one, other] = [new nn.LSTMCell(I, H, { dtype }), new nn.GRUCell(I, H, { dtype })]
      const inputs = Array.from({ length: T }, () => leaf([B, I], dtype))
      const [h0, c0] = [leaf([B, H], dtype), leaf([B, H], dtype)]
      const [h, c] = inputs.reduce<Pair>((state, x) => one.forward(x, state), [h0, c0])
      const y = inputs.reduce((state, x) => other.forward(x, state), h0)
      backward([h, c, y])
      const leaves = Object.fromEntries(inputs.map((x, place) => [`x${place}`, x]))
      const own = gradients({ ...leaves, h0, c0, ...parametersOf(one) })
      const others = Object.entries(gradients(parametersOf(other)))
      const gruOnly = Object.fromEntries(others.map(([name, grad]) => [`GRU ${name}`, grad]))
      return { h, c, y, ...own, ...gruOnly }
    },
  }))
}

export const gatedCases: readonly Case[] = (['float32', 'float64'] as const).flatMap((dtype) => [
  ...casesOf('LSTM', lstm, dtype, () => 0),
  ...casesOf('LSTM projected', lstm, dtype, (H) => Math.ceil(H / 2)),
  ...casesOf('GRU', gru, dtype, () => 0),
  ...cellCases(dtype),
])
