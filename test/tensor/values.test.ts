/** Tensors, and what holds them, as values: deep equality, JSON, structuredClone, conversion to numbers. */

import assert from 'node:assert'
import { inspect } from 'node:util'
import {
  type DType,
  deserializeSafetensors,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  serializeSafetensors,
  Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it, test } from 'vitest'

/** The answers of node:assert and of Vitest, whose algorithm is Jest's, to whether two values are equal. */
function equalities(a: unknown, b: unknown): Record<string, boolean> {
  const checks = {
    'assert.deepStrictEqual': () => assert.deepStrictEqual(a, b),
    'assert.deepEqual': () => assert.deepEqual(a, b),
    toEqual: () => expect(a).toEqual(b),
    toStrictEqual: () => expect(a).toStrictEqual(b),
  }
  return Object.fromEntries(
    Object.entries(checks).map(([name, check]) => {
      try {
        check()
        return [name, true]
      } catch {
        return [name, false]
      }
    }),
  )
}

const all = (equal: boolean) => ({
  'assert.deepStrictEqual': equal,
  'assert.deepEqual': equal,
  toEqual: equal,
  toStrictEqual: equal,
})

/** A module with the same numbers in all parameters of one name and size. */
function filled<M extends nn.Module<DType>>(module: M): M {
  for (const { data } of module.parameters()) data.set(data.map((_, i) => i / 8 - 1))
  return module
}

/** An optimizer after `steps` steps. */
function stepped<Options extends object>(
  make: (parameters: Tensor[]) => optim.Optimizer<Options>,
  steps = 1,
): optim.Optimizer<Options> {
  const parameter = ones([3], { requiresGrad: true })
  const optimizer = make([parameter])
  for (let step = 0; step < steps; step += 1) {
    optimizer.zeroGrad()
    parameter.mul(parameter).sum().backward()
    optimizer.step()
  }
  return optimizer
}

const int = (values: number[]) => tensor(values, { dtype: 'int32' })
const pack = (...sequences: number[][]) =>
  nn.utils.rnn.packSequence(
    sequences.map((one) => tensor(one)),
    { enforceSorted: false },
  )

/** What makes a value, and what makes others that differ from it in one thing. */
const kinds: Record<string, [make: () => unknown, others: Record<string, () => unknown>]> = {
  Tensor: [
    () => ones([4]),
    {
      value: () => tensor([1, 1, 1, 2]),
      shape: () => ones([2, 2]),
      rank: () => ones([4, 1]),
      dtype: () => ones([4], { dtype: 'float64' }),
      kind: () => int([1, 1, 1, 1]),
      size: () => ones([5]),
    },
  ],
  'Tensor without elements': [() => zeros([0]), { shape: () => zeros([0, 2]) }],
  'Tensor of one element': [() => tensor(1), { shape: () => tensor([1]) }],
  IntTensor: [
    () => int([1, 2]),
    { value: () => int([1, 3]), shape: () => tensor([[1, 2]], { dtype: 'int32' }) },
  ],
  PackedSequence: [
    () => pack([1, 2], [3]),
    {
      value: () => pack([1, 2], [4]),
      lengths: () => pack([1], [3, 2]),
      order: () => pack([3], [1, 2]),
    },
  ],
  'state dict': [
    () => filled(new nn.RNN(2, 3)).stateDict(),
    {
      sizes: () => filled(new nn.RNN(3, 2)).stateDict(),
      names: () => filled(new nn.RNN(2, 3, { bias: false })).stateDict(),
      values: () => new nn.RNN(2, 3).stateDict(),
    },
  ],
  RNN: [
    () => filled(new nn.RNN(2, 3)),
    {
      weights: () => new nn.RNN(2, 3),
      hiddenSize: () => filled(new nn.RNN(2, 4)),
      nonlinearity: () => filled(new nn.RNN(2, 3, { nonlinearity: 'relu' })),
      batchFirst: () => filled(new nn.RNN(2, 3, { batchFirst: true })),
      bias: () => filled(new nn.RNN(2, 3, { bias: false })),
      training: () => filled(new nn.RNN(2, 3)).eval(),
      dropout: () => Object.assign(filled(new nn.RNN(2, 3)), { dropout: 0.5 }),
      dtype: () => filled(new nn.RNN(2, 3, { dtype: 'float64' })),
    },
  ],
  LSTM: [
    () => filled(new nn.LSTM(2, 3)),
    { projSize: () => filled(new nn.LSTM(2, 3, { projSize: 1 })) },
  ],
  GRU: [
    () => filled(new nn.GRU(2, 3)),
    { layers: () => filled(new nn.GRU(2, 3, { numLayers: 2 })) },
  ],
  JordanRNN: [
    () => filled(new nn.JordanRNN(2, 3, 1)),
    { output: () => filled(new nn.JordanRNN(2, 3, 1, { outputNonlinearity: 'tanh' })) },
  ],
  RNNCell: [
    () => filled(new nn.RNNCell(2, 3)),
    { nonlinearity: () => filled(new nn.RNNCell(2, 3, { nonlinearity: 'relu' })) },
  ],
  Linear: [() => filled(new nn.Linear(2, 3)), { values: () => new nn.Linear(2, 3) }],
  Embedding: [
    () => filled(new nn.Embedding(2, 3)),
    { paddingIdx: () => filled(new nn.Embedding(2, 3, { paddingIdx: 1 })) },
  ],
  Dropout: [() => new nn.Dropout(0.5), { p: () => new nn.Dropout(0.1) }],
  MSELoss: [() => new nn.MSELoss(), { reduction: () => new nn.MSELoss({ reduction: 'sum' }) }],
  CrossEntropyLoss: [
    () => new nn.CrossEntropyLoss(),
    { ignoreIndex: () => new nn.CrossEntropyLoss({ ignoreIndex: 0 }) },
  ],
  Adam: [
    () => stepped((parameters) => new optim.Adam(parameters)),
    {
      lr: () => stepped((parameters) => new optim.Adam(parameters, { lr: 0.5 })),
      state: () => {
        const other = stepped((parameters) => new optim.Adam(parameters))
        other.loadStateDict({ ...other.stateDict(), state: new Map() })
        return other
      },
      rule: () => stepped((parameters) => new optim.SGD(parameters, { lr: 0.001 })),
    },
  ],
  StepLR: [
    () =>
      new optim.lrScheduler.StepLR(
        stepped((all) => new optim.SGD(all, { lr: 1 })),
        2,
      ),
    {
      stepSize: () =>
        new optim.lrScheduler.StepLR(
          stepped((all) => new optim.SGD(all, { lr: 1 })),
          3,
        ),
    },
  ],
}

describe.each(Object.entries(kinds))('two of %s', (_, [make, others]) => {
  it('are equal if they are the same in all', () => {
    expect(equalities(make(), make())).toEqual(all(true))
  })

  it.each(Object.entries(others))('differ by their %s', (_, other) => {
    expect(equalities(make(), other())).toEqual(all(false))
    expect(equalities(other(), make())).toEqual(all(false))
  })
})

describe('the equality of tensors', () => {
  it('is that of values: requiresGrad, grad and the tape take no part', () => {
    const leaf = ones([3], { requiresGrad: true })
    const recorded = leaf.mul(1)
    const withGrad = ones([3], { requiresGrad: true })
    withGrad.sum().backward()
    for (const one of [leaf, recorded, withGrad, recorded.detach(), recorded.reshape([3])]) {
      expect(equalities(one, ones([3]))).toEqual(all(true))
    }
  })

  it('follows writes, steps and changes of dtype', () => {
    const linear = filled(new nn.Linear(2, 1))
    const before = linear.weight.clone()
    linear.weight.data[0] = 5
    expect(linear.weight).not.toEqual(before)
    linear.loadStateDict(
      new Map([
        ['weight', before],
        ['bias', linear.bias ?? before],
      ]),
    )
    expect(linear.weight).toEqual(before)
    linear.to('float64')
    expect(linear.weight).not.toEqual(before)
    expect(linear.weight).toEqual(tensor(Float64Array.from(before.data), { shape: [1, 2] }))
  })

  it('takes NaN as equal to NaN, as the tools do with typed arrays', () => {
    const make = () => tensor([Number.NaN, 1])
    expect(equalities(make(), make())).toEqual({ ...all(true), 'assert.deepEqual': false })
    expect(() => assert.deepEqual(make().data, make().data)).toThrow() // so does node:assert itself
  })

  it('holds for results that share a buffer, and leaves them where they are', () => {
    const rnn = filled(new nn.RNN(2, 3))
    const [a, hA] = rnn.forward(ones([4, 1, 2]))
    const [b, hB] = rnn.forward(ones([4, 1, 2]))
    expect(equalities([a, hA], [b, hB])).toEqual(all(true))
    expect(equalities(a, noGrad(() => rnn.forward(zeros([4, 1, 2])))[0])).toEqual(all(false))
    expect(a.data.buffer.byteLength).toBe(a.data.byteLength)
    expect(a.data).toBe(a.data)
  })

  it('sees modules inside of models, and lists of tensors', () => {
    class Model extends nn.Module {
      layers = [filled(new nn.Linear(2, 2)), filled(new nn.Linear(2, 1))]
      scale = tensor([2], { requiresGrad: true })
    }
    const other = new Model()
    expect(equalities(new Model(), other)).toEqual(all(true))
    other.layers[1]?.weight.data.fill(0)
    expect(equalities(new Model(), other)).toEqual(all(false))
    expect(equalities([ones([2])], [zeros([2])])).toEqual(all(false))
  })

  it('is the identity of streams, which run on', () => {
    const rnn = filled(new nn.RNN(2, 3))
    const stream = rnn.stream()
    expect(equalities(stream, stream)).toEqual(all(true))
    expect(equalities(stream, rnn.stream())).toEqual(all(false))
  })
})

describe('what tools print', () => {
  /** As node:assert shows a value that is not equal. */
  const raw = (value: unknown) =>
    inspect(value, { customInspect: false, depth: Number.POSITIVE_INFINITY, getters: true })

  it('has the values, and nothing of the tape', () => {
    let x = ones([2], { requiresGrad: true })
    for (let i = 0; i < 50; i += 1) x = x.mul(1)
    expect(raw(x)).toMatch(/Float32Array\(2\) \[ 1, 1 \].*shape: \[ 2 \]/s)
    expect(raw(x)).not.toMatch(/Node|origin|grad/)
    expect(raw(x).length).toBeLessThan(2000)
  })

  it('is readable in snapshots', () => {
    expect(tensor([[1, -0.5]])).toMatchInlineSnapshot(`
      {
        "data": [
          1,
          -0.5,
        ],
        "dtype": "float32",
        "shape": [
          1,
          2,
        ],
      }
    `)
    expect(filled(new nn.Linear(1, 2))).toMatchInlineSnapshot(`
      Linear {
        "bias": {
          "data": [
            -1,
            -0.875,
          ],
          "dtype": "float32",
          "shape": [
            2,
          ],
        },
        "inFeatures": 1,
        "outFeatures": 2,
        "training": true,
        "weight": {
          "data": [
            -1,
            -0.875,
          ],
          "dtype": "float32",
          "shape": [
            2,
            1,
          ],
        },
      }
    `)
    expect(int([3])).toMatchInlineSnapshot(`
      {
        "data": [
          3,
        ],
        "dtype": "int32",
        "shape": [
          1,
        ],
      }
    `)
  })

  it('shows the difference', () => {
    expect(() => assert.deepStrictEqual(ones([3]), zeros([2]))).toThrow(/Float32Array\(3\)/)
    expect(() => expect(ones([3])).toEqual(zeros([2]))).toThrow(
      expect.objectContaining({ message: expect.stringContaining('to deeply equal') }),
    )
  })
})

describe('JSON', () => {
  it('has dtype, shape and data', () => {
    const text = JSON.stringify({ x: tensor([[1, 2.5]]), y: int([3]) })
    expect(text).toBe(
      '{"x":{"dtype":"float32","shape":[1,2],"data":[1,2.5]},"y":{"dtype":"int32","shape":[1],"data":[3]}}',
    )
  })

  it('keeps every bit of a number, NaN and infinity', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const { NaN: nan, POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: minus } = Number
      const x = tensor([nan, inf, minus, 0.1, 1 / 3, 1e-40], { dtype })
      const { data, shape, ...rest } = JSON.parse(JSON.stringify(x))
      expect(data.slice(0, 3)).toEqual(['NaN', 'Infinity', '-Infinity'])
      expect(tensor(data.map(Number), { shape, ...rest })).toStrictEqual(x)
    }
  })

  it('of modules and optimizers has their values', () => {
    const linear = new nn.Linear(1, 1, { bias: false })
    linear.weight.data[0] = 2
    expect(JSON.parse(JSON.stringify(linear))).toEqual({
      ...{ training: true, inFeatures: 1, outFeatures: 1, bias: null },
      weight: { dtype: 'float32', shape: [1, 1], data: [2] },
    })
    const optimizer = stepped((parameters) => new optim.SGD(parameters, { lr: 1, momentum: 0.5 }))
    const { state } = JSON.parse(JSON.stringify(optimizer))
    expect(state[0].momentumBuffer).toEqual({ dtype: 'float32', shape: [3], data: [2, 2, 2] })
  })
})

describe('structuredClone', () => {
  const linear = new nn.Linear(2, 1)

  it.each([
    ['a tensor', ones([2])],
    ['a tensor of the tape', linear.forward(ones([2]))],
    ['an IntTensor', int([1])],
    ['a packed sequence', pack([1])],
    ['a module', linear],
    ['a state dict', linear.stateDict()],
    ['an optimizer', new optim.Adam(linear.parameters())],
    ['a list', { nested: [ones([1])] }],
  ])('refuses %s, and says what to send', (_, value) => {
    expect(() => structuredClone(value)).toThrow(
      expect.objectContaining({
        name: 'DataCloneError',
        message: expect.stringMatching(/send its data and shape, or serializeSafetensors\(/),
      }),
    )
  })

  it('refuses a stream', () => {
    expect(() => structuredClone(new nn.RNN(1, 1).stream())).toThrow(/an RNNStream itself: send /)
  })

  it('carries what the error names', () => {
    const x = rand([2, 3])
    const { data, shape } = structuredClone({ data: x.data, shape: x.shape })
    expect(tensor(data, { shape })).toStrictEqual(x)
    const bytes = structuredClone(serializeSafetensors(linear.stateDict()))
    const received = new nn.Linear(2, 1)
    received.loadStateDict(deserializeSafetensors(bytes))
    expect(received).toStrictEqual(linear)
  })
})

describe('a conversion', () => {
  // JavaScript's own operators, which TypeScript refuses for objects.
  const number = (value: unknown) => value as number

  it.each([
    ['Tensor', tensor(0.25)],
    ['Tensor (1, 1)', tensor([[0.25]])],
    ['recorded Tensor', tensor(0.5, { requiresGrad: true }).mul(0.5)],
  ])('of one element of a %s gives its number', (_, x) => {
    expect(number(x) < 1).toBe(true)
    expect(number(x) > 1).toBe(false)
    expect(0 + number(x)).toBe(0.25)
    expect(number(x) * 2).toBe(0.5)
    expect(Math.max(number(x), 0)).toBe(0.25)
    expect(Number(x)).toBe(0.25)
    expect(`${x}`).toBe(x.toString())
    expect(String(x)).toMatch(/^tensor\(/)
  })

  it('of an IntTensor too', () => {
    expect(number(int([3])) + 1).toBe(4)
    expect(`${int([3])}`).toBe('tensor([3], size=(1,), dtype=int32)')
  })

  it.each([
    ['a Tensor', ones([2, 3]), '2, 3'],
    ['a Tensor without elements', zeros([0]), '0'],
    ['an IntTensor', int([1, 2]), '2'],
  ])('of %s with another number of elements is refused', (_, x, sizes) => {
    const refused = new TypeError(
      `only one element tensors can be converted to numbers, but this one has shape [${sizes}]: ` +
        'take an element of its data, or its text by String(tensor)',
    )
    expect(() => number(x) < 1).toThrow(refused)
    expect(() => 0 + number(x)).toThrow(refused)
    expect(() => Number(x)).toThrow(refused)
    expect(`${x}`).toMatch(/^tensor\(/)
  })
})

describe('clone', () => {
  test('of a tensor has memory of its own, and passes the gradient through', () => {
    const x = tensor([[1, 2]], { requiresGrad: true })
    const copy = x.clone()
    expect(copy).toStrictEqual(x)
    expect(copy.requiresGrad).toBe(true)
    expect(String(copy)).toContain('grad_fn=<CloneBackward0>')
    copy
      .mul(tensor([[3, 4]]))
      .sum()
      .backward()
    expect(x.grad).toEqual(tensor([[3, 4]]))
    expect(copy.grad).toBeNull()
    x.data[0] = 9
    expect(copy.toArray()).toEqual([[1, 2]])
    expect(noGrad(() => x.clone()).requiresGrad).toBe(false)
    expect(zeros([0, 2], { dtype: 'float64' }).clone()).toStrictEqual(
      zeros([0, 2], { dtype: 'float64' }),
    )
    expect(x.clone()).toBeInstanceOf(Tensor)
  })

  test('of a tensor gives the gradient to both, where both are used', () => {
    const x = ones([2], { requiresGrad: true })
    x.clone().add(x).sum().backward()
    expect(x.grad?.toArray()).toEqual([2, 2])
  })

  test('of an IntTensor has memory of its own', () => {
    const x = tensor([[1, 2]], { dtype: 'int32' })
    const copy = x.clone()
    expect(copy).toStrictEqual(x)
    x.data[0] = 9
    expect(copy.toArray()).toEqual([[1, 2]])
  })
})
