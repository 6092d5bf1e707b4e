/** Cases of the recurrent modules. */

import {
  backendInfo,
  type DType,
  exportOnnx,
  nn,
  noGrad,
  serializeSafetensors,
  type Tensor,
} from './package'
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

type Options = NonNullable<ConstructorParameters<typeof nn.RNN>[2]>
type JordanOptions = NonNullable<ConstructorParameters<typeof nn.JordanRNN>[3]>

const dtypes: readonly DType[] = ['float32', 'float64']
const { packPaddedSequence, packSequence, padPackedSequence } = nn.utils.rnn

interface Sizes {
  readonly T: number
  readonly B: number
  readonly I: number
  readonly H: number
}

/** Which of the results have an upstream gradient. */
type Upstream = 'output' | 'hN' | 'both'

interface Call extends Sizes {
  readonly options?: Options
  readonly upstream?: Upstream
  /** No batch dimension. */
  readonly unbatched?: boolean
  readonly withHx?: boolean
  readonly lengths?: readonly number[]
  readonly checkpointEvery?: number
  readonly eval?: boolean
  /** What wants a gradient; all if it is left out. */
  readonly wanted?: readonly string[]
}

const odd: Sizes = { T: 7, B: 5, I: 19, H: 37 }
const lengths = [3, 7, 1, 5, 7]

function states({ B, H, options = {}, unbatched = false }: Call): number[] {
  const layers = (options.numLayers ?? 1) * (options.bidirectional ? 2 : 1)
  return unbatched ? [layers, H] : [layers, B, H]
}

function inputShape({ T, B, I, options = {}, unbatched = false }: Call): number[] {
  if (unbatched) return [T, I]
  return options.batchFirst ? [B, T, I] : [T, B, I]
}

function pick(
  upstream: Upstream,
  output: Tensor<DType>,
  hN: Tensor<DType>,
): (Tensor<DType> | null)[] {
  return [upstream === 'hN' ? null : output, upstream === 'output' ? null : hN]
}

function prepare(call: Call) {
  const { I, H, options = {}, wanted } = call
  const rnn = new nn.RNN(I, H, options)
  if (call.eval) rnn.eval()
  const input = leaf(inputShape(call), options.dtype)
  const hx = (call.withHx ?? true) ? leaf(states(call), options.dtype) : null
  const leaves = { input, hx, ...parametersOf(rnn) }
  if (wanted !== undefined) {
    for (const [name, one] of Object.entries(leaves)) {
      if (one !== null) one.requiresGrad = wanted.includes(name)
    }
  }
  return { rnn, input, hx, leaves }
}

function forward(call: Call): Parts {
  const { rnn, input, hx, leaves } = prepare(call)
  const rest = call.lengths === undefined ? {} : { lengths: call.lengths }
  const { checkpointEvery = null } = call
  const [output, hN] = rnn.forward(input, hx, { ...rest, checkpointEvery })
  backward(pick(call.upstream ?? 'both', output, hN))
  return { output, hN, ...gradients(leaves) }
}

function packed(call: Call): Parts {
  const { rnn, input, hx, leaves } = prepare(call)
  const { options = {}, checkpointEvery = null } = call
  const sequences = packPaddedSequence(input, call.lengths ?? lengths, {
    batchFirst: options.batchFirst ?? false,
    enforceSorted: false,
  })
  const [output, hN] = rnn.forward(sequences, hx, { checkpointEvery })
  const [padded] = padPackedSequence(output, { paddingValue: 0.5 })
  backward(pick(call.upstream ?? 'both', padded, hN))
  return { packed: output.data, padded, hN, ...gradients(leaves) }
}

async function background(call: Call): Promise<Parts> {
  const { rnn, input, hx, leaves } = prepare(call)
  const { checkpointEvery = null } = call
  const rest = call.lengths === undefined ? {} : { lengths: call.lengths }
  const [output, hN] = await rnn.forwardAsync(input, hx, { ...rest, checkpointEvery })
  await lossOf(pick(call.upstream ?? 'both', output, hN)).backwardAsync()
  return { output, hN, ...gradients(leaves) }
}

function pullback(call: Call): Parts {
  const { rnn, input, hx } = prepare(call)
  const { upstream = 'both' } = call
  const rest = call.lengths === undefined ? {} : { lengths: call.lengths }
  const result = rnn.vjp(input, hx, rest)
  const [dOutput, dHN] = pick(upstream, result.output, result.hN).map(
    (y) => y && uniform(y.shape, y.dtype),
  )
  const { parameters, ...below } = result.pullback(dOutput ?? null, dHN ?? null)
  return { output: result.output, hN: result.hN, ...below, ...Object.fromEntries(parameters) }
}

function stream(call: Call): Parts {
  const { T, B, I, options = {} } = call
  const { rnn, hx } = prepare(call)
  const steps = rnn.stream({ batchSize: B, hx })
  const parts: Record<string, Float32Array | Float64Array> = {}
  for (const round of ['first', 'second']) {
    for (let t = 0; t < T; t += 1) {
      steps.input.set(uniform([B, I], options.dtype).data)
      steps.step()
      parts[`${round} ${t}`] = steps.output.slice()
    }
    steps.reset()
  }
  return parts
}

const sized = ({ T, B, I, H }: Sizes): string => `${T},${B},${I},${H}`

/** Names of the options that are set. */
function told(options: object): string {
  return Object.entries(options)
    .filter(([name]) => name !== 'dtype')
    .map(([name, value]) => (value === true ? name : `${name} ${value}`))
    .join(' ')
}

/** Sizes at the edges of vectors and tiles, and some of more rows. */
const shapes: readonly Sizes[] = [
  { T: 1, B: 1, I: 1, H: 1 },
  { T: 5, B: 3, I: 2, H: 7 },
  { T: 4, B: 1, I: 16, H: 16 },
  { T: 3, B: 9, I: 5, H: 17 },
  { T: 6, B: 2, I: 33, H: 33 },
  { T: 1, B: 1, I: 64, H: 64 },
  { T: 5, B: 8, I: 64, H: 64 },
  { T: 3, B: 17, I: 8, H: 130 },
  { T: 2, B: 33, I: 130, H: 24 },
  { T: 2, B: 0, I: 3, H: 4 },
]

/** Enough work for a team: sequences shared out, columns shared out with barriers, sums in chunks. */
const large: readonly Call[] = [
  { T: 20, B: 32, I: 64, H: 130 },
  { T: 30, B: 1, I: 200, H: 400 },
  { T: 12, B: 24, I: 96, H: 128, options: { numLayers: 2, bidirectional: true } },
  { T: 500, B: 4, I: 40, H: 96, options: { numLayers: 2, dropout: 0.2 } },
]

const flags: readonly Options[] = [
  { nonlinearity: 'relu' },
  { bias: false },
  { batchFirst: true },
  { bidirectional: true },
  { numLayers: 2 },
  { numLayers: 3, nonlinearity: 'relu', bias: false },
  { numLayers: 2, bidirectional: true, batchFirst: true },
  { numLayers: 3, bidirectional: true, dropout: 0.4 },
  { numLayers: 2, dropout: 1 },
  { numLayers: 2, dropout: 0.3, batchFirst: true, nonlinearity: 'relu' },
]

/** Kinds of calls, each for every set of options in {@link deep}. */
const kinds: readonly [name: string, run: (call: Call) => Parts | Promise<Parts>, Partial<Call>][] =
  [
    ['lengths', forward, { lengths }],
    ['lengths, no hx', forward, { lengths, withHx: false, upstream: 'output' }],
    ['unbatched', forward, { unbatched: true }],
    ['unbatched, no hx', forward, { unbatched: true, withHx: false }],
    ['output only', forward, { upstream: 'output' }],
    ['hN only', forward, { upstream: 'hN' }],
    ['hN only, lengths', forward, { upstream: 'hN', lengths }],
    ['no hx', forward, { withHx: false }],
    ['packed', packed, {}],
    ['packed, no hx', packed, { withHx: false, upstream: 'output' }],
    ['eval', forward, { eval: true }],
    ['gradient of hx alone', forward, { wanted: ['hx'] }],
    ['gradient of input alone', forward, { wanted: ['input'] }],
    ['gradient of weight_hh_l0 alone', forward, { wanted: ['weight_hh_l0'] }],
    ['gradients of biases alone', forward, { wanted: ['bias_ih_l0', 'bias_hh_l0'] }],
    ['async', background, {}],
    ['async, lengths', background, { lengths }],
    ['vjp', pullback, {}],
    ['vjp, lengths, output only', pullback, { lengths, upstream: 'output', withHx: false }],
    ['vjp, hN only', pullback, { upstream: 'hN' }],
  ]

const deep: readonly Options[] = [
  { nonlinearity: 'tanh' },
  { numLayers: 2, bidirectional: true, dropout: 0.25 },
]

/** The bytes of an ONNX model without the field that holds this package's version. */
function withoutVersion(model: Uint8Array): Uint8Array {
  const version = Buffer.from(backendInfo().version)
  const field = Buffer.concat([Uint8Array.of(0x1a, version.length), version])
  const start = Buffer.from(model).indexOf(field)
  return Buffer.concat([model.slice(0, start), model.slice(start + field.length)])
}

function rnnCases(dtype: DType): Case[] {
  const nonlinearities = ['tanh', 'relu'] as const
  const at = (name: string) => `RNN ${dtype} ${name}`
  return [
    ...shapes.flatMap((sizes) =>
      nonlinearities.map((nonlinearity) => ({
        name: at(`(${sized(sizes)}) ${nonlinearity}`),
        run: () => forward({ ...sizes, options: { nonlinearity, dtype } }),
      })),
    ),
    ...large.map((call) => ({
      name: at(`(${sized(call)}) ${told(call.options ?? {})}`.trim()),
      run: () => forward({ ...call, options: { ...call.options, dtype } }),
    })),
    ...flags.map((options) => ({
      name: at(told(options)),
      run: () => forward({ ...odd, options: { ...options, dtype } }),
    })),
    ...deep.flatMap((options) =>
      kinds.map(([kind, run, rest]) => ({
        name: at(`${told(options)}: ${kind}`),
        run: () => run({ ...odd, ...rest, options: { ...options, dtype } }),
      })),
    ),
    ...[
      { numLayers: 1 },
      { numLayers: 3 },
      { numLayers: 2, dropout: 0.3, batchFirst: true },
    ].flatMap((options) =>
      ([forward, packed, background] as const).flatMap((run) =>
        [1, 3, 50].map((checkpointEvery) => ({
          name: at(`${told(options)}: ${run.name}, checkpointEvery ${checkpointEvery}`),
          run: () => run({ ...odd, lengths, checkpointEvery, options: { ...options, dtype } }),
        })),
      ),
    ),
    ...[1, 26, 400].map((checkpointEvery) => ({
      name: at(`(500,4,40,96) checkpointEvery ${checkpointEvery}`),
      run: () => {
        const options = { numLayers: 2, dropout: 0.2, dtype }
        return forward({ T: 500, B: 4, I: 40, H: 96, options, checkpointEvery })
      },
    })),
    ...[...shapes.filter(({ B }) => B > 0), { T: 2, B: 1, I: 200, H: 600 }].flatMap((sizes) =>
      [{ numLayers: 1 }, { numLayers: 2, nonlinearity: 'relu', bias: false } as const].map(
        (options) => ({
          name: at(`(${sized(sizes)}) ${told(options)}: stream`),
          run: () => stream({ ...sizes, options: { ...options, dtype } }),
        }),
      ),
    ),
    {
      name: at('packSequence, carried over three calls'),
      run: () => {
        const rnn = new nn.RNN(4, 9, { numLayers: 2, dtype })
        const sequences = [5, 3, 1].map((length) => leaf([length, 4], dtype))
        const pack = packSequence(sequences)
        const [first, h1] = rnn.forward(pack)
        const [second, h2] = rnn.forward(pack, h1)
        const [third, h3] = noGrad(() => rnn.forward(pack, h2.detach()))
        backward([second.data, h2])
        const leaves = Object.fromEntries(sequences.map((one, place) => [`x${place}`, one]))
        const outputs = { first: first.data, second: second.data, third: third.data, h3 }
        return { ...outputs, ...gradients({ ...leaves, ...parametersOf(rnn) }) }
      },
    },
    {
      name: at('files'),
      run: () => {
        const rnn = new nn.RNN(3, 5, { numLayers: 2, bidirectional: true, dtype })
        const relu = new nn.RNN(3, 5, { nonlinearity: 'relu', bias: false, batchFirst: true })
        return {
          safetensors: serializeSafetensors(rnn.stateDict()),
          onnx: withoutVersion(exportOnnx(rnn.to('float32'))),
          relu: withoutVersion(exportOnnx(relu)),
        }
      },
    },
  ]
}

function cellCases(dtype: DType): Case[] {
  return shapes.flatMap(({ T, B, I, H }) =>
    [{}, { nonlinearity: 'relu', bias: false } as const].map((options) => ({
      name: `RNNCell ${dtype} (${[T, B, I, H].join()}) ${told(options)}`.trim(),
      run: () => {
        const cell = new nn.RNNCell(I, H, { ...options, dtype })
        const inputs = Array.from({ length: T }, () => leaf([B, I], dtype))
        const hx = leaf([B, H], dtype)
        const h = inputs.reduce((state, x) => cell.forward(x, state), hx)
        const row = leaf([I], dtype)
        const alone = cell.forward(row)
        backward([h, alone])
        const leaves = Object.fromEntries(inputs.map((one, place) => [`x${place}`, one]))
        return { h, alone, ...gradients({ ...leaves, hx, row, ...parametersOf(cell) }) }
      },
    })),
  )
}

interface JordanCall extends Sizes {
  readonly O: number
  readonly options?: JordanOptions
  readonly lengths?: readonly number[]
  readonly teacher?: boolean
  readonly withY0?: boolean
  readonly unbatched?: boolean
  readonly upstream?: Upstream
  readonly wanted?: readonly string[]
}

function jordan(call: JordanCall): Parts {
  const { B, I, H, O, options = {}, unbatched = false, wanted } = call
  const module = new nn.JordanRNN(I, H, O, options)
  const { dtype } = options
  const shape = inputShape({ ...call, options: { batchFirst: options.batchFirst ?? false } })
  const input = leaf(shape, dtype)
  const y0 = (call.withY0 ?? true) ? leaf(unbatched ? [O] : [B, O], dtype) : null
  const teacher = call.teacher ? leaf([...shape.slice(0, -1), O], dtype) : null
  const leaves = { input, y0, teacher, ...parametersOf(module) }
  if (wanted !== undefined) {
    for (const [name, one] of Object.entries(leaves)) {
      if (one !== null) one.requiresGrad = wanted.includes(name)
    }
  }
  const rest = call.lengths === undefined ? {} : { lengths: call.lengths }
  const [output, yN] = module.forward(input, y0, { teacher, ...rest })
  backward(pick(call.upstream ?? 'both', output, yN))
  return { output, yN, ...gradients(leaves) }
}

const outputs = ['identity', 'tanh', 'sigmoid'] as const

function jordanCases(dtype: DType): Case[] {
  const kindsOfCalls: readonly [string, Partial<JordanCall>][] = [
    ['', {}],
    ['lengths', { lengths }],
    ['teacher', { teacher: true }],
    ['teacher, lengths', { teacher: true, lengths }],
    ['teacher, no y0', { teacher: true, withY0: false }],
    ['no y0', { withY0: false }],
    ['unbatched', { unbatched: true }],
    ['unbatched, teacher', { unbatched: true, teacher: true }],
    ['output only', { upstream: 'output' }],
    ['yN only', { upstream: 'hN' }],
    ['yN only, teacher, lengths', { upstream: 'hN', teacher: true, lengths }],
    ['gradient of y0 alone', { wanted: ['y0'] }],
    ['gradient of teacher alone', { teacher: true, wanted: ['teacher'] }],
    ['gradient of bias_hy alone', { wanted: ['bias_hy'] }],
    ['batchFirst', { options: { batchFirst: true } }],
    ['batchFirst, teacher', { options: { batchFirst: true }, teacher: true }],
    ['relu, no bias', { options: { nonlinearity: 'relu', bias: false } }],
  ]
  const name = (outputNonlinearity: string, rest: string) =>
    `JordanRNN ${dtype} ${outputNonlinearity} ${rest}`.trim()
  return outputs.flatMap((outputNonlinearity) => [
    ...kindsOfCalls.map(([kind, { options, ...rest }]) => ({
      name: name(outputNonlinearity, kind),
      run: () =>
        jordan({ ...odd, O: 11, ...rest, options: { ...options, outputNonlinearity, dtype } }),
    })),
    ...[
      ...shapes.map((sizes, place) => ({ ...sizes, O: shapes[(place + 3) % shapes.length].H })),
      { T: 12, B: 24, I: 64, H: 128, O: 130 },
      { T: 30, B: 1, I: 64, H: 256, O: 200 },
    ].flatMap((sizes) =>
      [false, true].map((teacher) => ({
        name: name(outputNonlinearity, `(${sized(sizes)},${sizes.O})${teacher ? ' teacher' : ''}`),
        run: () => jordan({ ...sizes, teacher, options: { outputNonlinearity, dtype } }),
      })),
    ),
  ])
}

export const recurrentCases: readonly Case[] = dtypes.flatMap((dtype) => [
  ...rnnCases(dtype),
  ...cellCases(dtype),
  ...jordanCases(dtype),
])
