/**
 * JavaScript ignores arguments that a function does not declare. Every function, constructor and method of the public API
 * is found here by reflection, and must refuse one argument too many, and an options object with an unknown name.
 */

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as elman from '@elman/rnn'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../helpers/numbers'

const { nn, optim, ones, tensor, zeros } = elman
const { lrScheduler } = optim
const { packPaddedSequence, packSequence, padPackedSequence, padSequence } = nn.utils.rnn

type Callable = (...args: unknown[]) => unknown

/** A function as a test calls it: with any arguments, and without a receiver that means anything. */
interface Entry {
  readonly path: string
  readonly parameters: readonly string[]
  readonly call: (args: unknown[]) => unknown
}

const isClass = (value: unknown) => typeof value === 'function' && /^class\b/.test(String(value))

/** `zeros`, `Tensor` and `RNNStream` are made by functions: their constructors are not public. */
const withoutConstructor = ['Tensor']

/** Called by `toString`, for subclasses to override; and by `JSON.stringify`, with a key. */
const notPublic = ['constructor', 'extraRepr', 'sizesRepr', 'toJSON']

/** The names of a function's parameters, from its source text. */
function parametersOf(callable: object): string[] {
  const text = String(callable)
  const name = /^(async )?function\b|^class\b/.test(text) ? `(${text})` : `({${text}})`
  const source = ts.createSourceFile('source.js', name, ts.ScriptTarget.Latest, true)
  const wanted = (node: ts.Node): node is ts.SignatureDeclaration =>
    isClass(callable) ? ts.isConstructorDeclaration(node) : ts.isFunctionLike(node)
  const find = (node: ts.Node): ts.SignatureDeclaration | undefined =>
    wanted(node) ? node : ts.forEachChild(node, find)
  const found = find(source)
  if (found === undefined) throw new Error(`no parameters in ${text.slice(0, 80)}`)
  return found.parameters.map((parameter) => parameter.name.getText())
}

/** The methods of a class and of its bases. */
function methodsOf(path: string, prototype: object): Entry[] {
  const above: unknown = Object.getPrototypeOf(prototype)
  const inherited =
    typeof above === 'object' && above !== null && above !== Object.prototype
      ? methodsOf(path, above)
      : []
  const own = Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .filter(([name, { value }]) => typeof value === 'function' && !notPublic.includes(name))
    .map(([name, { value }]) => ({
      path: `${path}.${name}`,
      parameters: parametersOf(value),
      call: (args: unknown[]) => Reflect.apply(value as Callable, undefined, args),
    }))
  return [...inherited, ...own]
}

/** Everything that can be called in a namespace. */
function entriesOf(prefix: string, namespace: object): Entry[] {
  return Object.entries(namespace).flatMap(([name, value]: [string, unknown]): Entry[] => {
    const path = `${prefix}${name}`
    if (typeof value === 'object' && value !== null) return entriesOf(`${path}.`, value)
    if (typeof value !== 'function') return []
    if (!isClass(value)) {
      const call = (args: unknown[]) => Reflect.apply(value as Callable, undefined, args)
      return [{ path, parameters: parametersOf(value), call }]
    }
    const methods = methodsOf(path, value.prototype as object)
    if (withoutConstructor.includes(name)) return methods
    const call = (args: unknown[]) => Reflect.construct(value, args) as unknown
    return [{ path, parameters: parametersOf(value), call }, ...methods]
  })
}

const rnn = new nn.RNN(2, 3)
const model = new nn.Linear(2, 1)
const optimizer = new optim.SGD(model.parameters())
const x = ones([4, 2, 2])
const packed = packSequence([ones([2, 2])])
const file = join(tmpdir(), `arguments-${process.pid}.safetensors`)
const { pullback } = rnn.vjp(x)

/** Objects of classes that are types only. */
const further: [string, object][] = [
  ['IntTensor', tensor([1], { dtype: 'int32' })],
  ['RNNStream', rnn.stream()],
]

const entries = [
  ...entriesOf('', elman).filter(({ path }) => !path.startsWith('default')),
  ...further.flatMap(([name, object]) => methodsOf(name, Object.getPrototypeOf(object) as object)),
  {
    path: 'pullback',
    parameters: parametersOf(pullback),
    call: (args: unknown[]) => Reflect.apply(pullback, undefined, args),
  },
]

/** What a call throws, at once or in its promise. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'nothing was thrown'
  } catch (error) {
    return error
  }
}

const counts = /^([\w.]+)\(\) takes (?:no arguments|at most (\d+) arguments?) \((\d+) given\)$/

describe('arguments', () => {
  it('are found by reflection', () => {
    const paths = entries.map(({ path }) => path)
    for (const path of ['zeros', 'Tensor.add', 'nn.RNN', 'nn.RNN.forward', 'nn.LSTMCell.forward']) {
      expect(paths).toContain(path)
    }
    for (const path of ['optim.Adam.step', 'optim.lrScheduler.StepLR.step', 'RNNStream.step']) {
      expect(paths).toContain(path)
    }
    expect(paths).toContain('nn.utils.rnn.PackedSequence.toString')
    expect(paths.length).toBeGreaterThan(200)
  })

  it.each(entries.map((entry) => [entry.path, entry] as const))(
    '%s: one too many is a TypeError',
    async (_, { parameters, call }) => {
      const given = Array.from({ length: parameters.length + 1 }, () => ({}))
      const error = await failureOf(() => call(given))
      expect(error).toBeInstanceOf(TypeError)
      const [, , most = '0', got] = counts.exec(String((error as Error).message)) ?? []
      expect([(error as Error).message, most, got]).toEqual([
        expect.stringMatching(counts),
        String(parameters.length),
        String(given.length),
      ])
    },
  )

  it.each<[string, () => unknown, string]>([
    [
      'a reduction of a dimension',
      () => x.sum(...([0] as unknown[] as [])),
      'Tensor.sum() takes no arguments (1 given)',
    ],
    [
      'a callback of map',
      () => [[2]].map(zeros as Callable),
      'zeros() takes at most 2 arguments (3 given)',
    ],
    [
      'a class',
      () => new nn.Dropout(...([0.5, true] as unknown[] as [number])),
      'Dropout() takes at most 1 argument (2 given)',
    ],
    [
      'a model without a constructor',
      () => new (class Net extends nn.Module {} as new (size: number) => object)(3),
      'Net() takes no arguments (1 given)',
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(new TypeError(message))
  })

  it('that are undefined count as absent', () => {
    const extra = [undefined, undefined] as unknown[] as []
    expect(x.sum(...extra).item()).toBe(16)
    expect(zeros([2], {}, ...extra).shape).toEqual([2])
    expect(() => x.sum(...([undefined, 1] as unknown[] as []))).toThrow('(2 given)')
  })
})

/** Parameters that are no options. A new name is one of options until it is added here, and then it needs a sample. */
const notOptions = new Set([
  ...['fn', 'seed', 'state', 'threads', 'on', 'values', 'shape', 'tensors', 'dim', 'dim0', 'dim1'],
  ...[
    'index',
    'start',
    'length',
    'other',
    'gradient',
    'path',
    'bytes',
    'rnn',
    'mode',
    'map',
    'dict',
  ],
  ...['dtype', 'p', 'input', 'target', 'hx', 'inputSize', 'hiddenSize', 'outputSize', 'parameters'],
  ...['inFeatures', 'outFeatures', 'numEmbeddings', 'embeddingDim', 'maxNorm', 'clipValue'],
  ...['optimizer', 'stepSize', 'tMax', 'metrics', 'sequence', 'sequences', 'lengths', 'data'],
  ...['batchSizes', 'sortedIndices', 'unsortedIndices', 'gradOutput', 'gradHN'],
])

type Options = Record<string, unknown>

/** A call with options of each function that takes some, by the name in its messages. */
const samples: Record<string, (options: Options) => unknown> = {
  tensor: (options) => tensor([1], options),
  zeros: (options) => zeros([1], options),
  ones: (options) => ones([1], options),
  rand: (options) => elman.rand([1], options),
  randn: (options) => elman.randn([1], options),
  saveCheckpoint: (options) => elman.saveCheckpoint({ model, ...options }, file),
  loadCheckpoint: (options) => elman.loadCheckpoint(file, { model, ...options }),
  exportOnnx: (options) => elman.exportOnnx(rnn, options),
  saveSafetensors: (options) => elman.saveSafetensors(rnn.stateDict(), file, options),
  serializeSafetensors: (options) => elman.serializeSafetensors(rnn.stateDict(), options),
  'Tensor.backwardAsync': (options) => x.backwardAsync(null, options),
  'Module.stateDict': (options) => rnn.stateDict(options),
  'Optimizer.stateDict': (options) => new optim.SGD([x]).stateDict(options),
  'Module.loadStateDict': (options) => rnn.loadStateDict(rnn.stateDict(), options),
  RNN: (options) => new nn.RNN(2, 3, options),
  LSTM: (options) => new nn.LSTM(2, 3, options),
  GRU: (options) => new nn.GRU(2, 3, options),
  JordanRNN: (options) => new nn.JordanRNN(2, 3, 1, options),
  RNNCell: (options) => new nn.RNNCell(2, 3, options),
  LSTMCell: (options) => new nn.LSTMCell(2, 3, options),
  GRUCell: (options) => new nn.GRUCell(2, 3, options),
  Linear: (options) => new nn.Linear(2, 3, options),
  Embedding: (options) => new nn.Embedding(2, 3, options),
  CrossEntropyLoss: (options) => new nn.CrossEntropyLoss(options),
  MSELoss: (options) => new nn.MSELoss(options),
  L1Loss: (options) => new nn.L1Loss(options),
  BCEWithLogitsLoss: (options) => new nn.BCEWithLogitsLoss(options),
  'RNNBase.forward': (options) => rnn.forward(x, null, options),
  'RNNBase.forwardAsync': (options) => rnn.forwardAsync(x, null, options),
  'RNNBase.vjp': (options) => rnn.vjp(x, null, options),
  'RNNBase.stream': (options) => rnn.stream(options),
  clipGradNorm_: (options) => nn.utils.clipGradNorm_([x], 1, options),
  packPaddedSequence: (options) => packPaddedSequence(x, [4, 4], options),
  packSequence: (options) => packSequence([x], options),
  padPackedSequence: (options) => padPackedSequence(packed, options),
  padSequence: (options) => padSequence([x], options),
  SGD: (options) => new optim.SGD(model.parameters(), options),
  Adam: (options) => new optim.Adam(model.parameters(), options),
  AdamW: (options) => new optim.AdamW(model.parameters(), options),
  RMSprop: (options) => new optim.RMSprop(model.parameters(), options),
  StepLR: (options) => new lrScheduler.StepLR(optimizer, 1, options),
  CosineAnnealingLR: (options) => new lrScheduler.CosineAnnealingLR(optimizer, 1, options),
  ReduceLROnPlateau: (options) => new lrScheduler.ReduceLROnPlateau(optimizer, options),
}

/** The name of a function in messages. */
async function nameOf({ parameters, call }: Entry): Promise<string> {
  const error = await failureOf(() => call(new Array(parameters.length + 1).fill({})))
  return counts.exec((error as Error).message)?.[1] ?? ''
}

describe('options', () => {
  it('of every function are tested here', async () => {
    const withOptions = entries.filter(({ parameters }) =>
      parameters.some((name) => !notOptions.has(name)),
    )
    const names = await Promise.all(withOptions.map(nameOf))
    expect(new Set(names)).toEqual(new Set(Object.keys(samples)))
  })

  it.each(Object.entries(samples))('%s: an unknown one is a TypeError', async (_, call) => {
    const error = await failureOf(() => call({ noSuchOption: undefined }))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toMatch(
      /\(\) got an unexpected keyword argument 'noSuchOption'$/,
    )
  })

  it.each<[string, () => unknown, string | null]>([
    ["torch's spelling", () => new nn.RNN(2, 3, { num_layers: 2 } as object), 'numLayers'],
    ["torch's spelling", () => new nn.LSTM(2, 3, { batch_first: true } as object), 'batchFirst'],
    ["torch's spelling", () => zeros([1], { requires_grad: true } as object), 'requiresGrad'],
    ['other case', () => zeros([1], { DType: 'float64' } as object), 'dtype'],
    ['a letter too few', () => new nn.GRU(2, 3, { numLayer: 2 } as object), 'numLayers'],
    ['exchanged letters', () => new nn.Linear(2, 3, { bais: false } as object), 'bias'],
    ['another letter', () => new optim.SGD([x], { weightDecoy: 1 } as object), 'weightDecay'],
    ['the beginning', () => rnn.stream({ batch: 1 } as object), 'batchSize'],
    ['more than the name', () => new optim.Adam([x], { epsilon: 1 } as object), 'eps'],
    ['of a group', () => new optim.SGD([{ params: x, Lr: 1 } as { params: elman.Tensor }]), 'lr'],
    ['of a call', () => rnn.forward(x, null, { length: [4, 4] } as object), 'lengths'],
    ['no near name', () => new nn.RNN(2, 3, { activation: 'relu' } as object), null],
    ['a name of another class', () => new optim.SGD([x], { betas: [0, 0] } as object), null],
  ])('that were meant are named: %s', (_, call, meant) => {
    const { message } = errorOf(call) as Error
    expect(message).toContain('got an unexpected keyword argument')
    expect(/did you mean `(\w+)`\?$/.exec(message)?.[1] ?? null).toBe(meant)
  })

  it.each([
    ['a tensor', ones([1]), 'Tensor'],
    ['a Map', new Map([['numLayers', 2]]), 'Map'],
    ['a Set', new Set(), 'Set'],
    ['a list', [], 'Array'],
    ['a number', 2, '2'],
    ['null', null, 'null'],
  ])('are no %s', (_, options, got) => {
    expect(() => new nn.RNN(2, 3, options as object)).toThrow(
      new TypeError(`RNN() expected an object of options, got: ${got}`),
    )
  })

  it('may come without a prototype, or from a class', () => {
    class Settings {
      numLayers = 2
    }
    const bare = Object.assign(Object.create(null), { numLayers: 2 }) as Settings
    for (const options of [bare, new Settings()])
      expect(new nn.RNN(2, 3, options).numLayers).toBe(2)
  })
})
