/** Training steps and schedules, against PyTorch. */

import { manualSeed, nn, optim, Tensor, tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import {
  checkAll,
  compare,
  compareNumber,
  type DType,
  Golden,
  GRADIENTS,
  type Indices,
  type Options,
  readCases,
  type Stored,
} from '../helpers/golden'
import { type AnyScheduler, endEpoch } from '../helpers/schedules'

interface Trajectory {
  id: string
  dtype: DType
  seed: number
  embedding: { numEmbeddings: number; embeddingDim: number; paddingIdx: number } | null
  rnn: {
    /** Default: RNN. */
    kind?: 'LSTM' | 'GRU'
    inputSize: number
    hiddenSize: number
    options: NonNullable<Options<typeof nn.RNN, 2>> & { projSize?: number }
  }
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

function makeOptimizer(chosen: Trajectory['optimizer'], parameters: Tensor<DType>[]): AnyOptimizer {
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

type State = Tensor<DType> | nn.LSTMState<DType>

function detached(state: State): State {
  return state instanceof Tensor ? state.detach() : [state[0].detach(), state[1].detach()]
}

class Model extends nn.Module<DType> {
  readonly embedding: nn.Embedding<DType> | undefined
  readonly rnn: nn.RNN<DType> | nn.LSTM<DType> | nn.GRU<DType>
  readonly head: nn.Linear<DType>

  constructor({ dtype, embedding, rnn, outputs }: Trajectory) {
    super()
    if (embedding) {
      const { numEmbeddings, embeddingDim, paddingIdx } = embedding
      this.embedding = new nn.Embedding(numEmbeddings, embeddingDim, { paddingIdx, dtype })
    }
    const { kind = 'RNN', inputSize, hiddenSize, options } = rnn
    this.rnn = new nn[kind](inputSize, hiddenSize, { ...options, dtype })
    const features = options.projSize || hiddenSize
    this.head = new nn.Linear((options.bidirectional ? 2 : 1) * features, outputs, { dtype })
  }

  forward(input: Stored, hx?: State): [Tensor<DType>, State] {
    const x = this.#features(input)
    const [output, hN] =
      this.rnn instanceof nn.LSTM
        ? this.rnn.forward(x, hx as nn.LSTMState<DType> | undefined)
        : this.rnn.forward(x, hx as Tensor<DType> | undefined)
    return [this.head.forward(output), hN]
  }

  #features(input: Stored): Tensor<DType> {
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
  const score = (prediction: Tensor<DType>, target: Stored): Tensor<DType> | undefined =>
    target instanceof Tensor
      ? pointwise?.forward(prediction, target)
      : crossEntropy?.forward(prediction, target)
  const optimizer = makeOptimizer(chosen, model.parameters())
  const scheduler = one.scheduler === undefined ? null : makeScheduler(one.scheduler, optimizer)

  let state: State | undefined
  for (const [step, expected] of one.losses.entries()) {
    const input = one.carry ? chunk(golden.indices(`${id}/input`), step) : golden.get(`${id}/input`)
    const target = one.carry
      ? chunk(golden.indices(`${id}/target`), step)
      : golden.get(`${id}/target`)
    optimizer.zeroGrad()
    const [prediction, hN] = model.forward(input, one.carry ? state : undefined)
    state = detached(hN)
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
      endEpoch(scheduler, value.item())
    }
  }
  for (const [name, got] of model.stateDict()) {
    differences.push(
      ...compare(`final ${name}`, got, golden.tensor(`${id}/final/${name}`), GRADIENTS[dtype]),
    )
  }
  return differences
}

describe.each(['trajectory', 'trajectory-gated'])(
  '25 training steps give the losses of PyTorch, step by step: %s',
  (file) => {
    const golden = new Golden(`${file}.safetensors`)
    const cases = readCases<Trajectory>(`${file}.json`)

    it.each(cases.map((one) => [one.id, one] as const))('%s', (id, one) => {
      expect(one.losses.length).toBe(25)
      checkAll(
        [one],
        () => id,
        () => checkTrajectory(one, golden),
      )
    })
  },
)

type ScheduleCase = Schedule & { id: string; rates: number[][]; state: Record<string, unknown> }

describe('schedules give the learning rates and the state of PyTorch', () => {
  const [first, ...cases] = readCases<{ metrics: (number | null)[] } & ScheduleCase>(
    'schedule.json',
  )

  it.each(cases.map((one) => [one.id, one] as const))('%s', (_, one) => {
    const make = (): { optimizer: optim.SGD; scheduler: AnyScheduler } => {
      const initialLr = 'lastEpoch' in one.options ? 0.8 : undefined
      const parameter = (): Tensor<DType> => tensor([0], { requiresGrad: true })
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
      if (epoch < first.metrics.length) endEpoch(scheduler, first.metrics[epoch] ?? Number.NaN)
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
