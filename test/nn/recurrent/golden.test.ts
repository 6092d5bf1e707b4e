/** The recurrent modules against what PyTorch computed. */

import { nn, type Tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import {
  checkAll,
  compare,
  type DType,
  Golden,
  GRADIENTS,
  type Options,
  readCases,
  unflatten,
  VALUES,
} from '../../helpers/golden'

interface RnnCase {
  id: string
  dtypes: DType[]
  inputSize: number
  hiddenSize: number
  numLayers: number
  bidirectional: boolean
  bias: boolean
  nonlinearity: 'tanh' | 'relu'
  batchFirst: boolean
  layout: 'batched' | 'unbatched'
  hx: boolean
  T: number
  B: number
  upstream: 'both' | 'output' | 'hN'
  lengths?: number[]
}

interface RnnResult {
  output: Tensor<DType>
  hN: Tensor<DType>
  input: Tensor<DType> | null
  hx: Tensor<DType> | null | undefined
  parameters: Map<string, Tensor<DType> | null>
}

interface RnnSetting {
  rnn: nn.RNN<DType>
  input: Tensor<DType>
  hx: Tensor<DType> | undefined
  gradOutput: Tensor<DType> | null
  gradHN: Tensor<DType> | null
  lengths: number[] | undefined
  batchFirst: boolean
}

/** `loss` is the sum of both results, each weighted by its upstream gradient, so its gradient is what torch had. */
function backward(
  output: Tensor<DType>,
  hN: Tensor<DType>,
  { gradOutput, gradHN }: RnnSetting,
): void {
  if (gradOutput && gradHN) output.mul(gradOutput).sum().add(hN.mul(gradHN).sum()).backward()
  else if (gradOutput) output.backward(gradOutput)
  else if (gradHN) hN.backward(gradHN)
}

function onTape(setting: RnnSetting, forward: () => [Tensor<DType>, Tensor<DType>]): RnnResult {
  const [output, hN] = forward()
  backward(output, hN, setting)
  const parameters = new Map<string, Tensor<DType> | null>()
  for (const [name, parameter] of setting.rnn.namedParameters())
    parameters.set(name, parameter.grad)
  return { output, hN, input: setting.input.grad, hx: setting.hx?.grad, parameters }
}

/** The ways to one result; each gets a setting of its own. */
const ROUTES: Record<string, (setting: RnnSetting) => RnnResult> = {
  'forward and backward': (setting) =>
    onTape(setting, () => {
      const { rnn, input, hx, lengths } = setting
      return lengths ? rnn.forward(input, hx, { lengths }) : rnn.forward(input, hx)
    }),
  'pack, forward, pad and backward': (setting) =>
    onTape(setting, () => {
      const { rnn, input, hx, lengths, batchFirst } = setting
      const [batch, steps] = batchFirst ? input.shape : input.shape.toReversed().slice(1)
      const packed = packPaddedSequence(input, lengths ?? new Array(batch).fill(steps), {
        batchFirst,
        enforceSorted: false,
      })
      const [packedOutput, hN] = rnn.forward(packed, hx)
      const [output] = padPackedSequence(packedOutput, { batchFirst, totalLength: steps })
      return [output, hN]
    }),
  vjp: ({ rnn, input, hx, gradOutput, gradHN, lengths }) => {
    const { output, hN, pullback } = lengths ? rnn.vjp(input, hx, { lengths }) : rnn.vjp(input, hx)
    return { output, hN, ...pullback(gradOutput, gradHN) }
  },
}

function describeRnn(one: RnnCase): string {
  const flags = [
    `${one.numLayers} layers`,
    one.bidirectional ? 'bidirectional' : '',
    one.bias ? '' : 'no bias',
    one.nonlinearity,
    one.batchFirst ? 'batchFirst' : '',
    one.layout,
    one.hx ? 'hx' : '',
    `T ${one.T}`,
    `B ${one.B}`,
    one.lengths ? `lengths ${one.lengths}` : '',
    `gradient of ${one.upstream}`,
  ]
  return `${one.id} RNN(${one.inputSize}, ${one.hiddenSize}) ${flags.filter(Boolean).join(', ')}`
}

function rnnSetting(one: RnnCase, dtype: DType, golden: Golden): RnnSetting {
  const { numLayers, bidirectional, bias, nonlinearity, batchFirst } = one
  const options = { numLayers, bidirectional, bias, nonlinearity, batchFirst, dtype }
  const rnn = new nn.RNN(one.inputSize, one.hiddenSize, options)
  rnn.loadStateDict(unflatten(rnn, golden.tensor(`${one.id}/parameters`)))
  return {
    rnn,
    input: golden.leaf(`${one.id}/input`),
    hx: one.hx ? golden.leaf(`${one.id}/hx`) : undefined,
    gradOutput: one.upstream === 'hN' ? null : golden.tensor(`${one.id}/gradOutput`),
    gradHN: one.upstream === 'output' ? null : golden.tensor(`${one.id}/gradHN`),
    lengths: one.lengths,
    batchFirst,
  }
}

function checkRnn(one: RnnCase, dtype: DType, golden: Golden): string[] {
  return Object.entries(ROUTES).flatMap(([route, run]) => {
    if (route.startsWith('pack') && one.layout === 'unbatched') return []
    const setting = rnnSetting(one, dtype, golden)
    const result = run(setting)
    const value = (name: string, got: Tensor<DType>) =>
      compare(`${route}: ${name}`, got, golden.tensor(`${one.id}/${name}`), VALUES[dtype])
    const gradient = (name: string, got: Tensor<DType> | null | undefined, want: Tensor<DType>) =>
      compare(`${route}: gradient of ${name}`, got, want, GRADIENTS[dtype])
    const parameters = unflatten(setting.rnn, golden.tensor(`${one.id}/grad/parameters`))
    return [
      ...value('output', result.output),
      ...value('hN', result.hN),
      ...gradient('input', result.input, golden.tensor(`${one.id}/grad/input`)),
      ...(one.hx ? gradient('hx', result.hx, golden.tensor(`${one.id}/grad/hx`)) : []),
      ...[...parameters].flatMap(([name, want]) =>
        gradient(name, result.parameters.get(name), want),
      ),
    ]
  })
}

const { packPaddedSequence, padPackedSequence } = nn.utils.rnn

describe('nn.RNN gives the outputs and gradients of PyTorch', () => {
  const all = readCases<RnnCase>('rnn.json')
  const fixed = all.filter(({ lengths }) => lengths === undefined)

  it('over the whole product of flags', () => {
    const flags = fixed.map((one) => {
      const layout = one.layout === 'batched' && one.batchFirst ? 'batchFirst' : one.layout
      return [one.numLayers, one.bidirectional, one.bias, one.nonlinearity, layout, one.hx].join()
    })
    expect(new Set(flags).size).toBe(3 * 2 * 2 * 2 * 3 * 2)
    for (const { dtypes } of fixed) expect(dtypes).toEqual(['float64', 'float32'])
  })

  describe.each<DType>(['float64', 'float32'])('%s', (dtype) => {
    const golden = new Golden(`rnn-${dtype}.safetensors`)

    it.each([1, 2, 3])('layers: %i', (numLayers) => {
      const cases = fixed.filter((one) => one.numLayers === numLayers)
      checkAll(cases, describeRnn, (one) => checkRnn(one, dtype, golden))
    })

    if (dtype === 'float64') {
      it('sequences of different lengths', () => {
        const cases = all.filter(({ lengths }) => lengths !== undefined)
        checkAll(cases, describeRnn, (one) => checkRnn(one, dtype, golden))
      })
    }
  })
})

interface CellCase {
  id: string
  inputSize: number
  hiddenSize: number
  options: NonNullable<Options<typeof nn.RNNCell, 2>> & { dtype: DType }
  hx: boolean
}

function checkCell({ id, inputSize, hiddenSize, options, hx }: CellCase, golden: Golden): string[] {
  const cell = new nn.RNNCell(inputSize, hiddenSize, options)
  cell.loadStateDict(unflatten(cell, golden.tensor(`${id}/parameters`)))
  const input = golden.leaf(`${id}/input`)
  const state = hx ? golden.leaf(`${id}/hx`) : null
  const output = cell.forward(input, state)
  output.backward(golden.tensor(`${id}/gradOutput`))
  const { dtype } = options
  const gradient = (name: string, got: Tensor<DType> | null | undefined, want: Tensor<DType>) =>
    compare(`gradient of ${name}`, got, want, GRADIENTS[dtype])
  const gradients = unflatten(cell, golden.tensor(`${id}/grad/parameters`))
  return [
    ...compare('output', output, golden.tensor(`${id}/output`), VALUES[dtype]),
    ...gradient('input', input.grad, golden.tensor(`${id}/grad/input`)),
    ...(hx ? gradient('hx', state?.grad, golden.tensor(`${id}/grad/hx`)) : []),
    ...cell
      .namedParameters()
      .flatMap(([name, { grad }]) => gradient(name, grad, gradients.get(name) ?? input)),
  ]
}

it('nn.RNNCell gives the outputs and gradients of PyTorch', () => {
  const golden = new Golden('cell.safetensors')
  const cases = readCases<CellCase>('cell.json')
  expect(cases.length).toBe(2 * 2 * 2 * 3 * 2)
  checkAll(
    cases,
    ({ id, options, hx }) => `${id} ${JSON.stringify(options)}${hx ? ' hx' : ''}`,
    (one) => checkCell(one, golden),
  )
})

interface JordanCase {
  id: string
  inputSize: number
  hiddenSize: number
  outputSize: number
  options: NonNullable<Options<typeof nn.JordanRNN, 3>> & { dtype: DType }
  teacher: boolean
  y0: boolean
  lengths: number[] | null
}

function checkJordan(one: JordanCase, golden: Golden): string[] {
  const { id, inputSize, hiddenSize, outputSize, options, lengths } = one
  const network = new nn.JordanRNN(inputSize, hiddenSize, outputSize, options)
  network.loadStateDict(unflatten(network, golden.tensor(`${id}/parameters`)))
  const input = golden.leaf(`${id}/input`)
  const y0 = one.y0 ? golden.leaf(`${id}/y0`) : null
  const teacher = one.teacher ? golden.leaf(`${id}/teacher`) : null
  const [output, yN] = network.forward(input, y0, { teacher, lengths })
  output
    .mul(golden.tensor(`${id}/gradOutput`))
    .sum()
    .add(yN.mul(golden.tensor(`${id}/gradYN`)).sum())
    .backward()
  const { dtype } = options
  const gradient = (name: string, got: Tensor<DType> | null | undefined, want: Tensor<DType>) =>
    compare(`gradient of ${name}`, got, want, GRADIENTS[dtype])
  const gradients = unflatten(network, golden.tensor(`${id}/grad/parameters`))
  const states = Object.entries({ y0, teacher }).filter(([, state]) => state !== null)
  return [
    ...compare('output', output, golden.tensor(`${id}/output`), VALUES[dtype]),
    ...compare('yN', yN, golden.tensor(`${id}/yN`), VALUES[dtype]),
    ...gradient('input', input.grad, golden.tensor(`${id}/grad/input`)),
    ...states.flatMap(([name, state]) =>
      gradient(name, state?.grad, golden.tensor(`${id}/grad/${name}`)),
    ),
    ...network
      .namedParameters()
      .flatMap(([name, { grad }]) => gradient(name, grad, gradients.get(name) ?? input)),
  ]
}

it('nn.JordanRNN gives the outputs and gradients of the same network in PyTorch', () => {
  const golden = new Golden('jordan.safetensors')
  const cases = readCases<JordanCase>('jordan.json')
  expect(cases.length).toBe(2 * 3 * 2 * 2)
  checkAll(
    cases,
    ({ id, options, teacher, lengths }) =>
      `${id} ${JSON.stringify(options)}${teacher ? ' teacher' : ''} ${lengths ?? ''}`,
    (one) => checkJordan(one, golden),
  )
})
