/** The operations on tensors: values, gradients, errors. */

import { cat, stack, type Tensor, tensor, zeros } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf, leafOf } from '../helpers/finite-differences'
import { expectClose, filled } from '../helpers/numbers'

const matrix = (): Tensor =>
  tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])

describe('arithmetic', () => {
  it('adds and multiplies numbers and tensors of the same shape', () => {
    expect(tensor([1, 2]).add(1).toArray()).toEqual([2, 3])
    expect(
      tensor([1, 2])
        .add(tensor([10, 20]))
        .toArray(),
    ).toEqual([11, 22])
    expect(tensor([1, 2]).mul(-2).toArray()).toEqual([-2, -4])
    expect(
      tensor([1, 2])
        .mul(tensor([10, 20]))
        .toArray(),
    ).toEqual([10, 40])
    expect(zeros([0, 2]).mul(3).shape).toEqual([0, 2])
  })

  it('has the usual activations', () => {
    const x = tensor([-1, 0, 2], { dtype: 'float64' })
    expect(x.relu().toArray()).toEqual([0, 0, 2])
    x.tanh().data.forEach((y, place) => {
      expect(y).toBeCloseTo(Math.tanh(x.data[place]), 14)
    })
    x.sigmoid().data.forEach((y, place) => {
      expect(y).toBeCloseTo(1 / (1 + Math.exp(-x.data[place])), 14)
    })
  })

  it('treats NaN, infinities, zeros and denormals as torch does, at every place of a vector', () => {
    const limits = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
    for (const dtype of ['float32', 'float64'] as const) {
      const special = [...limits, dtype === 'float32' ? 2 ** -149 : Number.MIN_VALUE]
      for (let place = 0; place < 37; place += 1) {
        for (const value of special) {
          const x = zeros([37], { dtype })
          x.data[place] = value
          expect(x.tanh().data[place]).toBe(Math.tanh(value))
          expect(x.relu().data[place]).toBe(Number.isNaN(value) ? value : Math.max(value, 0))
          expect(x.mul(0).data[place]).toBe(Number.isFinite(value) ? 0 : Number.NaN)
          const expected = 1 / (1 + Math.exp(-value))
          expectClose(x.sigmoid().data.slice(place, place + 1), [expected], 1e-6)
        }
      }
    }
  })

  it('sums and averages', () => {
    expect(matrix().sum().shape).toEqual([])
    expect(matrix().sum().item()).toBe(21)
    expect(matrix().mean().item()).toBe(3.5)
    expect(zeros([0]).sum().item()).toBe(0)
    expect(zeros([0]).mean().item()).toBeNaN()
  })

  it('refuses shapes that differ, dtypes that differ, and other kinds', () => {
    expect(() => zeros([2, 3]).add(zeros([2, 4]))).toThrow(
      /^The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 1/,
    )
    expect(() => zeros([2, 3]).mul(zeros([2, 1]))).toThrow(RangeError)
    expect(() => zeros([2, 3]).mul(zeros([3]))).toThrow(RangeError)
    // @ts-expect-error: another dtype
    expect(() => zeros([2]).add(zeros([2], { dtype: 'float64' }))).toThrow(
      new TypeError('expected both tensors to have the same dtype, but got: float32 != float64'),
    )
    // @ts-expect-error: not a tensor
    expect(() => zeros([2]).add('x')).toThrow(
      new TypeError("add(): argument 'other' must be Tensor, not 'x'"),
    )
    // @ts-expect-error: missing
    expect(() => zeros([2]).mul()).toThrow(TypeError)
  })
})

describe('views', () => {
  it('reshape shares the data, the others copy', () => {
    const x = matrix()
    expect(x.reshape([3, 2]).data).toBe(x.data)
    expect(x.reshape([-1]).shape).toEqual([6])
    expect(x.reshape([3, -1]).toArray()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    expect(x.detach().data).toBe(x.data)
    expect(x.transpose(0, 0).data).not.toBe(x.data)
    expect(zeros([0, 3]).reshape([3, 0]).shape).toEqual([3, 0])
    expect(tensor([5]).reshape([]).item()).toBe(5)
  })

  it('transpose, select and narrow count from the end if negative', () => {
    const x = matrix()
    expect(x.transpose(0, 1).toArray()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ])
    expect(x.transpose(-1, -2).toArray()).toEqual(x.transpose(0, 1).toArray())
    expect(tensor(1).transpose(0, -1).item()).toBe(1)
    expect(x.select(0, 1).toArray()).toEqual([4, 5, 6])
    expect(x.select(-1, -1).toArray()).toEqual([3, 6])
    expect(x.narrow(1, 1, 2).toArray()).toEqual([
      [2, 3],
      [5, 6],
    ])
    expect(x.narrow(-1, -2, 1).toArray()).toEqual([[2], [5]])
    expect(x.narrow(0, 2, 0).shape).toEqual([0, 3])
    expect(zeros([0, 3]).transpose(0, 1).shape).toEqual([3, 0])
  })

  it('agrees with plain indexing for any shape', () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(shapes, fc.nat(), fc.nat(), (shape, one, two) => {
        const [a, b] = [one % shape.length, two % shape.length]
        const x = filled(shape, 1)
        const y = x.transpose(a, b)
        const expected = [...shape]
        ;[expected[a], expected[b]] = [shape[b], shape[a]]
        expect(y.shape).toEqual(expected)
        expect([...y.transpose(a, b).data]).toEqual([...x.data])
        const slices = Array.from({ length: shape[a] }, (_, place) => x.select(a, place))
        if (slices.length > 0) expect([...stack(slices, a).data]).toEqual([...x.data])
        const cut = shape[a] >> 1
        const parts = [x.narrow(a, 0, cut), x.narrow(a, cut, shape[a] - cut)]
        expect(cat(parts, a).shape).toEqual(shape)
        expect([...cat(parts, a).data]).toEqual([...x.data])
      }),
    )
  })

  it('refuses what does not fit', () => {
    const x = matrix()
    const refuses = (call: () => unknown, message: string): void => {
      expect(call).toThrow(new RangeError(message))
    }
    refuses(() => x.reshape([5]), "shape '[5]' is invalid for input of size 6")
    refuses(() => x.reshape([-1, 4]), "shape '[-1, 4]' is invalid for input of size 6")
    refuses(() => x.reshape([-1, -1]), 'only one dimension can be inferred')
    refuses(() => x.reshape([-2, 3]), 'invalid shape dimension -2 at index 0 of shape [-2, 3]')
    refuses(
      () => zeros([0]).reshape([-1, 0]),
      'cannot reshape tensor of 0 elements into shape [-1, 0] because the unspecified dimension size -1 can be any value and is ambiguous',
    )
    const range = 'Dimension out of range (expected to be in range of [-2, 1], but got 2)'
    refuses(() => x.transpose(0, 2), range)
    refuses(() => x.select(2, 0), range)
    refuses(
      () => x.select(0, 5),
      'select(): index 5 out of range for tensor of size [2, 3] at dimension 0',
    )
    refuses(
      () => x.select(0, -3),
      'select(): index -3 out of range for tensor of size [2, 3] at dimension 0',
    )
    refuses(() => tensor(1).select(0, 0), 'select() cannot be applied to a 0-dim tensor.')
    refuses(() => tensor(1).narrow(0, 0, 1), 'narrow() cannot be applied to a 0-dim tensor.')
    refuses(() => x.narrow(0, 0, -1), 'narrow(): length must be non-negative.')
    refuses(() => x.narrow(0, 1, 2), 'start (1) + length (2) exceeds dimension size (2).')
    refuses(
      () => x.narrow(0, 5, 0),
      'start out of range (expected to be in range of [-2, 2], but got 5)',
    )
    expect(() => x.transpose(0.5, 1)).toThrow(
      new TypeError("transpose(): argument 'dim0' must be int, not 0.5"),
    )
    expect(() => x.select(0, Number.NaN)).toThrow(TypeError)
    expect(() => x.narrow(0, 0, 1.5)).toThrow(TypeError)
    // @ts-expect-error: not an array
    expect(() => x.reshape(6)).toThrow(TypeError)
    expect(() => x.reshape([1.5])).toThrow(TypeError)
  })
})

describe('cat and stack', () => {
  it('put tensors together', () => {
    expect(
      cat(
        [
          tensor([[1], [2]]),
          tensor([
            [3, 4],
            [5, 6],
          ]),
        ],
        1,
      ).toArray(),
    ).toEqual([
      [1, 3, 4],
      [2, 5, 6],
    ])
    expect(cat([tensor([1]), zeros([0]), tensor([2])]).toArray()).toEqual([1, 2])
    expect(stack([tensor([1, 2]), tensor([3, 4])]).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(stack([tensor([1, 2]), tensor([3, 4])], -1).toArray()).toEqual([
      [1, 3],
      [2, 4],
    ])
    expect(Object.is(cat([tensor([-0])]).data[0], -0)).toBe(true)
  })

  it('refuse what does not fit', () => {
    const [a, b] = [zeros([2, 3]), zeros([2, 4])]
    expect(() => cat([])).toThrow(new RangeError('cat(): expected a non-empty list of Tensors'))
    expect(() => cat([a, b])).toThrow(
      new RangeError(
        'Sizes of tensors must match except in dimension 0. Expected size 3 but got size 4 for tensor number 1 in the list.',
      ),
    )
    expect(() => cat([a, zeros([2])])).toThrow(
      new RangeError('Tensors must have same number of dimensions: got 2 and 1'),
    )
    expect(() => cat([tensor(1)])).toThrow(
      new RangeError('zero-dimensional tensor (at position 0) cannot be concatenated'),
    )
    expect(() => cat([a, b], 2)).toThrow(RangeError)
    // @ts-expect-error: not a tensor
    expect(() => cat([a, 3])).toThrow(
      new TypeError('expected Tensor as element 1 in argument 0, but got 3'),
    )
    // @ts-expect-error: not an array
    expect(() => cat(a)).toThrow(TypeError)
    expect(() => cat([a, zeros([2, 3], { dtype: 'float64' })])).toThrow(TypeError)
    expect(() => stack([])).toThrow(new RangeError('stack expects a non-empty TensorList'))
    expect(() => stack([a, b])).toThrow(
      new RangeError(
        'stack expects each tensor to be equal size, but got [2, 3] at entry 0 and [2, 4] at entry 1',
      ),
    )
    expect(() => stack([a, a], 3)).toThrow(
      new RangeError('Dimension out of range (expected to be in range of [-3, 2], but got 3)'),
    )
  })
})

describe('gradients agree with finite differences', () => {
  const cases: [
    name: string,
    fn: (...inputs: Tensor<'float64'>[]) => Tensor<'float64'>,
    inputs: () => Tensor<'float64'>[],
  ][] = [
    ['add', (a, b) => a.add(b), () => [leaf([2, 3], 1), leaf([2, 3], 2)]],
    ['add of a number', (a) => a.add(3), () => [leaf([4], 1)]],
    ['add of itself', (a) => a.add(a), () => [leaf([4], 1)]],
    ['mul', (a, b) => a.mul(b), () => [leaf([2, 3], 1), leaf([2, 3], 2)]],
    ['mul by a number', (a) => a.mul(-2.5), () => [leaf([4], 1)]],
    ['mul by itself', (a) => a.mul(a), () => [leaf([4], 1)]],
    ['tanh', (a) => a.tanh(), () => [leaf([3, 7], 1)]],
    ['relu', (a) => a.relu(), () => [leaf([3, 7], 1)]],
    ['sigmoid', (a) => a.sigmoid(), () => [leaf([3, 7], 1)]],
    ['sum', (a) => a.sum(), () => [leaf([3, 2], 1)]],
    ['mean', (a) => a.mean(), () => [leaf([3, 2], 1)]],
    ['reshape', (a) => a.reshape([3, -1]), () => [leaf([2, 3, 2], 1)]],
    ['transpose', (a) => a.transpose(0, 2), () => [leaf([2, 3, 4], 1)]],
    ['select', (a) => a.select(1, -1), () => [leaf([2, 3, 4], 1)]],
    ['narrow', (a) => a.narrow(1, 1, 2), () => [leaf([2, 3, 4], 1)]],
    ['cat', (a, b) => cat([a, b, a], 1), () => [leaf([2, 1, 2], 1), leaf([2, 3, 2], 2)]],
    ['stack', (a, b) => stack([a, b, a], 1), () => [leaf([2, 3], 1), leaf([2, 3], 2)]],
    [
      'all of them in a row',
      (a, b) =>
        cat([a.mul(b).tanh(), stack([a.select(0, 0), b.select(0, 1)])], 1)
          .sigmoid()
          .mean(),
      () => [leaf([2, 3], 1), leaf([2, 3], 2)],
    ],
  ]
  it.each(cases)('%s', (_, fn, inputs) => {
    expectGradients(fn, inputs())
  })

  it("and relu's at 0 is 0", () => {
    const x = leafOf([0, -0, 1])
    x.relu().sum().backward()
    expect(x.grad?.toArray()).toEqual([0, 0, 1])
  })
})
