/** What nn.Module finds in its fields: declared parameters, lists and dictionaries, names, and what it refuses. */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runInNewContext } from 'node:vm'
import {
  deserializeSafetensors,
  nn,
  ones,
  optim,
  serializeSafetensors,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { secondCopy } from '../helpers/copies'
import { errorOf } from '../helpers/numbers'

describe('the field of a parameter', () => {
  const modules: [string, () => nn.Module, string[]][] = [
    ['Linear', () => new nn.Linear(2, 3), ['weight', 'bias']],
    ['Embedding', () => new nn.Embedding(4, 3), ['weight']],
    ['RNN', () => new nn.RNN(2, 3, { numLayers: 2 }), ['weight_ih_l0', 'bias_hh_l1']],
    ['LSTM', () => new nn.LSTM(2, 3, { projSize: 1 }), ['weight_hh_l0', 'weight_hr_l0']],
    ['GRU', () => new nn.GRU(2, 3, { bidirectional: true }), ['weight_ih_l0_reverse']],
    ['RNNCell', () => new nn.RNNCell(2, 3), ['weight_ih', 'bias_ih']],
    ['LSTMCell', () => new nn.LSTMCell(2, 3), ['weight_hh']],
    ['GRUCell', () => new nn.GRUCell(2, 3), ['bias_hh']],
    ['JordanRNN', () => new nn.JordanRNN(2, 3, 1), ['weight_hy', 'bias_hy']],
  ]

  it.each(modules)(
    'of %s makes a tensor without requiresGrad a frozen parameter',
    (_, make, names) => {
      const module = make()
      const order = [...make().stateDict().keys()]
      for (const name of names) {
        const shape = make().stateDict().get(name)?.shape ?? []
        const given = ones(shape)
        Object.assign(module, { [name]: given })
        expect([...module.stateDict().keys()]).toEqual(order)
        expect(module.stateDict().get(name)?.data).toBe(given.data)
        expect(module.parameters()).toContain(given)
        expect(given.requiresGrad).toBe(false)
        module.to('float64')
        expect(given.dtype).toBe('float64')
        module.to('float32')
        module.loadStateDict(make().stateDict())
        expect([...given.data]).not.toEqual([...ones(shape).data])
      }
      const optimizer = new optim.SGD(module.parameters(), { lr: 1 })
      optimizer.zeroGrad()
      optimizer.step()
    },
  )

  class Scaled extends nn.Module {
    scale: unknown = tensor([1, 2], { requiresGrad: true })
    list: unknown[] = [tensor([3], { requiresGrad: true })]
    named: Record<string, unknown> = { a: tensor([4], { requiresGrad: true }) }
  }

  it('of a model stays one as well', () => {
    const model = new Scaled()
    const names = [...model.stateDict().keys()]
    expect(names).toEqual(['scale', 'list.0', 'named.a'])
    const given = [ones([2]), ones([1]), ones([1])]
    ;[model.scale, model.list[0], model.named.a] = given
    expect(model.namedParameters()).toEqual(names.map((name, place) => [name, given[place]]))
    // Without bias at first.
    const linear = new nn.Linear(2, 2, { bias: false as boolean })
    linear.bias = zeros([2])
    expect([...linear.stateDict().keys()]).toEqual(['weight', 'bias'])
    linear.bias = null
    expect([...linear.stateDict().keys()]).toEqual(['weight'])
  })

  it.each([
    [5, "cannot assign 5 as parameter 'scale' of Scaled (leaf Tensor or null expected)"],
    [
      ones([2], { requiresGrad: true }).mul(2),
      "cannot assign Tensor as parameter 'scale' of Scaled (leaf Tensor or null expected); " +
        'got a result, grad_fn=<MulBackward0>: use detach()',
    ],
    [
      tensor([1], { dtype: 'int32' }),
      "cannot assign IntTensor as parameter 'scale' of Scaled (leaf Tensor or null expected)",
    ],
  ])('takes nothing else: %s', (value, message) => {
    const model = new Scaled()
    model.train()
    model.scale = value
    for (const use of [
      () => model.parameters(),
      () => model.stateDict(),
      () => model.eval(),
      () => model.to('float64'),
      () => model.loadStateDict(new Map(), { strict: false }),
    ]) {
      expect(errorOf(use)).toEqual(new TypeError(message))
    }
    expect(model.training).toBe(true)
    expect(String(model)).toContain('Scaled(')
    model.scale = null
    expect([...model.stateDict().keys()]).toEqual(['list.0', 'named.a'])
  })

  it('of a child takes modules only', () => {
    class Model extends nn.Module {
      head: unknown = new nn.Linear(1, 1)
      layers: unknown = [new nn.Linear(1, 1)]
    }
    const model = new Model()
    model.train()
    model.head = (x: Tensor) => x
    expect(() => model.parameters()).toThrow(
      new TypeError(
        "cannot assign function as child module 'head' of Model (nn.Module or null expected)",
      ),
    )
    model.head = new nn.RNN(1, 1)
    model.layers = [5]
    expect(() => model.parameters()).toThrow(/cannot assign 5 as child module 'layers.0'/)
    model.layers = []
    expect(model.parameters()).toHaveLength(4)
    model.layers = 'none'
    expect(() => model.parameters()).toThrow(/cannot assign 'none' as child module 'layers'/)
  })
})

describe('lists and dictionaries', () => {
  const linear = (): nn.Linear => new nn.Linear(1, 1, { bias: false })
  const weight = (): Tensor => zeros([2, 3], { requiresGrad: true })

  class Model extends nn.Module {
    heads = { a: linear(), b: [linear(), linear()], size: 3 }
    pair = [linear(), null]
    stages = [{ rnn: new nn.RNN(1, 1, { bias: false }), head: linear(), name: 'first' }]
    weights = [weight(), weight()]
    bias = { start: weight() }
    bare = Object.assign(Object.create(null) as object, { x: linear() })
    mixed = [1, 'two', linear(), { w: weight() }]
  }

  it("hold children and parameters, under torch's names", () => {
    const model = new Model()
    expect([...model.stateDict().keys()]).toEqual([
      'weights.0',
      'weights.1',
      'bias.start',
      'mixed.3.w',
      'heads.a.weight',
      'heads.b.0.weight',
      'heads.b.1.weight',
      'pair.0.weight',
      'stages.0.rnn.weight_ih_l0',
      'stages.0.rnn.weight_hh_l0',
      'stages.0.head.weight',
      'bare.x.weight',
      'mixed.2.weight',
    ])
    model.eval().to('float64')
    expect(model.heads.b.map(({ training }) => training)).toEqual([false, false])
    expect(model.stages[0]?.rnn.weight_ih_l0.dtype).toBe('float64')
    const copy = new Model()
    copy.loadStateDict(deserializeSafetensors(serializeSafetensors(model.stateDict())))
    expect([...copy.heads.a.weight.data]).toEqual([...model.heads.a.weight.data])
  })

  it("are shown in torch's layout", () => {
    const shown = 'Linear(in_features=1, out_features=1, bias=False)'
    expect(String(new Model())).toBe(`Model(
  (heads): ModuleDict(
    (a): ${shown}
    (b): ModuleList(
      (0-1): 2 x ${shown}
    )
  )
  (pair): ModuleList(
    (0): ${shown}
    (1): None
  )
  (stages): ModuleList(
    (0): ModuleDict(
      (rnn): RNN(1, 1, bias=False)
      (head): ${shown}
    )
  )
  (weights): ParameterList(
      (0): Parameter containing: [torch.float32 of size 2x3]
      (1): Parameter containing: [torch.float32 of size 2x3]
  )
  (bias): ParameterDict(  (start): Parameter containing: [torch.float32 of size 2x3])
  (bare): ModuleDict(
    (x): ${shown}
  )
  (mixed): ModuleList(
    (2): ${shown}
    (3): ParameterDict(  (w): Parameter containing: [torch.float32 of size 2x3])
  )
)`)
  })

  it('are looked through without getters, in circles, and through much data', () => {
    const circle: unknown[] = [linear()]
    circle.push(circle, { circle })
    const getter = {
      get module(): nn.Module {
        throw new Error('called')
      },
    }
    const data = Array.from({ length: 1000 }, (_, place) => [place, String(place)])
    const dictionary = Object.fromEntries(data)
    const model = Object.assign(new nn.Module(), { circle, getter, data, dictionary })
    Object.defineProperty(model, 'own', { enumerable: true, get: () => getter.module })
    for (let time = 0; time < 2; time += 1) {
      expect([...model.stateDict().keys()]).toEqual(['circle.0.weight'])
    }
    const appended = data as unknown[]
    appended.push(linear())
    expect([...model.stateDict().keys()]).toEqual(['circle.0.weight', 'data.1000.weight'])
  })
})

describe('names', () => {
  it.each([
    [{ 'a.b': new nn.Linear(1, 1) }, 'module name can\'t contain ".", got: a.b'],
    [{ 'a.b': [new nn.Linear(1, 1)] }, 'module name can\'t contain ".", got: a.b'],
    [{ a: { 'b.c': new nn.Linear(1, 1) } }, 'module name can\'t contain ".", got: b.c'],
    [{ a: { '': new nn.Linear(1, 1) } }, 'module name can\'t be empty string ""'],
    [{ 'a.b': zeros([1], { requiresGrad: true }) }, 'parameter name can\'t contain ".", got: a.b'],
    [
      { a: [{ '.': zeros([1], { requiresGrad: true }) }] },
      'parameter name can\'t contain ".", got: .',
    ],
    [{ '': zeros([1], { requiresGrad: true }) }, 'parameter name can\'t be empty string ""'],
  ])('%# that would collide are refused', (fields, message) => {
    const model = Object.assign(new nn.Module(), fields)
    for (const use of [() => model.parameters(), () => model.stateDict(), () => model.train()]) {
      expect(errorOf(use)).toEqual(new RangeError(message))
    }
    expect(String(model)).toContain('Module(')
  })

  it('may contain dots where no members are', () => {
    const model = Object.assign(new nn.Module(), { 'a.b': 1, c: { 'd.e': 2, '': 'f' } })
    expect(model.parameters()).toEqual([])
  })
})

describe('modules where none are found', () => {
  const maps: [string, (module: unknown) => unknown][] = [
    ['Map', (module) => new Map([['a', module]])],
    ['Map', (module) => new Map([[module, 1]])],
    ['Map', (module) => new Map([['a', [{ module }]]])],
    ['Set', (module) => new Set([module])],
    ['Set', (module) => runInNewContext('new Set([module])', { module })],
  ]
  it.each(maps)('in a %s are refused, unless they are found elsewhere', (kind, make) => {
    for (const lost of [new nn.Linear(1, 1), zeros([1], { requiresGrad: true })]) {
      const name = lost instanceof nn.Linear ? 'a module of class Linear' : 'a parameter'
      const model = Object.assign(new nn.Module(), { heads: make(lost) })
      expect(errorOf(() => model.parameters())).toEqual(
        new TypeError(
          `Module.heads, of class ${kind}, holds ${name}, which is no part of the model: ` +
            'expected an array or a plain object, or a private field if it is not to be one',
        ),
      )
      Object.assign(model, { a: [lost] })
      expect(model.parameters()[0]).toBe(lost instanceof nn.Linear ? lost.weight : lost)
    }
    expect(Object.assign(new nn.Module(), { heads: make(7) }).parameters()).toEqual([])
  })

  it('are found among much data, each time', () => {
    const heads = new Map([['a', new nn.Linear(1, 1)]])
    const data = [...Array(1000).keys(), { heads }]
    const model = Object.assign(new nn.Module(), { data })
    for (let time = 0; time < 2; time += 1) {
      expect(() => model.parameters()).toThrow(
        /^Module\.data\.1000\.heads, of class Map, holds a module/,
      )
    }
  })

  it('in an object of another class give a warning, once', async () => {
    class Agent {
      policy = new nn.Linear(1, 1)
      optimizer = new optim.SGD([zeros([1], { requiresGrad: true })])
    }
    const warnings: string[] = []
    const listen = ({ message }: Error): number => warnings.push(message)
    process.on('warning', listen)
    const model = Object.assign(new nn.Module(), { agent: new Agent() })
    expect([model.parameters(), model.parameters()]).toEqual([[], []])
    const whole = Object.assign(new nn.Module(), { agent: new Agent() })
    Object.assign(whole, { policy: whole.agent.policy }).parameters()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    expect(warnings).toEqual([
      'Module.agent, of class Agent, holds a module of class Linear, which is no part of the model: ' +
        'it is not trained or saved with it. Derive Agent from nn.Module, or use a private field',
    ])
  })

  it('of another copy of the package are refused', () => {
    const folder = dirname(createRequire(import.meta.url).resolve('@elman/rnn'))
    const other = secondCopy()
    expect(other.nn.Linear).not.toBe(nn.Linear)
    const layer = Object.assign(new nn.Module(), { layers: [new other.nn.Linear(1, 1)] })
    expect(() => layer.parameters()).toThrow(
      new TypeError(
        `Module.layers.0 holds a Linear of another copy of @elman/rnn (loaded again from ${join(folder, 'bundle.js')}), which is no part of this model: ` +
          'see that the program loads the package once (npm ls @elman/rnn)',
      ),
    )
    const collected = Object.assign(new nn.Module(), { layers: new Set(layer.layers) })
    for (let time = 0; time < 2; time += 1) {
      expect(() => collected.parameters()).toThrow(/layers.* holds a Linear of another copy/)
    }
    const parameter = other.ones([1], { requiresGrad: true })
    expect(() => Object.assign(new nn.Module(), { parameter }).eval()).toThrow(/another copy/)
    expect(Object.assign(new nn.Module(), { data: other.ones([1]) }).parameters()).toEqual([])
  })
})
