/** Copies of modules and state dicts with memory of their own. */

import {
  type DType,
  getRngState,
  manualSeed,
  nn,
  ones,
  optim,
  randn,
  type Tensor,
  tensor,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'

const same = (a: Tensor<DType>, b: Tensor<DType>): boolean => a.data === b.data

const modules: Record<string, () => nn.Module<DType>> = {
  RNN: () => new nn.RNN(2, 3, { numLayers: 2, bidirectional: true, nonlinearity: 'relu' }),
  LSTM: () => new nn.LSTM(2, 4, { projSize: 2, batchFirst: true }),
  GRU: () => new nn.GRU(2, 3, { bias: false, dtype: 'float64' }),
  JordanRNN: () => new nn.JordanRNN(2, 3, 1, { outputNonlinearity: 'sigmoid', bias: false }),
  RNNCell: () => new nn.RNNCell(2, 3, { nonlinearity: 'relu' }),
  LSTMCell: () => new nn.LSTMCell(2, 3),
  GRUCell: () => new nn.GRUCell(2, 3, { bias: false }),
  Linear: () => new nn.Linear(2, 3),
  Embedding: () => new nn.Embedding(4, 3, { paddingIdx: 0 }),
  Dropout: () => new nn.Dropout(0.25),
  CrossEntropyLoss: () => new nn.CrossEntropyLoss({ ignoreIndex: 0 }),
  MSELoss: () => new nn.MSELoss({ reduction: 'sum' }),
  L1Loss: () => new nn.L1Loss(),
  BCEWithLogitsLoss: () => new nn.BCEWithLogitsLoss(),
}

describe.each(Object.entries(modules))('a clone of nn.%s', (_, make) => {
  it('is equal, of the same class, and has memory of its own', () => {
    const module = make().eval()
    const copy = module.clone()
    expect(copy).toStrictEqual(module)
    expect(copy).toBeInstanceOf(module.constructor)
    expect(String(copy)).toBe(String(module))
    expect([...copy.stateDict().keys()]).toEqual([...module.stateDict().keys()])
    const pairs = module.parameters().map((one, i) => [one, copy.parameters()[i]] as const)
    expect(pairs.some(([a, b]) => b === undefined || same(a, b))).toBe(false)
  })

  it('draws no random numbers', () => {
    const module = make()
    const before = getRngState()
    module.clone()
    expect(getRngState()).toEqual(before)
  })
})

describe('a clone', () => {
  it('computes, trains and streams as the original did, and alone', () => {
    for (const make of [() => new nn.RNN(2, 3), () => new nn.GRU(2, 3)]) {
      const original = make()
      const copy = original.clone()
      const x = randn([5, 2, 2])
      expect(copy.forward(x)).toStrictEqual(original.forward(x))
      copy.forward(x)[0].sum().backward()
      expect(original.parameters().every(({ grad }) => grad === null)).toBe(true)
      new optim.SGD(copy.parameters(), { lr: 0.1 }).step()
      expect(copy).not.toEqual(original)
      const stream = copy.stream({ batchSize: 2 })
      stream.step()
      expect(stream.output).toHaveLength(6)
      const wide = copy.to('float64')
      wide.resetParameters()
      expect(wide.forward(randn([1, 2], { dtype: 'float64' }))[0].dtype).toBe('float64')
    }
    const loss = new nn.MSELoss().clone()
    expect(loss.forward(ones([2]), tensor([1, 3])).item()).toBe(2)
    const cell = new nn.LSTMCell(2, 3)
    expect(cell.clone().forward(ones([2]))).toStrictEqual(cell.forward(ones([2])))
  })

  it('keeps requiresGrad, training and options; gradients begin anew, as in torch', () => {
    const rnn = new nn.RNN(2, 3, { numLayers: 2, dropout: 0.5 }).eval()
    rnn.dropout = 0.25
    rnn.weight_hh_l0.requiresGrad = false
    rnn
      .forward(ones([1, 2]))[0]
      .sum()
      .backward()
    const copy = rnn.clone()
    expect([copy.training, copy.dropout]).toEqual([false, 0.25])
    expect(copy.weight_hh_l0.requiresGrad).toBe(false)
    expect(copy.parameters()).toHaveLength(8) // the frozen one is a parameter, too
    expect(copy.parameters().filter(({ requiresGrad }) => requiresGrad)).toHaveLength(7)
    expect(rnn.bias_ih_l0.grad).not.toBeNull()
    expect(copy.bias_ih_l0.grad).toBeNull()
  })

  it('shares what the original shares', () => {
    class Tied extends nn.Module {
      embedding = new nn.Embedding(5, 3)
      head = new nn.Linear(3, 5)
      views: Tensor[] = []
      constructor() {
        super()
        this.head.weight = this.embedding.weight
        this.views = [this.embedding.weight.detach(), this.embedding.weight.detach().reshape([15])]
      }
    }
    const model = new Tied()
    const copy = model.clone()
    expect(copy.head.weight).toBe(copy.embedding.weight)
    expect(copy.embedding.weight).not.toBe(model.embedding.weight)
    expect(copy.parameters()).toHaveLength(2)
    expect(copy.views.every((view) => same(view, copy.embedding.weight))).toBe(true)
    expect(same(copy.embedding.weight, model.embedding.weight)).toBe(false)
  })

  it('of a class of the user has all fields, and runs no constructor of it', () => {
    let constructed = 0
    class Tokenizer {
      words = ['a']
    }
    class Model extends nn.Module {
      layers: [nn.Linear, nn.Module[]]
      options = { sizes: [1, 2], start: tensor([0, 1]) }
      counts = Int32Array.of(1, 2)
      table = new Map([['x', ones([2])]])
      seen = new Set([3])
      tokenizer = new Tokenizer()
      activation = Math.tanh
      scale = (x: number) => 2 * x
      self: Model
      private secret = 5
      constructor(size: number) {
        super()
        if (size === undefined) throw new Error('a constructor was called')
        constructed += 1
        this.layers = [new nn.Linear(size, 2), [new nn.Dropout(0.1)]]
        this.self = this
      }
      get doubled(): number {
        return 2 * this.secret
      }
    }
    const model = new Model(3)
    const copy = model.clone()
    expect(constructed).toBe(1)
    expect(copy).toBeInstanceOf(Model)
    expect(Object.keys(copy)).toEqual(Object.keys(model))
    expect(copy.self).toBe(copy)
    expect(copy.doubled).toBe(10)
    expect(copy.tokenizer).toBe(model.tokenizer)
    expect([copy.activation, copy.scale]).toEqual([model.activation, model.scale])
    expect({ ...copy, self: null }).toStrictEqual({ ...model, self: null })
    copy.layers[0].weight.data.fill(7)
    copy.options.sizes.push(3)
    copy.options.start.data.fill(7)
    copy.counts.fill(7)
    copy.table.get('x')?.data.fill(7)
    copy.table.set('y', ones([1]))
    copy.seen.add(4)
    copy.layers[1].pop()
    expect(model.options).toEqual({ sizes: [1, 2], start: tensor([0, 1]) })
    expect(model.counts).toEqual(Int32Array.of(1, 2))
    expect(model.table).toEqual(new Map([['x', ones([2])]]))
    expect(model.seen).toEqual(new Set([3]))
    expect(model.layers[1]).toHaveLength(1)
    expect(model.layers[0].weight.data).not.toContain(7)
  })

  it('of a class with private fields comes from its own clone, inside of others too', () => {
    class Counter extends nn.Module {
      readonly #start: number
      weight = ones([1], { requiresGrad: true })
      constructor(start: number) {
        super()
        this.#start = start
      }
      get start(): number {
        return this.#start
      }
      override clone(): this {
        const copy = new Counter(this.#start)
        copy.loadStateDict(this.stateDict())
        return copy as this
      }
    }
    class Model extends nn.RNN {
      counter = new Counter(3)
    }
    const model = new Model(2, 3)
    model.counter.weight.data[0] = 4
    const copy = model.clone()
    expect(copy).toBeInstanceOf(Model)
    expect(copy.counter.start).toBe(3)
    expect(copy.counter.weight).toEqual(tensor([4]))
    expect(copy.forward(ones([1, 2]))).toStrictEqual(model.forward(ones([1, 2])))
  })

  it.each<[string, (model: nn.Linear) => unknown, Error]>([
    [
      'an arrow function with this',
      (model) => bound.call(model),
      new TypeError(
        "clone() cannot copy the field 'inner.field': the function is bound to the original. Make it a method, or override clone().",
      ),
    ],
    [
      'a bound function',
      (model) => model.forward.bind(model),
      new TypeError(
        "clone() cannot copy the field 'inner.field': the function is bound to the original. Make it a method, or override clone().",
      ),
    ],
    [
      'an optimizer',
      (model) => new optim.SGD(model.parameters(), { lr: 1 }),
      new TypeError(
        "clone() cannot copy the field 'inner.field': an optimizer updates the parameters that it was made with. Override clone().",
      ),
    ],
    [
      'a stream',
      () => new nn.RNN(1, 1).stream(),
      new TypeError(
        "clone() cannot copy the field 'inner.field': a stream has one state. Override clone().",
      ),
    ],
    [
      'the result of a recorded operation',
      (model) => model.weight.mul(2),
      new RangeError(
        "Only Tensors created explicitly by the user (graph leaves) can be cloned with a module, but the field 'inner.field' has grad_fn=<MulBackward0>: store its detach()",
      ),
    ],
  ])('refuses %s', (_, make, error) => {
    class Model extends nn.Module {
      inner = Object.assign(new nn.Linear(1, 1), { field: null as unknown })
    }
    const model = new Model()
    model.inner.field = make(model.inner)
    expect(() => model.clone()).toThrow(error)
  })
})

/** An arrow function that keeps its `this`. */
function bound(this: nn.Module): () => nn.Module {
  return () => this
}

describe('stateDict({ copy: true })', () => {
  it('keeps the values of its moment', () => {
    const linear = new nn.Linear(2, 1)
    const best = linear.stateDict({ copy: true })
    const before = [...linear.weight.data]
    linear.weight.data.fill(9)
    expect(linear.stateDict().get('weight')?.data).toContain(9)
    expect([...(best.get('weight')?.data ?? [])]).toEqual(before)
    linear.loadStateDict(best)
    expect([...linear.weight.data]).toEqual(before)
    expect([...best.values()].some(({ requiresGrad }) => requiresGrad)).toBe(false)
    expect(linear.stateDict({ copy: true })).toStrictEqual(linear.stateDict({ copy: false }))
  })

  it('shares a shared parameter', () => {
    class Tied extends nn.Module {
      a = new nn.Linear(2, 2)
      b = new nn.Linear(2, 2)
    }
    const model = new Tied()
    model.b.weight = model.a.weight
    const copy = model.stateDict({ copy: true })
    expect(copy.get('a.weight')?.data).toBe(copy.get('b.weight')?.data)
  })

  it('of an optimizer keeps its moments', () => {
    const parameter = ones([2], { requiresGrad: true })
    const optimizer = new optim.SGD([parameter], { lr: 0.1, momentum: 0.9 })
    const step = () => {
      optimizer.zeroGrad()
      parameter.mul(parameter).sum().backward()
      optimizer.step()
    }
    step()
    const [shared, copy] = [optimizer.stateDict(), optimizer.stateDict({ copy: true })]
    expect(copy).toStrictEqual(shared)
    step()
    expect(shared).toStrictEqual(optimizer.stateDict())
    expect(copy).not.toEqual(shared)
    optimizer.loadStateDict(copy)
    expect(optimizer.stateDict()).toStrictEqual(copy)
  })

  it('refuses other options', () => {
    const linear = new nn.Linear(1, 1)
    // @ts-expect-error: not a boolean
    expect(() => linear.stateDict({ copy: 1 })).toThrow(TypeError)
    // @ts-expect-error: no such option
    expect(() => linear.stateDict({ clone: true })).toThrow(TypeError)
    const optimizer = new optim.SGD(linear.parameters(), { lr: 1 })
    // @ts-expect-error: no such option
    expect(() => optimizer.stateDict({ clone: true })).toThrow(TypeError)
  })
})

it('early stopping gets the best weights back', () => {
  manualSeed(0)
  const model = new nn.Linear(1, 1)
  const optimizer = new optim.SGD(model.parameters(), { lr: 3 }) // diverges
  const criterion = new nn.MSELoss()
  const loss = () => criterion.forward(model.forward(ones([1])), ones([1]))
  let [best, bestLoss] = [model.clone(), Number.POSITIVE_INFINITY]
  const first = model.clone()
  for (let step = 0; step < 5; step += 1) {
    const now = loss()
    if (now.item() < bestLoss) [best, bestLoss] = [model.clone(), now.item()]
    optimizer.zeroGrad()
    now.backward()
    optimizer.step()
  }
  expect(best).toStrictEqual(first)
  expect(model).not.toEqual(best)
})
