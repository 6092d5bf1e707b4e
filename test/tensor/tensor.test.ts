/** Tensors: creation, access and text. */

import { ones, rand, randn, Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'

describe('tensor', () => {
  it('takes the shape of nested arrays', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect(x.shape).toEqual([2, 3])
    expect(x.dtype).toBe('float32')
    expect(x.numel).toBe(6)
    expect(x.requiresGrad).toBe(false)
    expect(x.grad).toBeNull()
    expect([...x.data]).toEqual([1, 2, 3, 4, 5, 6])
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
  })

  it('takes single numbers, empty arrays and a shape for flat ones', () => {
    expect(tensor(3.5).shape).toEqual([])
    expect(tensor(3.5).toArray()).toBe(3.5)
    expect(tensor([]).shape).toEqual([0])
    expect(tensor([[], []]).shape).toEqual([2, 0])
    expect(tensor([1, 2, 3, 4], { shape: [2, 2] }).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ])
  })

  it('uses typed arrays of the right dtype in place and copies the others', () => {
    const floats = Float32Array.of(1, 2, 3, 4)
    const x = tensor(floats, { shape: [2, 2] })
    expect(x.data).toBe(floats)
    floats[3] = 9
    expect(x.toArray()).toEqual([
      [1, 2],
      [3, 9],
    ])
    const doubles = Float64Array.of(0.1)
    expect(tensor(doubles).dtype).toBe('float64')
    expect(tensor(doubles).data).toBe(doubles)
    expect(tensor(doubles, { dtype: 'float32' }).data).toEqual(Float32Array.of(0.1))
    expect(tensor(Uint8Array.of(1, 255)).data).toEqual(Float32Array.of(1, 255))
    const offset = new Float32Array(floats.buffer, 4, 2)
    expect(tensor(offset).toArray()).toEqual([2, 3])
  })

  it('makes tensors of class indices', () => {
    const targets = tensor([[2, 0]], { dtype: 'int32' })
    expect(targets.dtype).toBe('int32')
    expect(targets.shape).toEqual([1, 2])
    expect(targets.data).toEqual(Int32Array.of(2, 0))
    expect(targets.toArray()).toEqual([[2, 0]])
    expect(targets).not.toBeInstanceOf(Tensor)
    const indices = Int32Array.of(1, 2)
    expect(tensor(indices).data).toBe(indices)
    expect(tensor(indices, { dtype: 'float64' }).data).toEqual(Float64Array.of(1, 2))
  })

  it('refuses ragged arrays, other kinds and shapes that do not fit', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(
      new RangeError('expected sequence of length 2 at dim 1 (got 1)'),
    )
    // @ts-expect-error: not a number
    expect(() => tensor(['a'])).toThrow(new TypeError("must be real number, not 'a'"))
    // @ts-expect-error: not a number
    expect(() => tensor([null])).toThrow(TypeError)
    expect(() => tensor([[1, 2], 3])).toThrow(TypeError)
    // biome-ignore lint/suspicious/noSparseArray: a hole is not a number
    expect(() => tensor([1, , 3] as number[])).toThrow(TypeError)
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(
      new RangeError("shape '[2, 2]' is invalid for input of size 3"),
    )
    // @ts-expect-error: there are bigints in it
    expect(() => tensor(BigInt64Array.of(1n))).toThrow(TypeError)
    // @ts-expect-error: no such dtype
    expect(() => tensor([1], { dtype: 'float16' })).toThrow(TypeError)
    // @ts-expect-error: no such option
    expect(() => tensor([1], { device: 'cpu' })).toThrow(
      new TypeError("tensor() got an unexpected keyword argument 'device'"),
    )
    // @ts-expect-error: not a boolean
    expect(() => tensor([1], { requiresGrad: 1 })).toThrow(TypeError)
    // @ts-expect-error: indices have no gradient
    expect(() => tensor([1], { dtype: 'int32', requiresGrad: true })).toThrow(
      new TypeError('Only Tensors of floating point dtype can require gradients'),
    )
    expect(() => tensor([1.5], { dtype: 'int32' })).toThrow(RangeError)
    expect(() => tensor([2 ** 31], { dtype: 'int32' })).toThrow(
      new RangeError('value cannot be converted to type int32 without overflow: 2147483648'),
    )
  })

  it('refuses sizes that are fractional, NaN, negative or too large', () => {
    for (const size of [1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => zeros([2, size])).toThrow(TypeError)
    }
    // @ts-expect-error: not a number
    expect(() => zeros(['2'])).toThrow(TypeError)
    // @ts-expect-error: not an array
    expect(() => zeros(3)).toThrow(TypeError)
    expect(() => zeros([3, -1])).toThrow(
      new RangeError('Trying to create tensor with negative dimension -1: [3, -1]'),
    )
    expect(() => zeros([2 ** 54])).toThrow(RangeError)
    expect(() => zeros([2 ** 30, 2 ** 30])).toThrow(RangeError)
    expect(() => zeros([2 ** 40])).toThrow(RangeError)
  })

  it('refuses shared memory, and memory that has gone', () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    expect(() => tensor(shared)).toThrow(TypeError)
    expect(() => tensor(new Int32Array(new SharedArrayBuffer(8)))).toThrow(TypeError)

    const floats = new Float32Array(4)
    const x = tensor(floats)
    structuredClone(floats.buffer, { transfer: [floats.buffer] })
    const gone = 'the data of this tensor was detached or resized: expected 4 elements, got 0'
    for (const use of [
      () => x.add(1),
      () => x.reshape([2, 2]),
      () => x.sum(),
      () => x.item(),
      () => x.toArray(),
      () => tensor([1, 2, 3, 4]).mul(x),
    ]) {
      expect(use).toThrow(new RangeError(gone))
    }

    // Resizable buffers are newer than the library that the compiler is told of.
    const resizable = Reflect.construct(ArrayBuffer, [16, { maxByteLength: 32 }]) as ArrayBuffer & {
      resize(length: number): void
    }
    const y = tensor(new Float32Array(resizable))
    expect(y.sum().item()).toBe(0)
    resizable.resize(32)
    expect(() => y.sum()).toThrow(RangeError)
  })

  it('cannot be made by hand, nor its methods called on something else', () => {
    // @ts-expect-error: the constructor is private
    expect(() => new Tensor()).toThrow(TypeError)
    expect(() => Tensor.prototype.sum.call({} as Tensor)).toThrow(TypeError)
    expect(new Proxy(tensor([1]), {}).sum().item()).toBe(1)
  })
})

describe('zeros, ones, rand, randn', () => {
  it('fill a shape', () => {
    expect(zeros([2, 2]).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect(ones([3], { dtype: 'float64', requiresGrad: true }).toArray()).toEqual([1, 1, 1])
    expect(ones([3], { dtype: 'float64', requiresGrad: true }).requiresGrad).toBe(true)
    expect(zeros([0, 3]).numel).toBe(0)
    expect(zeros([]).item()).toBe(0)
    const uniform = [...rand([1000]).data]
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...uniform)).toBeLessThan(1)
    expect(rand([1000]).mean().item()).toBeCloseTo(0.5, 1)
    const normal = randn([10_000])
    expect(Math.abs(normal.mean().item())).toBeLessThan(0.05)
    expect(Math.abs(normal.mul(normal).mean().item() - 1)).toBeLessThan(0.1)
  })
})

describe('item', () => {
  it('gives the value of one element, and refuses others', () => {
    expect(tensor([[2.5]]).item()).toBe(2.5)
    expect(() => tensor([1, 2]).item()).toThrow(
      new RangeError('a Tensor with 2 elements cannot be converted to Scalar'),
    )
    expect(() => zeros([0]).item()).toThrow(RangeError)
  })
})

describe('toString', () => {
  const body = (x: Tensor): string => String(x).replace(/, size=.*$/, ')')

  it("has torch's layout", () => {
    expect(String(tensor([1, 2]))).toBe('tensor([1., 2.], size=(2,), dtype=float32)')
    expect(String(tensor(3.5, { dtype: 'float64' }))).toBe('tensor(3.5000, size=(), dtype=float64)')
    expect(body(tensor([-1, 2]))).toBe('tensor([-1.,  2.])')
    expect(
      body(
        tensor([
          [1.5, -2],
          [3, 0.25],
        ]),
      ),
    ).toBe('tensor([[ 1.5000, -2.0000],\n        [ 3.0000,  0.2500]])')
    expect(String(zeros([0, 3]))).toBe('tensor([], size=(0, 3), dtype=float32)')
    expect(body(zeros([2, 1, 2]))).toBe('tensor([[[0., 0.]],\n\n        [[0., 0.]]])')
    expect(body(tensor([1e-5, 1]))).toBe('tensor([1.0000e-05, 1.0000e+00])')
    expect(body(tensor([1e10, 1]))).toBe('tensor([1.0000e+10, 1.0000e+00])')
    expect(body(tensor([1e-9, 1e-8, 0]))).toBe('tensor([1.0000e-09, 1.0000e-08, 0.0000e+00])')
    expect(body(tensor([Number.NaN, 1, Number.POSITIVE_INFINITY]))).toBe('tensor([nan, 1., inf])')
    expect(body(tensor([Number.NaN, 1.5, Number.NEGATIVE_INFINITY]))).toBe(
      'tensor([   nan, 1.5000,   -inf])',
    )
    expect(String(tensor([1, 2], { dtype: 'int32' }))).toBe(
      'tensor([1, 2], size=(2,), dtype=int32)',
    )
  })

  it('breaks long lines and leaves out the middle of long tensors', () => {
    const lines = body(tensor(Array.from({ length: 40 }, (_, i) => i / 8))).split('\n')
    expect(lines).toHaveLength(5)
    expect(lines[0]).toBe(
      'tensor([0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750, 1.0000,',
    )
    expect(body(zeros([2000]))).toBe('tensor([0., 0., 0.,  ..., 0., 0., 0.])')
    expect(body(zeros([1001, 2])).split('\n')).toEqual([
      'tensor([[0., 0.],',
      '        [0., 0.],',
      '        [0., 0.],',
      '        ...,',
      '        [0., 0.],',
      '        [0., 0.],',
      '        [0., 0.]])',
    ])
  })

  it('says what the tape knows', () => {
    const w = tensor([1], { requiresGrad: true })
    expect(String(w)).toContain('requires_grad=True)')
    expect(String(w.mul(2))).toContain('grad_fn=<MulBackward0>)')
  })
})
