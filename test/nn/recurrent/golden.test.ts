/**
 * The package against what PyTorch computed; test/golden/README.md says what is stored.
 *
 * Tolerances are relative to 1 + |value|: float64 agrees to 1e-11 in values and 1e-9 in gradients, float32 to
 * 1e-5 and 2e-4, and what a seed gives is equal bit for bit (normal numbers, which go through log, sin and cos,
 * to rounding). Each test walks a group of cases and lists every tensor that differs.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  cat,
  loadSafetensors,
  manualSeed,
  nn,
  optim,
  rand,
  randn,
  stack,
  Tensor,
  tensor,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'

// ------------------------------------------------------------------------------------------ reading the files

type DType = Tensor['dtype']
type Stored = ReturnType<typeof loadSafetensors> extends Map<string, infer Value> ? Value : never
type Indices = Exclude<Stored, Tensor>
type Options<
  Class extends abstract new (
    ...args: never[]
  ) => unknown,
  At extends number,
> = ConstructorParameters<Class>[At]

function locate(file: string): string {
  return fileURLToPath(new URL(`./golden/${file}`, import.meta.url))
}

function readCases<Case>(file: string): Case[] {
  return JSON.parse(readFileSync(locate(file), 'utf8')) as Case[]
}

/** The tensors of one file, by name. */
class Golden {
  readonly #tensors: Map<string, Stored>

  constructor(file: string) {
    this.#tensors = loadSafetensors(locate(file))
  }

  get(name: string): Stored {
    const stored = this.#tensors.get(name)
    if (stored === undefined) throw new Error(`no golden tensor is called ${name}`)
    return stored
  }

  tensor(name: string): Tensor {
    const stored = this.get(name)
    if (!(stored instanceof Tensor))
      throw new Error(`${name} holds ${stored.dtype}, not real numbers`)
    return stored
  }

  indices(name: string): Indices {
    const stored = this.get(name)
    if (stored instanceof Tensor) throw new Error(`${name} holds ${stored.dtype}, not indices`)
    return stored
  }

  /** A fresh copy that collects a gradient. */
  leaf(name: string): Tensor {
    const { data, shape, dtype } = this.tensor(name)
    return tensor(data.slice(), { shape: [...shape], dtype, requiresGrad: true })
  }
}

/** Cuts numbers that were joined in state-dict order into the tensors of a module. */
function unflatten(module: nn.Module, flat: Tensor): Map<string, Tensor> {
  const pieces = new Map<string, Tensor>()
  let start = 0
  for (const [name, { shape, numel }] of module.stateDict()) {
    const data = flat.data.slice(start, start + numel)
    pieces.set(name, tensor(data, { shape: [...shape], dtype: flat.dtype }))
    start += numel
  }
  if (start !== flat.numel)
    throw new Error(`the module has ${start} parameters, PyTorch's has ${flat.numel}`)
  return pieces
}

// ---------------------------------------------------------------------------------------------------- comparing

const VALUES: Record<DType, number> = { float64: 1e-11, float32: 1e-5 }
const GRADIENTS: Record<DType, number> = { float64: 1e-9, float32: 2e-4 }

function sameNumber(got: number, want: number, tolerance: number): boolean {
  if (tolerance === 0 || Number.isNaN(want)) return Object.is(got, want)
  return got === want || Math.abs(got - want) <= tolerance * (1 + Math.abs(want))
}

/** A sentence if the two differ, none if they agree; a tolerance of 0 asks for equal bits. */
function compare(
  what: string,
  got: Tensor | null | undefined,
  want: Tensor,
  tolerance: number,
): string[] {
  if (!got) return [`${what}: there is none`]
  if (got.dtype !== want.dtype) return [`${what}: dtype ${got.dtype}, PyTorch has ${want.dtype}`]
  if (`${got.shape}` !== `${want.shape}`)
    return [`${what}: shape [${got.shape}], PyTorch has [${want.shape}]`]
  if (got.data.length !== want.data.length)
    return [`${what}: ${got.data.length} numbers for shape [${got.shape}]`]
  const wrong: string[] = []
  for (const [index, expected] of want.data.entries()) {
    const actual = got.data[index]
    if (!sameNumber(actual, expected, tolerance))
      wrong.push(`[${index}] is ${actual}, PyTorch has ${expected}`)
  }
  return wrong.length === 0
    ? []
    : [`${what}: ${wrong.length} of ${want.numel} differ by more than ${tolerance}: ${wrong[0]}`]
}

function compareNumber(what: string, got: number, want: number, tolerance: number): string[] {
  return sameNumber(got, want, tolerance)
    ? []
    : [`${what}: ${got}, PyTorch has ${want} (tolerance ${tolerance})`]
}

/** Runs every case, so that one failure does not hide the others, and fails with a list of what differs. */
function checkAll<Case>(
  cases: Case[],
  name: (one: Case) => string,
  differences: (one: Case) => string[],
): void {
  expect(cases.length).toBeGreaterThan(0)
  const found: string[] = []
  for (const one of cases) {
    try {
      found.push(...differences(one).map((difference) => `${name(one)}: ${difference}`))
    } catch (error) {
      found.push(
        `${name(one)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    }
  }
  const shown = found.slice(0, 10).join('\n')
  if (found.length > 0)
    expect.fail(
      `${found.length} differences in ${cases.length} cases, the first of them:\n${shown}`,
    )
}

// ----------------------------------------------------------------------------------------------------------- RNN

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
  output: Tensor
  hN: Tensor
  input: Tensor | null
  hx: Tensor | null | undefined
  parameters: Map<string, Tensor | null>
}

interface RnnSetting {
  rnn: nn.RNN
  input: Tensor
  hx: Tensor | undefined
  gradOutput: Tensor | null
  gradHN: Tensor | null
  lengths: number[] | undefined
  batchFirst: boolean
}

/** `loss` is the sum of both results, each weighted by its upstream gradient, so its gradient is what torch had. */
function backward(output: Tensor, hN: Tensor, { gradOutput, gradHN }: RnnSetting): void {
  if (gradOutput && gradHN) output.mul(gradOutput).sum().add(hN.mul(gradHN).sum()).backward()
  else if (gradOutput) output.backward(gradOutput)
  else if (gradHN) hN.backward(gradHN)
}

function onTape(setting: RnnSetting, forward: () => [Tensor, Tensor]): RnnResult {
  const [output, hN] = forward()
  backward(output, hN, setting)
  const parameters = new Map<string, Tensor | null>()
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
    const value = (name: string, got: Tensor) =>
      compare(`${route}: ${name}`, got, golden.tensor(`${one.id}/${name}`), VALUES[dtype])
    const gradient = (name: string, got: Tensor | null | undefined, want: Tensor) =>
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

// ------------------------------------------------------------------------------------------------------ RNNCell

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
  const gradient = (name: string, got: Tensor | null | undefined, want: Tensor) =>
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

// ---------------------------------------------------------------------------------------------------- JordanRNN

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
  const gradient = (name: string, got: Tensor | null | undefined, want: Tensor) =>
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

// ---------------------------------------------------------------------------------------------- initial values

type InitStep = { names: string[] } & (
  | { kind: 'RNN'; arguments: [number, number]; options: Options<typeof nn.RNN, 2> }
  | { kind: 'RNNCell'; arguments: [number, number]; options: Options<typeof nn.RNNCell, 2> }
  | { kind: 'Linear'; arguments: [number, number]; options: Options<typeof nn.Linear, 2> }
  | { kind: 'Embedding'; arguments: [number, number]; options: Options<typeof nn.Embedding, 2> }
  | { kind: 'rand'; arguments: [number[]]; options: Parameters<typeof rand>[1] }
  | { kind: 'randn'; arguments: [number[]]; options: Parameters<typeof randn>[1] }
)

interface InitCase {
  id: string
  program: string
  seed: number
  steps: InitStep[]
}

function perform(step: InitStep): Map<string, Tensor> {
  switch (step.kind) {
    case 'RNN':
      return new nn.RNN(...step.arguments, step.options).stateDict()
    case 'RNNCell':
      return new nn.RNNCell(...step.arguments, step.options).stateDict()
    case 'Linear':
      return new nn.Linear(...step.arguments, step.options).stateDict()
    case 'Embedding':
      return new nn.Embedding(...step.arguments, step.options).stateDict()
    case 'rand':
      return new Map([['values', rand(...step.arguments, step.options)]])
    case 'randn':
      return new Map([['values', randn(...step.arguments, step.options)]])
  }
}

describe('a seed gives the numbers of PyTorch', () => {
  const golden = new Golden('init.safetensors')
  const cases = readCases<InitCase>('init.json')

  /** Normal numbers go through log, sin and cos, which no two mathematics libraries round alike. */
  function tolerance({ kind }: InitStep, { dtype }: Tensor): number {
    if (kind !== 'Embedding' && kind !== 'randn') return 0
    return dtype === 'float64' ? 1e-12 : 1e-6
  }

  const programs = new Set(cases.map(({ program }) => program))

  it.each([...programs])('%s', (program) => {
    checkAll(
      cases.filter((one) => one.program === program),
      ({ seed }) => `manualSeed(${seed})`,
      ({ id, seed, steps }) => {
        manualSeed(seed)
        return steps.flatMap((step, number) => {
          const result = perform(step)
          expect([...result.keys()]).toEqual(step.names)
          return [...result].flatMap(([name, got]) => {
            const want = golden.tensor(`${id}/${number}/${name}`)
            return compare(
              `${step.kind}(${step.arguments}) ${name}`,
              got,
              want,
              tolerance(step, want),
            )
          })
        })
      },
    )
  })
})

// ------------------------------------------------------------------------------------------------ trajectories

interface Trajectory {
  id: string
  dtype: DType
  seed: number
  embedding: { numEmbeddings: number; embeddingDim: number; paddingIdx: number } | null
  rnn: { inputSize: number; hiddenSize: number; options: NonNullable<Options<typeof nn.RNN, 2>> }
  outputs: number
  loss:
    | {
        kind: 'MSELoss' | 'L1Loss' | 'BCEWithLogitsLoss'
        options: Options<typeof nn.MSELoss, 0>
      }
    | { kind: 'CrossEntropyLoss'; options: Options<typeof nn.CrossEntropyLoss, 0> }
  optimizer:
    | { kind: 'SGD'; options: Options<typeof optim.SGD, 1> }
    | { kind: 'Adam' | 'AdamW'; options: Options<typeof optim.Adam, 1> }
    | { kind: 'RMSprop'; options: Options<typeof optim.RMSprop, 1> }
  scheduler?: Schedule
  maxNorm: number | null
  maxValue?: number
  /** A new chunk of a longer sequence in each step, and the hidden state of the last one. */
  carry: boolean
  names: string[]
  losses: number[]
  norms: number[]
  /** Learning rates by step, where there is a schedule. */
  rates?: number[]
}

type Schedule =
  | { kind: 'StepLR'; options: { stepSize: number; gamma?: number; lastEpoch?: number } }
  | { kind: 'CosineAnnealingLR'; options: { tMax: number; etaMin?: number; lastEpoch?: number } }
  | {
      kind: 'ReduceLROnPlateau'
      options: NonNullable<Options<typeof optim.lrScheduler.ReduceLROnPlateau, 1>>
    }

type AnyOptimizer = optim.SGD | optim.Adam | optim.AdamW | optim.RMSprop

interface AnyScheduler {
  step(metrics: number): void
  stateDict(): object
  getLastLr(): number[]
}

function makeOptimizer(chosen: Trajectory['optimizer'], parameters: Tensor[]): AnyOptimizer {
  if (chosen.kind === 'SGD') return new optim.SGD(parameters, chosen.options)
  if (chosen.kind === 'RMSprop') return new optim.RMSprop(parameters, chosen.options)
  return new optim[chosen.kind](parameters, chosen.options)
}

function makeScheduler(chosen: Schedule, optimizer: AnyOptimizer): AnyScheduler {
  const { ReduceLROnPlateau, StepLR, CosineAnnealingLR } = optim.lrScheduler
  if (chosen.kind === 'ReduceLROnPlateau') return new ReduceLROnPlateau(optimizer, chosen.options)
  if (chosen.kind === 'StepLR') {
    const { stepSize, ...options } = chosen.options
    return new StepLR(optimizer, stepSize, options)
  }
  const { tMax, ...options } = chosen.options
  return new CosineAnnealingLR(optimizer, tMax, options)
}

/** Roundings add up over 25 steps: the losses get the room that gradients have elsewhere in float64. */
const LOSSES: Record<DType, number> = { float64: 1e-9, float32: 1e-5 }

class Model extends nn.Module {
  readonly embedding: nn.Embedding | undefined
  readonly rnn: nn.RNN
  readonly head: nn.Linear

  constructor({ dtype, embedding, rnn, outputs }: Trajectory) {
    super()
    if (embedding) {
      const { numEmbeddings, embeddingDim, paddingIdx } = embedding
      this.embedding = new nn.Embedding(numEmbeddings, embeddingDim, { paddingIdx, dtype })
    }
    this.rnn = new nn.RNN(rnn.inputSize, rnn.hiddenSize, { ...rnn.options, dtype })
    this.head = new nn.Linear((rnn.options.bidirectional ? 2 : 1) * rnn.hiddenSize, outputs, {
      dtype,
    })
  }

  forward(input: Stored, hx?: Tensor): [Tensor, Tensor] {
    const [output, hN] = this.rnn.forward(this.#features(input), hx)
    return [this.head.forward(output), hN]
  }

  #features(input: Stored): Tensor {
    if (input instanceof Tensor) return input
    if (this.embedding === undefined) throw new Error('indices need an embedding')
    return this.embedding.forward(input)
  }
}

/** The chunk of a step where chunks are stored along the first axis. */
function chunk({ data, shape: [, ...shape] }: Indices, step: number): Indices {
  const size = shape.reduce((product, length) => product * length, 1)
  return tensor(data.slice(step * size, (step + 1) * size), { shape, dtype: 'int32' })
}

function checkTrajectory(one: Trajectory, golden: Golden): string[] {
  const { id, dtype, names } = one
  manualSeed(one.seed)
  const model = new Model(one)
  expect([...model.stateDict().keys()]).toEqual(names)
  const initial = new Map(names.map((name) => [name, golden.tensor(`${id}/initial/${name}`)]))
  const differences = [...model.stateDict()].flatMap(([name, got]) => {
    const tolerance = name.startsWith('embedding.') ? 1e-6 : 0
    return compare(`initial ${name}`, got, golden.tensor(`${id}/initial/${name}`), tolerance)
  })
  model.loadStateDict(initial) // an embedding's normal numbers differ in their last bits

  const { loss, optimizer: chosen } = one
  const pointwise = loss.kind === 'CrossEntropyLoss' ? null : new nn[loss.kind](loss.options)
  const crossEntropy =
    loss.kind === 'CrossEntropyLoss' ? new nn.CrossEntropyLoss(loss.options) : null
  const score = (prediction: Tensor, target: Stored): Tensor | undefined =>
    target instanceof Tensor
      ? pointwise?.forward(prediction, target)
      : crossEntropy?.forward(prediction, target)
  const optimizer = makeOptimizer(chosen, model.parameters())
  const scheduler = one.scheduler === undefined ? null : makeScheduler(one.scheduler, optimizer)

  let state: Tensor | undefined
  for (const [step, expected] of one.losses.entries()) {
    const input = one.carry ? chunk(golden.indices(`${id}/input`), step) : golden.get(`${id}/input`)
    const target = one.carry
      ? chunk(golden.indices(`${id}/target`), step)
      : golden.get(`${id}/target`)
    optimizer.zeroGrad()
    const [prediction, hN] = model.forward(input, one.carry ? state : undefined)
    state = hN.detach()
    const value = score(prediction, target)
    if (value === undefined) throw new Error(`${loss.kind} does not take ${target.dtype} targets`)
    value.backward()
    differences.push(
      ...compareNumber(`loss of step ${step}`, value.item(), expected, LOSSES[dtype]),
    )
    if (one.maxNorm !== null) {
      const norm = nn.utils.clipGradNorm_(model.parameters(), one.maxNorm)
      differences.push(
        ...compareNumber(`gradient norm of step ${step}`, norm, one.norms[step], GRADIENTS[dtype]),
      )
    }
    if (one.maxValue !== undefined) {
      nn.utils.clipGradValue_(model.parameters(), one.maxValue)
    }
    optimizer.step()
    if (scheduler !== null) {
      const rate = optimizer.paramGroups[0].lr
      differences.push(
        ...compareNumber(`rate of step ${step}`, rate, one.rates?.[step] ?? Number.NaN, 1e-12),
      )
      scheduler.step(value.item())
    }
  }
  for (const [name, got] of model.stateDict()) {
    differences.push(
      ...compare(`final ${name}`, got, golden.tensor(`${id}/final/${name}`), GRADIENTS[dtype]),
    )
  }
  return differences
}

describe('25 training steps give the losses of PyTorch, step by step', () => {
  const golden = new Golden('trajectory.safetensors')
  const cases = readCases<Trajectory>('trajectory.json')

  it.each(cases.map((one) => [one.id, one] as const))('%s', (id, one) => {
    expect(one.losses.length).toBe(25)
    checkAll(
      [one],
      () => id,
      () => checkTrajectory(one, golden),
    )
  })
})

// --------------------------------------------------------------------------------------------------- schedules

type ScheduleCase = Schedule & { id: string; rates: number[][]; state: Record<string, unknown> }

describe('schedules give the learning rates and the state of PyTorch', () => {
  const [first, ...cases] = readCases<{ metrics: (number | null)[] } & ScheduleCase>(
    'schedule.json',
  )

  it.each(cases.map((one) => [one.id, one] as const))('%s', (_, one) => {
    const make = (): { optimizer: optim.SGD; scheduler: AnyScheduler } => {
      const initialLr = 'lastEpoch' in one.options ? 0.8 : undefined
      const parameter = (): Tensor => tensor([0], { requiresGrad: true })
      const optimizer = new optim.SGD(
        [
          { params: [parameter()], lr: 0.2, initialLr },
          { params: [parameter()], initialLr },
        ],
        { lr: 0.5 },
      )
      return { optimizer, scheduler: makeScheduler(one, optimizer) }
    }
    const { optimizer, scheduler } = make()
    optimizer.step()
    const rates = (): number[] => optimizer.paramGroups.map(({ lr }) => lr)
    const differences: string[] = []
    for (const [epoch, expected] of one.rates.entries()) {
      differences.push(
        ...expected.flatMap((want, group) =>
          compareNumber(`epoch ${epoch}, group ${group}`, rates()[group], want, 1e-14),
        ),
      )
      expect(scheduler.getLastLr()).toEqual(rates())
      if (epoch < first.metrics.length) scheduler.step(first.metrics[epoch] ?? Number.NaN)
    }
    expect(differences).toEqual([])
    // What torch names alike, key by key; learning rates of a cosine may differ in their last bits.
    const { lastLr, ...state } = scheduler.stateDict() as { lastLr: number[] }
    const { lastLr: wantedLr, ...wanted } = one.state as { lastLr: number[] }
    expect(state).toEqual(wanted)
    expect(
      wantedLr.flatMap((want, group) => compareNumber('lastLr', lastLr[group], want, 1e-14)),
    ).toEqual([])
  })
})

// -------------------------------------------------------------------------------------------------- operations

interface OperationCase {
  id: string
  op: string
  dtype: DType
  tensors: string[]
  indices: string[]
  arguments: number[]
  options: Record<string, unknown>
}

/** What an operation is computed from, and where its gradients will be. */
class Operands {
  readonly one: OperationCase
  readonly golden: Golden
  readonly leaves = new Map<string, Tensor>()

  constructor(one: OperationCase, golden: Golden) {
    this.one = one
    this.golden = golden
  }

  tensor(name: string): Tensor {
    const leaf = this.golden.leaf(`${this.one.id}/${name}`)
    this.leaves.set(name, leaf)
    return leaf
  }

  all(): Tensor[] {
    return this.one.tensors.map((name) => this.tensor(name))
  }

  indices(name: string): Indices {
    return this.golden.indices(`${this.one.id}/${name}`)
  }

  /** A module that holds the stored parameters, whose gradients then count as those of leaves. */
  module<Module extends nn.Module>(
    create: (outer: number, inner: number, has: Set<string>) => Module,
  ): Module {
    const [outer = 0, inner = 0] = this.golden.tensor(`${this.one.id}/weight`).shape
    const module = create(outer, inner, new Set(this.one.tensors))
    const parameters = [...module.namedParameters()]
    module.loadStateDict(
      new Map(parameters.map(([name]) => [name, this.golden.tensor(`${this.one.id}/${name}`)])),
    )
    for (const [name, parameter] of module.namedParameters()) this.leaves.set(name, parameter)
    return module
  }
}

const OPERATIONS: Record<
  string,
  (operands: Operands, first: number, second: number, third: number) => Tensor
> = {
  tanh: (on) => on.tensor('x').tanh(),
  relu: (on) => on.tensor('x').relu(),
  sigmoid: (on) => on.tensor('x').sigmoid(),
  add: (on, number) => on.tensor('x').add(on.one.tensors.includes('y') ? on.tensor('y') : number),
  mul: (on, number) => on.tensor('x').mul(on.one.tensors.includes('y') ? on.tensor('y') : number),
  square: (on) => {
    const x = on.tensor('x')
    return x.mul(x)
  },
  sum: (on) => on.tensor('x').sum(),
  mean: (on) => on.tensor('x').mean(),
  select: (on, dim, index) => on.tensor('x').select(dim, index),
  narrow: (on, dim, start, length) => on.tensor('x').narrow(dim, start, length),
  transpose: (on, dim0, dim1) => on.tensor('x').transpose(dim0, dim1),
  reshape: (on) => on.tensor('x').reshape(on.one.arguments),
  cat: (on, dim) => (on.one.arguments.length === 0 ? cat(on.all()) : cat(on.all(), dim)),
  stack: (on, dim) => stack(on.all(), dim),
  Linear: (on) => {
    const { dtype } = on.one
    const linear = on.module(
      (outputs, inputs, has) => new nn.Linear(inputs, outputs, { bias: has.has('bias'), dtype }),
    )
    return linear.forward(on.tensor('x'))
  },
  Embedding: (on) => {
    const { dtype } = on.one
    const options = on.one.options as Options<typeof nn.Embedding, 2>
    const embedding = on.module((count, dim) => new nn.Embedding(count, dim, { ...options, dtype }))
    return embedding.forward(on.indices('x'))
  },
  MSELoss: (on) => pointwise(nn.MSELoss, on),
  L1Loss: (on) => pointwise(nn.L1Loss, on),
  BCEWithLogitsLoss: (on) => pointwise(nn.BCEWithLogitsLoss, on),
  CrossEntropyLoss: (on) => {
    const loss = new nn.CrossEntropyLoss(on.one.options as Options<typeof nn.CrossEntropyLoss, 0>)
    return loss.forward(on.tensor('x'), on.indices('target'))
  },
}

function pointwise(
  Loss: typeof nn.MSELoss | typeof nn.L1Loss | typeof nn.BCEWithLogitsLoss,
  on: Operands,
): Tensor {
  const loss = new Loss(on.one.options as Options<typeof nn.MSELoss, 0>)
  return loss.forward(on.tensor('x'), on.tensor('y'))
}

function checkOperation(one: OperationCase, golden: Golden): string[] {
  const operation = OPERATIONS[one.op]
  if (operation === undefined) throw new Error(`${one.op} is not known to this test`)
  const operands = new Operands(one, golden)
  const [first = 0, second = 0, third = 0] = one.arguments
  const output = operation(operands, first, second, third)
  const differences = compare('value', output, golden.tensor(`${one.id}/output`), VALUES[one.dtype])
  if (differences.length > 0) return differences
  output.backward(golden.tensor(`${one.id}/gradOutput`))
  return one.tensors.flatMap((name) => {
    const got = operands.leaves.get(name)?.grad
    return compare(
      `gradient of ${name}`,
      got,
      golden.tensor(`${one.id}/grad/${name}`),
      GRADIENTS[one.dtype],
    )
  })
}

describe('operations, layers and losses give the values and gradients of PyTorch', () => {
  const golden = new Golden('ops.safetensors')
  const cases = readCases<OperationCase>('ops.json')

  it.each([...new Set(cases.map(({ op }) => op))])('%s', (op) => {
    checkAll(
      cases.filter((one) => one.op === op),
      ({ id }) => id,
      (one) => checkOperation(one, golden),
    )
  })
})
