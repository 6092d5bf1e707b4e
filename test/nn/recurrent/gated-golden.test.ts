/** nn.LSTM, nn.GRU and their cells against what PyTorch computed. */

import { nn, type Tensor, tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import {
  checkAll,
  compare,
  type DType,
  Golden,
  GRADIENTS,
  readCases,
  unflatten,
  VALUES,
} from '../../helpers/golden'

const { packPaddedSequence, padPackedSequence } = nn.utils.rnn

interface Flags {
  numLayers: number
  bidirectional: boolean
  bias: boolean
  batchFirst: boolean
}

interface GatedCase extends Flags {
  id: string
  dtypes: DType[]
  inputSize: number
  hiddenSize: number
  /** Of an LSTM only. */
  projSize?: number
  layout: 'batched' | 'unbatched'
  hx: boolean
  T: number
  B: number
  /** The results that have an upstream gradient. */
  upstream: string[]
  lengths?: number[]
}

/** A module whose states are a list, whatever its class. */
interface Layers {
  readonly module: nn.LSTM<DType> | nn.GRU<DType>
  readonly forward: (
    input: Tensor<DType>,
    states: Tensor<DType>[] | null,
    lengths?: number[],
  ) => [Tensor<DType>, readonly Tensor<DType>[]]
  readonly packed: (
    input: nn.utils.rnn.PackedSequence<DType>,
    states: Tensor<DType>[] | null,
  ) => [nn.utils.rnn.PackedSequence<DType>, readonly Tensor<DType>[]]
  readonly vjp: (
    input: Tensor<DType>,
    states: Tensor<DType>[] | null,
    lengths?: number[],
  ) => {
    output: Tensor<DType>
    states: readonly Tensor<DType>[]
    pullback: (
      output: Tensor<DType> | null,
      states: (Tensor<DType> | null)[],
    ) => (readonly Tensor<DType>[])[]
  }
}

type Pair = [Tensor<DType>, Tensor<DType>]

function lstmOf(one: GatedCase, options: Flags & { dtype: DType }): Layers {
  const { projSize = 0 } = one
  const lstm = new nn.LSTM(one.inputSize, one.hiddenSize, { ...options, projSize })
  return {
    module: lstm,
    forward: (input, states, lengths) => lstm.forward(input, states as Pair | null, { lengths }),
    packed: (input, states) => lstm.forward(input, states as Pair | null),
    vjp: (input, states, lengths) => {
      const { output, hN, pullback } = lstm.vjp(input, states as Pair | null, { lengths })
      return {
        output,
        states: hN,
        pullback: (dOutput, [dH = null, dC = null]) => {
          const { input, hx, parameters } = pullback(dOutput, [dH, dC])
          return [[input], hx, [...parameters.values()]]
        },
      }
    },
  }
}

function gruOf(one: GatedCase, options: Flags & { dtype: DType }): Layers {
  const gru = new nn.GRU(one.inputSize, one.hiddenSize, options)
  return {
    module: gru,
    forward: (input, states, lengths) => {
      const [output, hN] = gru.forward(input, states?.[0], { lengths })
      return [output, [hN]]
    },
    packed: (input, states) => {
      const [output, hN] = gru.forward(input, states?.[0])
      return [output, [hN]]
    },
    vjp: (input, states, lengths) => {
      const { output, hN, pullback } = gru.vjp(input, states?.[0], { lengths })
      return {
        output,
        states: [hN],
        pullback: (dOutput, [dH = null]) => {
          const { input, hx, parameters } = pullback(dOutput, dH)
          return [[input], [hx], [...parameters.values()]]
        },
      }
    },
  }
}

/** The numbers of a case in a dtype: where the file of float32 has none, those of float64, rounded. */
class Numbers {
  readonly #golden: Record<DType, Golden>
  readonly #dtype: DType
  readonly #id: string
  readonly #from: DType

  constructor(golden: Record<DType, Golden>, dtype: DType, { id, dtypes }: GatedCase) {
    this.#golden = golden
    this.#dtype = dtype
    this.#id = id
    this.#from = dtypes.includes(dtype) ? dtype : 'float64'
  }

  get(name: string): Tensor<DType> {
    return this.#rounded(this.#golden[this.#from].tensor(`${this.#id}/${name}`))
  }

  leaf(name: string): Tensor<DType> {
    const { data, shape, dtype } = this.get(name)
    return tensor(data.slice(), { shape, dtype, requiresGrad: true })
  }

  /** All cases take the first of these. */
  parameters(module: nn.Module<DType>): Tensor<DType> {
    const all = this.#golden[this.#from].tensor('parameters')
    return this.#rounded(firstOf(all, module))
  }

  #rounded({ data, shape, dtype }: Tensor<DType>): Tensor<DType> {
    const wanted = this.#dtype
    return tensor(wanted === dtype ? data : Float32Array.from(data), { shape, dtype: wanted })
  }
}

/** As many numbers as a module has. */
function firstOf(all: Tensor<DType>, module: nn.Module<DType>): Tensor<DType> {
  const count = module.parameters().reduce((sum, { numel }) => sum + numel, 0)
  return tensor(all.data.slice(0, count), { shape: [count], dtype: all.dtype })
}

/** Σ w·y over the results that have an upstream gradient w. */
function backward(
  results: readonly Tensor<DType>[],
  weights: readonly (Tensor<DType> | null)[],
): void {
  const sums = results.flatMap((y, place) => {
    const w = weights[place]
    return w == null ? [] : [y.mul(w).sum()]
  })
  sums.reduce((sum, one) => sum.add(one)).backward()
}

interface Kind {
  readonly file: string
  readonly make: (one: GatedCase, options: Flags & { dtype: DType }) => Layers
  /** The names of the states at the end and at the beginning. */
  readonly last: readonly string[]
  readonly first: readonly string[]
}

const kinds: readonly (readonly [string, Kind])[] = [
  ['nn.LSTM', { file: 'lstm', make: lstmOf, last: ['hN', 'cN'], first: ['hx', 'cx'] }],
  ['nn.GRU', { file: 'gru', make: gruOf, last: ['hN'], first: ['hx'] }],
]

const gradientOf = (name: string): string => `grad${name[0].toUpperCase()}${name.slice(1)}`

/** All ways to one result. */
function check(kind: Kind, one: GatedCase, dtype: DType, golden: Record<DType, Golden>): string[] {
  const numbers = new Numbers(golden, dtype, one)
  const { numLayers, bidirectional, bias, batchFirst, lengths, upstream } = one
  const [outputName, ...stateNames] = ['output', ...kind.last]
  const weights = [outputName, ...stateNames].map((name) =>
    upstream.includes(name) ? numbers.get(gradientOf(name)) : null,
  )
  const prepare = () => {
    const layers = kind.make(one, { numLayers, bidirectional, bias, batchFirst, dtype })
    const { module } = layers
    module.loadStateDict(unflatten(module, numbers.parameters(module)))
    const input = numbers.leaf('input')
    const states = one.hx ? kind.first.map((name) => numbers.leaf(name)) : null
    return { ...layers, input, states }
  }
  const compareAll = (
    route: string,
    module: nn.Module<DType>,
    results: readonly Tensor<DType>[],
    input: Tensor<DType> | null,
    states: readonly (Tensor<DType> | null)[],
    parameters: readonly (Tensor<DType> | null)[],
  ): string[] => {
    const wanted = [...unflatten(module, numbers.get('grad/parameters'))]
    return [
      ...[outputName, ...stateNames].flatMap((name, place) =>
        compare(`${route}: ${name}`, results[place], numbers.get(name), VALUES[dtype]),
      ),
      ...compare(`${route}: d input`, input, numbers.get('grad/input'), GRADIENTS[dtype]),
      ...(one.hx ? kind.first : []).flatMap((name, place) =>
        compare(
          `${route}: d ${name}`,
          states[place],
          numbers.get(`grad/${name}`),
          GRADIENTS[dtype],
        ),
      ),
      ...wanted.flatMap(([name, want], place) =>
        compare(`${route}: d ${name}`, parameters[place], want, GRADIENTS[dtype]),
      ),
    ]
  }
  const onTape = (
    route: string,
    run: (setting: ReturnType<typeof prepare>) => [Tensor<DType>, readonly Tensor<DType>[]],
  ): string[] => {
    const setting = prepare()
    const [output, last] = run(setting)
    const results = [output, ...last]
    backward(results, weights)
    return compareAll(
      route,
      setting.module,
      results,
      setting.input.grad,
      (setting.states ?? []).map(({ grad }) => grad),
      setting.module.parameters().map(({ grad }) => grad),
    )
  }
  const withVjp = (): string[] => {
    const setting = prepare()
    const { output, states, pullback } = setting.vjp(setting.input, setting.states, lengths)
    const [dOutput, ...dStates] = weights
    const [[input], hx, parameters] = pullback(dOutput ?? null, dStates)
    return compareAll('vjp', setting.module, [output, ...states], input, hx, parameters)
  }
  const packed = (): string[] =>
    onTape('packed', (setting) => {
      const { input, states } = setting
      const [batch, steps] = batchFirst ? input.shape : input.shape.toReversed().slice(1)
      const sequences = packPaddedSequence(input, lengths ?? new Array(batch).fill(steps), {
        batchFirst,
        enforceSorted: false,
      })
      const [output, last] = setting.packed(sequences, states)
      return [padPackedSequence(output, { batchFirst, totalLength: steps })[0], last]
    })
  return [
    ...onTape('forward', (setting) => setting.forward(setting.input, setting.states, lengths)),
    ...(one.layout === 'unbatched' ? [] : packed()),
    ...withVjp(),
  ]
}

describe.each(kinds)('%s gives the outputs and gradients of PyTorch', (_, kind) => {
  const all = readCases<GatedCase>(`${kind.file}.json`)
  const golden = {
    float64: new Golden(`${kind.file}-float64.safetensors`),
    float32: new Golden(`${kind.file}-float32.safetensors`),
  }
  const fixed = all.filter(({ lengths }) => lengths === undefined)
  const name = ({ id, ...rest }: GatedCase): string => `${id} ${JSON.stringify(rest)}`

  it('over the whole product of flags', () => {
    const flags = fixed.map((one) => {
      const layout = one.layout === 'batched' && one.batchFirst ? 'batchFirst' : one.layout
      const projects = (one.projSize ?? 0) > 0
      return [one.numLayers, one.bidirectional, one.bias, projects, layout, one.hx].join()
    })
    expect(new Set(flags).size).toBe(2 * 2 * 2 * 3 * 2 * (kind.file === 'lstm' ? 2 : 1))
    expect(all.length - fixed.length).toBe(kind.file === 'lstm' ? 12 : 10)
  })

  it.each<DType>(['float64', 'float32'])('padded, packed and by vjp: %s', (dtype) => {
    checkAll(fixed, name, (one) => check(kind, one, dtype, golden))
  })

  it.each<DType>(['float64', 'float32'])('of different lengths: %s', (dtype) => {
    const cases = all.filter(({ lengths }) => lengths !== undefined)
    checkAll(cases, name, (one) => check(kind, one, dtype, golden))
  })
})

interface CellCase {
  id: string
  inputSize: number
  hiddenSize: number
  options: { bias: boolean; dtype: DType }
  hx: boolean
  T: number
  upstream: string[]
}

/** A cell as a loop: the h of every step, and the last states. */
type Loop = (
  inputs: Tensor<DType>[],
  states: Tensor<DType>[] | null,
) => { h: Tensor<DType>[]; last: readonly Tensor<DType>[] }

const cells: readonly (readonly [string, (one: CellCase) => [nn.Module<DType>, Loop]])[] = [
  [
    'lstm-cell',
    ({ inputSize, hiddenSize, options }) => {
      const cell = new nn.LSTMCell(inputSize, hiddenSize, options)
      const loop: Loop = (inputs, states) => {
        let state = states as Pair | null
        const h = inputs.map((x) => {
          state = cell.forward(x, state)
          return state[0]
        })
        return { h, last: state ?? [] }
      }
      return [cell, loop]
    },
  ],
  [
    'gru-cell',
    ({ inputSize, hiddenSize, options }) => {
      const cell = new nn.GRUCell(inputSize, hiddenSize, options)
      const loop: Loop = (inputs, states) => {
        let state = states?.[0] ?? null
        const h = inputs.map((x) => {
          state = cell.forward(x, state)
          return state
        })
        return { h, last: h.slice(-1) }
      }
      return [cell, loop]
    },
  ],
]

it.each(cells)('%s gives the steps and gradients of PyTorch', (file, make) => {
  const golden = new Golden(`${file}.safetensors`)
  const cases = readCases<CellCase>(`${file}.json`)
  const check = (one: CellCase): string[] => {
    const { id, upstream } = one
    const { dtype } = one.options
    const [cell, loop] = make(one)
    cell.loadStateDict(unflatten(cell, firstOf(golden.tensor(`parameters/${dtype}`), cell)))
    const input = golden.leaf(`${id}/input`)
    const names = file === 'lstm-cell' ? ['hx', 'cx'] : ['hx']
    const states = one.hx ? names.map((name) => golden.leaf(`${id}/${name}`)) : null
    const steps = Array.from({ length: one.T }, (_, t) => input.select(0, t))
    const { h, last } = loop(steps, states)
    const wanted = golden.tensor(`${id}/output`)
    const results = [...h, ...last.slice(1)]
    const weights = [
      ...h.map((_, t) =>
        upstream.includes('output') ? golden.tensor(`${id}/gradOutput`).select(0, t) : null,
      ),
      ...last.slice(1).map(() => (upstream.includes('cN') ? golden.tensor(`${id}/gradCN`) : null)),
    ]
    backward(results, weights)
    const gradients = unflatten(cell, golden.tensor(`${id}/grad/parameters`))
    return [
      ...h.flatMap((y, t) => compare(`h of step ${t}`, y, wanted.select(0, t), VALUES[dtype])),
      ...last.slice(1).flatMap((c) => compare('cN', c, golden.tensor(`${id}/cN`), VALUES[dtype])),
      ...compare('d input', input.grad, golden.tensor(`${id}/grad/input`), GRADIENTS[dtype]),
      ...(states ?? []).flatMap(({ grad }, place) =>
        compare(
          `d ${names[place]}`,
          grad,
          golden.tensor(`${id}/grad/${names[place]}`),
          GRADIENTS[dtype],
        ),
      ),
      ...cell
        .namedParameters()
        .flatMap(([name, { grad }]) =>
          compare(`d ${name}`, grad, gradients.get(name) ?? input, GRADIENTS[dtype]),
        ),
    ]
  }
  expect(cases.length).toBe(2 * 3 * 2 * 2)
  checkAll(cases, ({ id, options, hx }) => `${id} ${JSON.stringify({ ...options, hx })}`, check)
})
