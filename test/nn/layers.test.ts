/** Linear, Embedding, Dropout and the losses. */

import { cat, manualSeed, nn, ones, type Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../helpers/finite-differences'
import { bits, errorOf, expectClose, filled } from '../helpers/numbers'

describe('Linear', () => {
  it('is x Wᵀ + b over the last dimension', () => {
    const layer = new nn.Linear(2, 3)
    layer.weight.data.set([1, 2, 3, 4, 5, 6])
    layer.bias?.data.set([10, 20, 30])
    expect(layer.forward(tensor([1, -1])).toArray()).toEqual([9, 19, 29])
    expect(layer.forward(ones([4, 5, 2])).shape).toEqual([4, 5, 3])
    expect(layer.forward(ones([0, 2])).shape).toEqual([0, 3])
    const bare = new nn.Linear(2, 3, { bias: false })
    bare.weight.data.set([1, 2, 3, 4, 5, 6])
    expect(bare.bias).toBeNull()
    expect([...bare.stateDict().keys()]).toEqual(['weight'])
    expect(bare.forward(tensor([[1, -1]])).toArray()).toEqual([[-1, -1, -1]])
  })

  it('draws its values within 1/√in', () => {
    const layer = new nn.Linear(16, 100)
    const bound = Math.fround(0.25)
    for (const parameter of layer.parameters()) {
      expect(Math.max(...parameter.data.map(Math.abs))).toBeLessThanOrEqual(bound)
      expect(Math.max(...parameter.data.map(Math.abs))).toBeGreaterThan(0.2)
    }
  })

  it('has the right gradients', () => {
    for (const bias of [true, false]) {
      const layer = new nn.Linear(3, 4, { bias, dtype: 'float64' })
      expectGradients((x) => layer.forward(x), [leaf([2, 5, 3], 1), ...layer.parameters()])
    }
  })

  it('refuses what does not fit', () => {
    const layer = new nn.Linear(4, 3)
    expect(() => layer.forward(zeros([5, 2, 7]))).toThrow(
      new RangeError('mat1 and mat2 shapes cannot be multiplied (10x7 and 4x3)'),
    )
    expect(() => layer.forward(tensor(1))).toThrow(
      new RangeError('both arguments to linear need to be at least 1D, but they are 0D and 2D'),
    )
    // @ts-expect-error: another dtype
    expect(() => layer.forward(zeros([2, 4], { dtype: 'float64' }))).toThrow(
      new TypeError('mat1 and mat2 must have the same dtype, but got float64 and float32'),
    )
    // @ts-expect-error: not a tensor
    expect(() => layer.forward([1, 2, 3, 4])).toThrow(TypeError)
    expect(() => new nn.Linear(0, 3)).toThrow(RangeError)
    expect(() => new nn.Linear(3, -1)).toThrow(RangeError)
    expect(() => new nn.Linear(1.5, 3)).toThrow(TypeError)
    // @ts-expect-error: not a boolean
    expect(() => new nn.Linear(2, 3, { bias: 0 })).toThrow(TypeError)
    // @ts-expect-error: no such option
    expect(() => new nn.Linear(2, 3, { device: 'cpu' })).toThrow(TypeError)
  })
})

describe('Embedding', () => {
  it('looks up rows for indices of any shape', () => {
    const layer = new nn.Embedding(4, 2)
    layer.weight.data.set([0, 1, 10, 11, 20, 21, 30, 31])
    const words = tensor(
      [
        [3, 0],
        [1, 1],
      ],
      { dtype: 'int32' },
    )
    expect(layer.forward(words).toArray()).toEqual([
      [
        [30, 31],
        [0, 1],
      ],
      [
        [10, 11],
        [10, 11],
      ],
    ])
    expect(layer.forward(tensor(2, { dtype: 'int32' })).toArray()).toEqual([20, 21])
    expect(layer.forward(tensor([], { dtype: 'int32' })).shape).toEqual([0, 2])
  })

  it('sums gradients of rows that come twice, and gives the padding row none', () => {
    const layer = new nn.Embedding(4, 2, { paddingIdx: -4 })
    expect(layer.paddingIdx).toBe(0)
    expect([...layer.weight.data.subarray(0, 2)]).toEqual([0, 0])
    layer
      .forward(tensor([0, 1, 1, 3], { dtype: 'int32' }))
      .sum()
      .backward()
    expect(layer.weight.grad?.toArray()).toEqual([
      [0, 0],
      [2, 2],
      [0, 0],
      [1, 1],
    ])
  })

  it('copies the indices', () => {
    const layer = new nn.Embedding(4, 1)
    const words = tensor([1, 2], { dtype: 'int32' })
    const output = layer.forward(words)
    words.data.fill(0)
    output.sum().backward()
    expect(layer.weight.grad?.toArray()).toEqual([[0], [1], [1], [0]])
  })

  it('refuses what does not fit', () => {
    const layer = new nn.Embedding(4, 2)
    for (const index of [4, -1]) {
      const error = errorOf(() => layer.forward(tensor([index], { dtype: 'int32' })))
      expect(error).toBeInstanceOf(RangeError)
      expect((error as Error).message).toMatch(/^index out of range in self/)
    }
    // @ts-expect-error: not indices
    expect(() => layer.forward(zeros([2]))).toThrow(TypeError)
    for (const paddingIdx of [4, -5]) {
      expect(() => new nn.Embedding(4, 2, { paddingIdx })).toThrow(
        /^Padding_idx must be within num_embeddings/,
      )
    }
    expect(() => new nn.Embedding(4, 2, { paddingIdx: 0.5 })).toThrow(TypeError)
    expect(() => new nn.Embedding(-1, 2)).toThrow(RangeError)
    expect(() => new nn.Embedding(4, Number.NaN)).toThrow(TypeError)
  })
})

describe('Dropout', () => {
  it('zeroes about p of the elements and scales the others', () => {
    const layer = new nn.Dropout(0.25)
    const output = layer.forward(ones([10_000]))
    const kept = output.data.filter((value) => value !== 0)
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]))
    expect(Math.abs(kept.length / 10_000 - 0.75)).toBeLessThan(0.03)
    expect(bits(layer.forward(ones([100])))).not.toBe(bits(layer.forward(ones([100]))))
  })

  it('gives its input back in evaluation, and if p is 0', () => {
    const x = ones([3])
    expect(new nn.Dropout(0.5).eval().forward(x)).toBe(x)
    expect(new nn.Dropout(0).forward(x)).toBe(x)
    expect(new nn.Dropout(1).forward(x).toArray()).toEqual([0, 0, 0])
    expect(new nn.Dropout().p).toBe(0.5)
  })

  it('uses one mask for values and gradients, and follows the seed', () => {
    const layer = new nn.Dropout(0.5)
    const x = ones([100], { requiresGrad: true })
    manualSeed(1)
    const output = layer.forward(x)
    output.sum().backward()
    expect(x.grad?.data).toEqual(output.data)
    manualSeed(1)
    expect(layer.forward(x).data).toEqual(output.data)
  })

  it('refuses what is no probability', () => {
    for (const p of [1.5, -0.1, Number.NaN]) {
      expect(() => new nn.Dropout(p)).toThrow(
        new RangeError(`dropout probability has to be between 0 and 1, but got ${p}`),
      )
    }
    // @ts-expect-error: not a number
    expect(() => new nn.Dropout('0.5')).toThrow(TypeError)
    // @ts-expect-error: not a tensor
    expect(() => new nn.Dropout().forward([1])).toThrow(TypeError)
  })
})

/** -log softmax, from its definition. */
function surprise(logits: number[], target: number): number {
  const sum = logits.reduce((total, value) => total + Math.exp(value), 0)
  return Math.log(sum) - logits[target]
}

describe('CrossEntropyLoss', () => {
  const logits = (): Tensor<'float64'> =>
    tensor(
      [
        [0.5, -1, 2],
        [1, 1, 1],
        [-3, 0, 0.25],
      ],
      { dtype: 'float64', requiresGrad: true },
    )
  const losses = [surprise([0.5, -1, 2], 0), surprise([1, 1, 1], 2), surprise([-3, 0, 0.25], 1)]
  const total = losses[0] + losses[1] + losses[2]
  const targets = tensor([0, 2, 1], { dtype: 'int32' })

  it('averages, sums, or keeps the losses apart', () => {
    expectClose(new nn.CrossEntropyLoss().forward(logits(), targets).data, [total / 3], 1e-14)
    const sum = new nn.CrossEntropyLoss({ reduction: 'sum' })
    expectClose(sum.forward(logits(), targets).data, [total], 1e-14)
    const none = new nn.CrossEntropyLoss({ reduction: 'none' }).forward(logits(), targets)
    expect(none.shape).toEqual([3])
    expectClose(none.data, losses, 1e-14)
  })

  it('takes leading dimensions as they come', () => {
    const loss = new nn.CrossEntropyLoss({ reduction: 'none' })
    const sequence = loss.forward(
      logits().reshape([1, 3, 3]),
      tensor([[0, 2, 1]], { dtype: 'int32' }),
    )
    expect(sequence.shape).toEqual([1, 3])
    const single = loss.forward(logits().select(0, 0), tensor(0, { dtype: 'int32' }))
    expect(single.shape).toEqual([])
    expectClose(single.data, [losses[0]], 1e-14)
  })

  it('leaves out ignored targets', () => {
    const some = tensor([0, -100, 1], { dtype: 'int32' })
    const x = logits()
    const mean = new nn.CrossEntropyLoss().forward(x, some)
    expectClose(mean.data, [(losses[0] + losses[2]) / 2], 1e-14)
    mean.backward()
    expect([...(x.grad?.select(0, 1).data ?? [])]).toEqual([0, 0, 0])
    const all = tensor([1, 1, 1], { dtype: 'int32' })
    const ignoring = new nn.CrossEntropyLoss({ ignoreIndex: 1 })
    expect(ignoring.forward(logits(), all).item()).toBeNaN()
    expect(
      new nn.CrossEntropyLoss({ ignoreIndex: 1, reduction: 'sum' }).forward(logits(), all).item(),
    ).toBe(0)
  })

  it('is exact for large logits', () => {
    const loss = new nn.CrossEntropyLoss({ reduction: 'none' })
    const x = tensor([
      [1e4, 0, 0],
      [0, 1e4, 0],
    ])
    expect(loss.forward(x, tensor([0, 0], { dtype: 'int32' })).toArray()).toEqual([0, 1e4])
  })

  it('has the right gradients, and copies the targets', () => {
    for (const reduction of ['none', 'mean', 'sum'] as const) {
      const loss = new nn.CrossEntropyLoss({ reduction })
      const some = tensor([0, -100, 1, 2], { dtype: 'int32' })
      expectGradients((x) => loss.forward(x, some), [leaf([4, 3], 1)])
    }
    const x = logits()
    const changing = tensor([0, 2, 1], { dtype: 'int32' })
    const value = new nn.CrossEntropyLoss().forward(x, changing)
    changing.data.fill(99)
    value.backward()
    expect(x.grad?.data.every(Number.isFinite)).toBe(true)
  })

  it('refuses what does not fit', () => {
    const loss = new nn.CrossEntropyLoss()
    expect(() => loss.forward(zeros([4, 3]), tensor([0, 0, 0], { dtype: 'int32' }))).toThrow(
      new RangeError('Expected input batch_size (4) to match target batch_size (3).'),
    )
    expect(() => loss.forward(zeros([2, 4, 3]), tensor([0, 0], { dtype: 'int32' }))).toThrow(
      new RangeError('Expected target size [2, 4], got [2]'),
    )
    const error = errorOf(() => loss.forward(zeros([1, 3]), tensor([7], { dtype: 'int32' })))
    expect(error).toBeInstanceOf(RangeError)
    expect((error as Error).message).toMatch(/^Target 7 is out of bounds\./)
    expect(() => loss.forward(zeros([1, 3]), tensor([-1], { dtype: 'int32' }))).toThrow(RangeError)
    // @ts-expect-error: not indices
    expect(() => loss.forward(zeros([1, 3]), zeros([1]))).toThrow(TypeError)
    expect(() => loss.forward(tensor(1), tensor(0, { dtype: 'int32' }))).toThrow(RangeError)
    // @ts-expect-error: no such reduction
    expect(() => new nn.CrossEntropyLoss({ reduction: 'foo' })).toThrow(
      new RangeError('foo is not a valid value for reduction'),
    )
    expect(() => new nn.CrossEntropyLoss({ ignoreIndex: 0.5 })).toThrow(TypeError)
    // @ts-expect-error: no such option
    expect(() => new nn.CrossEntropyLoss({ weight: 1 })).toThrow(TypeError)
  })
})

describe('MSELoss', () => {
  it('averages, sums, or keeps the squares apart', () => {
    const [a, b] = [tensor([[1, 2]]), tensor([[3, 5]])]
    expect(new nn.MSELoss().forward(a, b).item()).toBe(6.5)
    expect(new nn.MSELoss({ reduction: 'sum' }).forward(a, b).item()).toBe(13)
    expect(new nn.MSELoss({ reduction: 'none' }).forward(a, b).toArray()).toEqual([[4, 9]])
    expect(new nn.MSELoss().forward(zeros([0]), zeros([0])).item()).toBeNaN()
  })
})

describe('L1Loss', () => {
  it('averages, sums, or keeps the distances apart', () => {
    const [a, b] = [tensor([[1, 2]]), tensor([[3, -1]])]
    expect(new nn.L1Loss().forward(a, b).item()).toBe(2.5)
    expect(new nn.L1Loss({ reduction: 'sum' }).forward(a, b).item()).toBe(5)
    expect(new nn.L1Loss({ reduction: 'none' }).forward(a, b).toArray()).toEqual([[2, 3]])
    expect(new nn.L1Loss().forward(zeros([0]), zeros([0])).item()).toBeNaN()
  })

  it('has no slope where both are equal', () => {
    const x = tensor([1, 2, 3], { requiresGrad: true })
    new nn.L1Loss({ reduction: 'sum' }).forward(x, tensor([1, 3, 2])).backward()
    expect(x.grad?.toArray()).toEqual([0, -1, 1])
  })
})

describe('BCEWithLogitsLoss', () => {
  it('is the cross entropy of two classes', () => {
    const logits = filled([4, 1], 5)
    const two = cat([zeros([4, 1]), logits], 1)
    const classes = [0, 1, 1, 0]
    const expected = new nn.CrossEntropyLoss().forward(two, tensor(classes, { dtype: 'int32' }))
    const target = tensor(classes.map((one) => [one]))
    expect(new nn.BCEWithLogitsLoss().forward(logits, target).item()).toBeCloseTo(
      expected.item(),
      6,
    )
  })

  it('holds for logits of any size', () => {
    const loss = new nn.BCEWithLogitsLoss({ reduction: 'none' })
    const logits = tensor([1000, -1000, 1000, -1000], { requiresGrad: true })
    const values = loss.forward(logits, tensor([1, 0, 0, 1]))
    expect(values.toArray()).toEqual([0, 0, 1000, 1000])
    values.sum().backward()
    expect(logits.grad?.toArray()).toEqual([0, 0, 1, -1])
  })

  it('words a wrong shape as torch does', () => {
    const error = errorOf(() => new nn.BCEWithLogitsLoss().forward(zeros([3]), zeros([2])))
    expect(error).toEqual(new RangeError('Target size ([2]) must be the same as input size ([3])'))
  })
})

describe.each(['MSELoss', 'L1Loss', 'BCEWithLogitsLoss'] as const)('%s', (name) => {
  it('has the right gradients for both', () => {
    for (const reduction of ['none', 'mean', 'sum'] as const) {
      const loss = new nn[name]({ reduction })
      expectGradients((a, b) => loss.forward(a, b), [leaf([2, 3], 1), leaf([2, 3], 2)])
    }
  })

  it('prints as torch does', () => {
    expect(String(new nn[name]({ reduction: 'sum' }))).toBe(`${name}()`)
  })

  it('refuses what does not fit', () => {
    const loss = new nn[name]()
    const shapes =
      /must match the size of tensor b \(4\)|^Target size \(\[2, 4\]\) must be the same/
    expect(() => loss.forward(zeros([2, 3]), zeros([2, 4]))).toThrow(shapes)
    expect(() => loss.forward(zeros([2, 3]), zeros([3]))).toThrow(RangeError)
    // @ts-expect-error: another dtype
    expect(() => loss.forward(zeros([2]), zeros([2], { dtype: 'float64' }))).toThrow(TypeError)
    // @ts-expect-error: not a tensor
    expect(() => loss.forward(zeros([2]), [0, 0])).toThrow(TypeError)
    // @ts-expect-error: not a string
    expect(() => new nn[name]({ reduction: 1 })).toThrow(TypeError)
    // @ts-expect-error: no such reduction
    expect(() => new nn[name]({ reduction: 'max' })).toThrow(
      /^max is not a valid value for reduction/,
    )
    // @ts-expect-error: no such option
    expect(() => new nn[name]({ posWeight: 1 })).toThrow(TypeError)
  })
})
