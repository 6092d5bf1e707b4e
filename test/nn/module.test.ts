/** nn.Module: what it finds in fields, and its methods. */

import {
  type DType,
  deserializeSafetensors,
  nn,
  ones,
  optim,
  randn,
  serializeSafetensors,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { bits, errorOf } from '../helpers/numbers'

class Tagger extends nn.Module {
  embedding = new nn.Embedding(10, 3)
  scale = tensor([1, 2], { requiresGrad: true })
  rnn = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
  layers = [new nn.Linear(4, 4), new nn.Linear(4, 4), new nn.Linear(4, 2)]
  drop = new nn.Dropout(0.1)
  losses: number[] = []
  hidden: Tensor | null = null
  name = 'tagger'
}

describe('parameters', () => {
  it('are found on fields, own ones first, in the order of the fields', () => {
    const model = new Tagger()
    expect([...model.stateDict().keys()]).toEqual([
      'scale',
      'embedding.weight',
      'rnn.weight_ih_l0',
      'rnn.weight_hh_l0',
      'rnn.bias_ih_l0',
      'rnn.bias_hh_l0',
      'rnn.weight_ih_l1',
      'rnn.weight_hh_l1',
      'rnn.bias_ih_l1',
      'rnn.bias_hh_l1',
      'layers.0.weight',
      'layers.0.bias',
      'layers.1.weight',
      'layers.1.bias',
      'layers.2.weight',
      'layers.2.bias',
    ])
    expect(model.namedParameters().map(([name]) => name)).toEqual([...model.stateDict().keys()])
    expect(model.parameters()).toHaveLength(16)
    expect(model.parameters()[0]).toBe(model.scale)
    expect(model.parameters().every((parameter) => parameter.requiresGrad)).toBe(true)
  })

  it('are not data, results of operations or carried states', () => {
    const model = new Tagger()
    model.hidden = model.scale.mul(2)
    Object.assign(model, { data: zeros([3]), carried: model.hidden.detach() })
    expect(model.parameters()).toHaveLength(16)
  })

  it('stay parameters while they are frozen', () => {
    const model = new nn.Linear(2, 2)
    model.weight.requiresGrad = false
    expect([...model.stateDict().keys()]).toEqual(['weight', 'bias'])
    const before = bits(model.weight)
    const optimizer = new optim.SGD(model.parameters(), { lr: 1 })
    model
      .forward(ones([1, 2]))
      .sum()
      .backward()
    optimizer.step()
    expect(model.weight.grad).toBeNull()
    expect(bits(model.weight)).toBe(before)
  })

  it('that are shared come once, and under each name in the state dict', () => {
    class Tied extends nn.Module {
      encoder = new nn.Linear(3, 3)
      decoder = new nn.Linear(3, 3, { bias: false })
    }
    const model = new Tied()
    model.decoder.weight = model.encoder.weight
    expect(model.namedParameters().map(([name]) => name)).toEqual([
      'encoder.weight',
      'encoder.bias',
    ])
    expect([...model.stateDict().keys()]).toEqual([
      'encoder.weight',
      'encoder.bias',
      'decoder.weight',
    ])
    model.decoder
      .forward(model.encoder.forward(ones([1, 3])))
      .sum()
      .backward()
    expect(model.encoder.weight.grad).toBe(model.decoder.weight.grad)
  })

  it('of recurrent modules can be shared too', () => {
    const [a, b] = [new nn.RNN(2, 3), new nn.RNN(2, 3)]
    b.weight_ih_l0 = a.weight_ih_l0
    const [output] = b.forward(ones([2, 1, 2]))
    output.sum().backward()
    expect(a.weight_ih_l0.grad).not.toBeNull()
    b.weight_ih_l0 = zeros([3, 5])
    expect(() => b.forward(ones([2, 1, 2]))).toThrow(
      new RangeError('Expected weight_ih_l0 to have shape [3, 2], got [3, 5]'),
    )
    Object.assign(b, { weight_ih_l0: 3 })
    expect(() => b.forward(ones([2, 1, 2]))).toThrow(TypeError)
  })

  it('are found without going round in circles', () => {
    class Child extends nn.Module {
      parent: nn.Module | null = null
      linear = new nn.Linear(1, 1)
    }
    class Parent extends nn.Module {
      child = new Child()
    }
    const parent = new Parent()
    parent.child.parent = parent
    expect([...parent.stateDict().keys()]).toEqual(['child.linear.weight', 'child.linear.bias'])
    expect(String(parent)).toContain('(parent): ...')
    expect(parent.eval().child.linear.training).toBe(false)
  })
})

describe('train, eval, zeroGrad, to', () => {
  it('reach all modules', () => {
    const model = new Tagger()
    expect(model.training).toBe(true)
    expect(model.eval()).toBe(model)
    expect([model, model.rnn, model.layers[1], model.drop].map((m) => m.training)).toEqual([
      false,
      false,
      false,
      false,
    ])
    model.train()
    expect(model.layers[2].training).toBe(true)
    // @ts-expect-error: not a boolean
    expect(() => model.train(1)).toThrow(TypeError)
    expect(model.training).toBe(true)
  })

  it('zeroGrad sets gradients to null', () => {
    const model = new nn.Linear(2, 2)
    model
      .forward(ones([1, 2]))
      .sum()
      .backward()
    expect(model.weight.grad).not.toBeNull()
    model.zeroGrad()
    expect(model.weight.grad).toBeNull()
  })

  it('to converts parameters and gradients in place', () => {
    const model: nn.RNN<DType> = new nn.RNN(2, 3)
    const before = [...model.weight_ih_l0.data]
    const [output] = model.forward(randn([2, 1, 2]))
    output.sum().backward()
    const { weight_ih_l0: weight } = model
    expect(model.to('float64')).toBe(model)
    expect(model.weight_ih_l0).toBe(weight)
    expect(weight.dtype).toBe('float64')
    expect([...weight.data]).toEqual(before)
    expect(weight.grad?.dtype).toBe('float64')
    const [result] = model.forward(randn([2, 1, 2], { dtype: 'float64' }))
    expect(result.dtype).toBe('float64')
    expect(() => model.forward(randn([2, 1, 2]))).toThrow(TypeError)
    // @ts-expect-error: no such dtype
    expect(() => model.to('int32')).toThrow(TypeError)
    model.to('float32')
    expect([...model.weight_ih_l0.data]).toEqual(before)
  })
})

describe('stateDict and loadStateDict', () => {
  it('share, and copy', () => {
    const [a, b] = [new Tagger(), new Tagger()]
    expect(a.stateDict().get('scale')?.data).toBe(a.scale.data)
    expect(a.stateDict().get('scale')?.requiresGrad).toBe(false)
    const result = b.loadStateDict(a.stateDict())
    expect(result).toEqual({ missingKeys: [], unexpectedKeys: [] })
    for (const [name, value] of a.stateDict()) {
      const copy = b.stateDict().get(name)
      expect(copy?.data).toEqual(value.data)
      expect(copy?.data).not.toBe(value.data)
    }
  })

  it('casts other dtypes', () => {
    const [a, b] = [new nn.Linear(2, 2, { dtype: 'float64' }), new nn.Linear(2, 2)]
    b.loadStateDict(a.stateDict())
    expect(b.weight.dtype).toBe('float32')
    expect(b.weight.data).toEqual(Float32Array.from(a.weight.data))
  })

  it('names everything that does not fit, and changes nothing', () => {
    const model = new nn.Linear(2, 2)
    const before = bits(model.weight) + bits(model.bias ?? model.weight)
    const map = new Map([
      ['bias', zeros([1])],
      ['x', zeros([1])],
    ])
    expect(errorOf(() => model.loadStateDict(map))).toEqual(
      new RangeError(
        'Error(s) in loading state_dict for Linear:\n' +
          '\tMissing key(s) in state_dict: "weight".\n' +
          '\tUnexpected key(s) in state_dict: "x".\n' +
          '\tsize mismatch for bias: copying a param with shape [1] from checkpoint, the shape in current model is [2].',
      ),
    )
    const half = new Map([
      ['weight', ones([2, 2])],
      ['bias', zeros([1])],
    ])
    expect(() => model.loadStateDict(half, { strict: false })).toThrow(/size mismatch for bias/)
    expect(() =>
      model.loadStateDict(new Map([['weight', tensor([1], { dtype: 'int32' })]]), {
        strict: false,
      }),
    ).toThrow(/While copying the parameter named "weight"/)
    // @ts-expect-error: not a map
    expect(() => model.loadStateDict({ weight: ones([2, 2]) })).toThrow(TypeError)
    // @ts-expect-error: not a boolean
    expect(() => model.loadStateDict(new Map(), { strict: 0 })).toThrow(TypeError)
    // @ts-expect-error: no such option
    expect(() => model.loadStateDict(new Map(), { assign: true })).toThrow(TypeError)
    expect(bits(model.weight) + bits(model.bias ?? model.weight)).toBe(before)
  })

  it('reports both lists if it is not strict', () => {
    const model = new nn.Linear(2, 2)
    const map = new Map([
      ['weight', ones([2, 2])],
      ['x', zeros([1])],
    ])
    expect(model.loadStateDict(map, { strict: false })).toEqual({
      missingKeys: ['bias'],
      unexpectedKeys: ['x'],
    })
    expect(model.weight.toArray()).toEqual([
      [1, 1],
      [1, 1],
    ])
  })

  it('takes what a file gives', () => {
    const [a, b] = [new Tagger(), new Tagger()]
    b.loadStateDict(deserializeSafetensors(serializeSafetensors(a.stateDict())))
    expect(b.scale.data).toEqual(a.scale.data)
  })
})

describe('toString', () => {
  it("is torch's repr", () => {
    expect(String(new Tagger())).toBe(
      `Tagger(
  (embedding): Embedding(10, 3)
  (rnn): RNN(3, 4, num_layers=2, dropout=0.5)
  (layers): ModuleList(
    (0-1): 2 x Linear(in_features=4, out_features=4, bias=True)
    (2): Linear(in_features=4, out_features=2, bias=True)
  )
  (drop): Dropout(p=0.1, inplace=False)
)`,
    )
    expect(String(new nn.Module())).toBe('Module()')
    expect(String(new nn.RNN(3, 4))).toBe('RNN(3, 4)')
    expect(
      String(
        new nn.RNN(3, 4, {
          numLayers: 2,
          nonlinearity: 'relu',
          bias: false,
          batchFirst: true,
          dropout: 0.25,
          bidirectional: true,
        }),
      ),
    ).toBe(
      'RNN(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.25, bidirectional=True)',
    )
    expect(String(new nn.Linear(3, 4, { bias: false }))).toBe(
      'Linear(in_features=3, out_features=4, bias=False)',
    )
    expect(String(new nn.Embedding(3, 2, { paddingIdx: -1 }))).toBe(
      'Embedding(3, 2, padding_idx=2)',
    )
    expect(String(new nn.CrossEntropyLoss())).toBe('CrossEntropyLoss()')
    expect(String(new nn.MSELoss())).toBe('MSELoss()')
  })
})
