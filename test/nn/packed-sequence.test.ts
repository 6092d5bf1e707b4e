/** Packed sequences: packing and padding, round trips, and gradients. */

import { type DType, nn, type Tensor, tensor, zeros } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../helpers/finite-differences'
import { errorOf, expectSameBits, filled } from '../helpers/numbers'

const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence, padSequence } =
  nn.utils.rnn

type Packed = nn.utils.rnn.PackedSequence

/** The numbers of a packed sequence. */
function shown({ data, batchSizes, sortedIndices, unsortedIndices }: Packed): unknown[] {
  return [data, batchSizes, sortedIndices, unsortedIndices].map((one) => one?.toArray() ?? null)
}

/** A batch of any size, with lengths in any order. */
const anyBatch = fc
  .record({
    steps: fc.integer({ min: 1, max: 7 }),
    batch: fc.integer({ min: 1, max: 6 }),
    features: fc.integer({ min: 1, max: 4 }),
    batchFirst: fc.boolean(),
    enforceSorted: fc.boolean(),
    dtype: fc.constantFrom('float32', 'float64') as fc.Arbitrary<DType>,
  })
  .chain((one) =>
    fc
      .array(fc.integer({ min: 1, max: one.steps }), {
        minLength: one.batch,
        maxLength: one.batch,
      })
      .map((lengths) => ({
        ...one,
        lengths: one.enforceSorted ? lengths.toSorted((a, b) => b - a) : lengths,
      })),
  )

describe('packing', () => {
  const [a, b, c] = [tensor([1, 2, 3]), tensor([4, 5]), tensor([6])]

  it('goes step by step, the longest sequence first', () => {
    expect(shown(packSequence([a, b, c]))).toEqual([[1, 4, 6, 2, 5, 3], [3, 2, 1], null, null])
    expect(shown(packSequence([b, c, a], { enforceSorted: false }))).toEqual([
      [1, 4, 6, 2, 5, 3],
      [3, 2, 1],
      [2, 0, 1],
      [1, 2, 0],
    ])
  })

  it('keeps the order of sequences of equal length', () => {
    const input = tensor([
      [1, 0],
      [2, 22],
      [3, 0],
      [4, 44],
    ])
    const packed = packPaddedSequence(input, [1, 2, 1, 2], {
      batchFirst: true,
      enforceSorted: false,
    })
    expect(shown(packed)).toEqual([
      [2, 4, 1, 3, 22, 44],
      [4, 2],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
    ])
  })

  it('takes the rows that the lengths name, and padding puts them back', () => {
    fc.assert(
      fc.property(anyBatch, fc.nat(2), (one, more) => {
        const { steps, batch, features, batchFirst, enforceSorted, dtype, lengths } = one
        const shape = batchFirst ? [batch, steps, features] : [steps, batch, features]
        const input = filled(shape, 1, { dtype })
        const row = (t: number, b: number) => [
          ...input.select(batchFirst ? 0 : 1, b).select(0, t).data,
        ]
        const packed = packPaddedSequence(input, lengths, { batchFirst, enforceSorted })
        const order = packed.sortedIndices?.data ?? lengths.map((_, b) => b)
        const rows = Array.from({ length: steps }, (_, t) =>
          [...order].filter((b) => lengths[b] > t).map((b) => row(t, b)),
        )
        expect(packed.data.toArray()).toEqual(rows.flat())
        expect(packed.batchSizes.toArray()).toEqual(
          rows.map(({ length }) => length).filter((size) => size > 0),
        )
        const longest = Math.max(...lengths)
        const total = longest + more
        const [padded, own] = padPackedSequence(packed, {
          batchFirst,
          paddingValue: 7,
          totalLength: total,
        })
        expect(own.toArray()).toEqual(lengths)
        const expected = Array.from({ length: batch }, (_, b) =>
          Array.from({ length: total }, (_, t) =>
            t < lengths[b] ? row(t, b) : new Array(features).fill(7),
          ),
        )
        expect((batchFirst ? padded : padded.transpose(0, 1)).toArray()).toEqual(expected)
        expect(padPackedSequence(packed, { batchFirst })[0].shape[batchFirst ? 1 : 0]).toBe(longest)
      }),
    )
  })

  it('takes lengths in any form, and input with any sizes behind T and B', () => {
    const lengths = Int32Array.of(3, 1)
    const input = filled([3, 2, 2, 2], 1)
    const expected = packPaddedSequence(input, [3, 1])
    expect(expected.data.shape).toEqual([4, 2, 2])
    for (const same of [lengths, tensor(lengths, { dtype: 'int32' })]) {
      expect(shown(packPaddedSequence(input, same))).toEqual(shown(expected))
    }
    lengths[0] = 1
    expectSameBits(padPackedSequence(expected)[0].select(1, 0), input.select(1, 0))
  })

  it('leaves padding behind, whatever it is', () => {
    const input = tensor([
      [1, Number.NaN],
      [2, Number.POSITIVE_INFINITY],
    ])
    const options = { batchFirst: true, enforceSorted: false }
    const packed = packPaddedSequence(input, [1, 2], options)
    expect(packed.data.toArray()).toEqual([2, 1, Number.POSITIVE_INFINITY])
    const [padded] = padPackedSequence(packed, { batchFirst: true, paddingValue: Number.NaN })
    expect(padded.toArray()).toEqual(input.toArray())
  })
})

describe('padSequence', () => {
  it('puts sequences side by side, on either side of the padding', () => {
    const list = [tensor([1, 2, 3]), tensor([4])]
    expect(padSequence(list).toArray()).toEqual([
      [1, 4],
      [2, 0],
      [3, 0],
    ])
    expect(padSequence(list, { batchFirst: true, paddingValue: 9 }).toArray()).toEqual([
      [1, 2, 3],
      [4, 9, 9],
    ])
    expect(padSequence(list, { paddingSide: 'left', paddingValue: -1 }).toArray()).toEqual([
      [1, -1],
      [2, -1],
      [3, 4],
    ])
    expect(Object.is(padSequence([tensor([-0])]).data[0], -0)).toBe(true)
  })

  it('takes sequences of no steps, and sizes of nothing', () => {
    expect(padSequence([zeros([0, 2]), zeros([0, 2])]).shape).toEqual([0, 2, 2])
    expect(padSequence([zeros([3, 0]), zeros([1, 0])], { batchFirst: true }).shape).toEqual([
      2, 3, 0,
    ])
    expect(
      padSequence([zeros([0, 2]), filled([2, 2], 1)])
        .select(1, 0)
        .toArray(),
    ).toEqual([
      [0, 0],
      [0, 0],
    ])
  })
})

describe('gradients', () => {
  const flags = [false, true]

  it('of packing and padding agree with finite differences', () => {
    for (const batchFirst of flags) {
      const input = leaf(batchFirst ? [3, 4, 2] : [4, 3, 2], 1)
      const options = { batchFirst, enforceSorted: false }
      expectGradients((x) => packPaddedSequence(x, [2, 4, 1], options).data, [input])
      input.grad = null
      expectGradients(
        (x) => {
          const { data, batchSizes, sortedIndices } = packPaddedSequence(x, [2, 4, 1], options)
          const squares = new PackedSequence(data.mul(data), batchSizes, sortedIndices)
          return padPackedSequence(squares, { batchFirst, paddingValue: 3, totalLength: 6 })[0]
        },
        [input],
      )
      const { grad } = input as { grad: Tensor | null }
      const padding = grad?.select(batchFirst ? 0 : 1, 2).narrow(0, 1, 3)
      expect(padding?.toArray()).toEqual([
        [0, 0],
        [0, 0],
        [0, 0],
      ])
    }
  })

  it('of padSequence and packSequence go to each sequence', () => {
    for (const batchFirst of flags) {
      for (const paddingSide of ['left', 'right'] as const) {
        expectGradients(
          (...list) => padSequence(list, { batchFirst, paddingSide, paddingValue: 2 }),
          [leaf([2, 3], 1), leaf([4, 3], 2), leaf([1, 3], 3)],
        )
      }
    }
    expectGradients(
      (...list) => packSequence(list, { enforceSorted: false }).data,
      [leaf([2], 1), leaf([4], 2), leaf([1], 3)],
    )
    const [wanted, unwanted] = [leaf([2], 1), leaf([3], 2)]
    unwanted.requiresGrad = false
    padSequence([unwanted, wanted]).sum().backward()
    expect([wanted.grad?.toArray(), unwanted.grad]).toEqual([[1, 1], null])
  })
})

describe('a PackedSequence', () => {
  it('is made of its four parts, of which the last is the inverse of the third', () => {
    const data = filled([6, 3], 1)
    const packed = new PackedSequence(data, [3, 2, 1], Int32Array.of(2, 0, 1))
    expect(packed.data).toBe(data)
    expect(shown(packed).slice(1)).toEqual([
      [3, 2, 1],
      [2, 0, 1],
      [1, 2, 0],
    ])
    expect(packed.batchSizes.dtype).toBe('int32')
    const sizes = tensor([3, 2, 1], { dtype: 'int32' })
    const same = new PackedSequence(data, sizes, null, [1, 2, 0])
    expect(same.batchSizes).toBe(sizes)
    expect(shown(same)).toEqual(shown(packed))
    expect(shown(new PackedSequence(data, [6])).slice(1)).toEqual([[6], null, null])
  })

  it('shows itself as torch does', () => {
    expect(String(packSequence([tensor([1, 2]), tensor([3])]))).toBe(
      'PackedSequence(data=tensor([1., 3., 2.], size=(3,), dtype=float32), ' +
        'batch_sizes=tensor([2, 1], size=(2,), dtype=int32), sorted_indices=None, unsorted_indices=None)',
    )
  })

  it('cannot be changed, but what it holds can, and is checked at each use', () => {
    const packed = packSequence([tensor([1, 2]), tensor([3])])
    expect(() => Object.assign(packed, { data: zeros([3]) })).toThrow(TypeError)
    packed.batchSizes.data[1] = 2
    expect(() => padPackedSequence(packed)).toThrow(
      new RangeError('Expected batch_sizes to sum to the 3 rows of data, got 4'),
    )
    packed.batchSizes.data[1] = 1
    expect(padPackedSequence(packed)[1].toArray()).toEqual([2, 1])
  })
})

describe('what does not fit is refused', () => {
  const x = zeros([5, 2, 3])
  const pack = (...args: unknown[]): unknown => Reflect.apply(packPaddedSequence, null, args)
  const make = (...args: unknown[]): unknown => Reflect.construct(PackedSequence, args)
  const pad = (...args: unknown[]): unknown => Reflect.apply(padPackedSequence, null, args)
  const packList = (...args: unknown[]): unknown => Reflect.apply(packSequence, null, args)
  const padList = (...args: unknown[]): unknown => Reflect.apply(padSequence, null, args)
  const packed = packPaddedSequence(x, [5, 2])
  const unsorted =
    '`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass ' +
    '`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you ' +
    'do not need ONNX exportability.'
  const notPositive =
    "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"

  const cases: [name: string, call: () => unknown, expected: Error][] = [
    ['unsorted lengths', () => pack(x, [1, 5]), new RangeError(unsorted)],
    ['an unsorted list', () => packList([zeros([1]), zeros([2])]), new RangeError(unsorted)],
    ['a length of 0', () => pack(x, [5, 0]), new RangeError(notPositive)],
    [
      'a negative length',
      () => pack(x, [-1, 5], { enforceSorted: false }),
      new RangeError(notPositive),
    ],
    ['an empty sequence', () => packList([zeros([3]), zeros([0])]), new RangeError(notPositive)],
    [
      'too few lengths',
      () => pack(x, [5]),
      new RangeError('Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)'),
    ],
    [
      'too many lengths',
      () => pack(x, [5, 1, 1], { enforceSorted: false }),
      new RangeError('Expected `len(lengths)` to be equal to batch_size, but got 3 (batch_size=2)'),
    ],
    [
      'a length beyond the input',
      () => pack(x, [6, 1]),
      new RangeError(
        "Expected every element of 'lengths' to be at most the sequence length 5, got 6",
      ),
    ],
    [
      'a length beyond 2^32',
      () => pack(x, [2 ** 32 + 5, 1]),
      new RangeError(
        `Expected every element of 'lengths' to be at most the sequence length 5, got ${2 ** 32 + 5}`,
      ),
    ],
    [
      'a length beyond 2^53',
      () => pack(x, [2 ** 60, 1]),
      new RangeError(
        `packPaddedSequence(): argument 'lengths' holds ${2 ** 60}, which is more than 2^53 - 1`,
      ),
    ],
    [
      'a fraction',
      () => pack(x, [1.9, 1]),
      new TypeError(
        "packPaddedSequence(): argument 'lengths' must be an array of ints, but found 1.9 at pos 0",
      ),
    ],
    [
      'NaN',
      () => pack(x, [5, Number.NaN]),
      new TypeError(
        "packPaddedSequence(): argument 'lengths' must be an array of ints, but found NaN at pos 1",
      ),
    ],
    ['no batch', () => pack(zeros([5, 0, 3]), []), new RangeError('Cannot pack empty tensors.')],
    [
      'no steps',
      () => pack(zeros([0, 2, 3]), [1, 1]),
      new RangeError('Cannot pack empty tensors.'),
    ],
    [
      'one dimension',
      () => pack(zeros([5]), [5]),
      new RangeError('Expected input to be at least 2D, got 1D tensor instead'),
    ],
    [
      'no tensor',
      () => pack([1, 2], [2]),
      new TypeError("packPaddedSequence(): argument 'input' must be Tensor, not Array"),
    ],
    [
      'an option of another kind',
      () => pack(x, [5, 2], { enforceSorted: 1 }),
      new TypeError('enforce_sorted should be of type bool, got: 1'),
    ],
    [
      'an option that does not exist',
      () => pack(x, [5, 2], { sorted: true }),
      new TypeError("packPaddedSequence() got an unexpected keyword argument 'sorted'"),
    ],
    ['an empty list', () => packList([]), new RangeError('received an empty list of sequences')],
    [
      'an empty list to pad',
      () => padList([]),
      new RangeError('received an empty list of sequences'),
    ],
    [
      'no list',
      () => padList(zeros([3, 2])),
      new TypeError("padSequence(): argument 'sequences' must be an array of Tensors, not Tensor"),
    ],
    [
      'a list of something else',
      () => padList([zeros([1]), 3]),
      new TypeError('expected Tensor as element 1 in argument 0, but got 3'),
    ],
    [
      'other sizes behind T',
      () => padList([zeros([3, 2]), zeros([2, 3])]),
      new RangeError(
        'The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 1: shapes [3, 2] and [3, 3] are not broadcast',
      ),
    ],
    [
      'a sequence without dimensions',
      () => padList([zeros([1]), zeros([])]),
      new RangeError('Expected every sequence to be at least 1D, got 0D tensor at position 1'),
    ],
    [
      'other dtypes',
      () => padList([zeros([1]), zeros([1], { dtype: 'float64' })]),
      new TypeError(
        'padSequence(): expected all tensors to have the same dtype, but got: float32 != float64',
      ),
    ],
    [
      'another side',
      () => padList([zeros([1])], { paddingSide: 'up' }),
      new RangeError('Expected padding_side to be one of left or right, but got up.'),
    ],
    [
      'a padding of another kind',
      () => padList([zeros([1])], { paddingValue: '0' }),
      new TypeError("padding_value should be a number, got: '0'"),
    ],
    [
      'a total length below the longest',
      () => pad(packed, { totalLength: 3 }),
      new RangeError(
        'Expected total_length to be at least the length of the longest sequence in input, but got total_length=3 and max sequence length being 5',
      ),
    ],
    [
      'a total length of NaN',
      () => pad(packed, { totalLength: Number.NaN }),
      new TypeError('total_length should be of type int, got: NaN'),
    ],
    [
      'a total length that no memory holds',
      () => pad(packed, { totalLength: 2 ** 52 }),
      new RangeError(`a tensor of shape [${2 ** 52}, 2, 3] has too many elements`),
    ],
    [
      'a tensor for a packed sequence',
      () => pad(x),
      new TypeError("padPackedSequence(): argument 'sequence' must be PackedSequence, not Tensor"),
    ],
    [
      'a Proxy of a packed sequence',
      () => pad(new Proxy(packed, {})),
      new TypeError(
        "padPackedSequence(): argument 'sequence' must be PackedSequence, not PackedSequence behind a Proxy",
      ),
    ],
    [
      'batch sizes that increase',
      () => make(zeros([5, 3]), [2, 3]),
      new RangeError('batch_sizes must not increase: step 1 has 3 rows after 2'),
    ],
    [
      'a batch size of 0',
      () => make(zeros([2, 3]), [2, 0]),
      new RangeError('every batch size must be greater than zero, but batch_sizes[1] is 0'),
    ],
    [
      'a negative batch size',
      () => make(zeros([2, 3]), Int32Array.of(3, -1)),
      new RangeError('every batch size must be greater than zero, but batch_sizes[1] is -1'),
    ],
    [
      'batch sizes for fewer rows',
      () => make(zeros([9, 3]), [2, 1]),
      new RangeError('Expected batch_sizes to sum to the 9 rows of data, got 3'),
    ],
    [
      'batch sizes for more rows',
      () => make(zeros([2, 3]), [2, 1]),
      new RangeError('Expected batch_sizes to sum to the 2 rows of data, got 3'),
    ],
    [
      'no batch sizes',
      () => make(zeros([0, 3]), []),
      new RangeError('batch_sizes must hold at least one step'),
    ],
    [
      'a fraction of a batch size',
      () => make(zeros([3]), [1.9, 1]),
      new TypeError(
        "PackedSequence(): argument 'batch_sizes' must be an array of ints, but found 1.9 at pos 0",
      ),
    ],
    [
      'a batch size beyond 2^32',
      () => make(zeros([5]), [2 ** 32 + 5]),
      new RangeError(`batch_sizes must hold numbers of 32 bits, got: ${2 ** 32 + 5}`),
    ],
    [
      'batch sizes of another kind',
      () => make(zeros([3]), 3),
      new TypeError(
        "'batch_sizes' should be an array of ints, an Int32Array or an IntTensor, got: 3",
      ),
    ],
    [
      'data without dimensions',
      () => make(zeros([]), [1]),
      new RangeError('Expected data to be at least 1D, got 0D tensor instead'),
    ],
    [
      'data that is no tensor',
      () => make(Float32Array.of(1), [1]),
      new TypeError("PackedSequence(): argument 'data' must be Tensor, not Float32Array"),
    ],
    [
      'indices that are no permutation',
      () => make(zeros([3]), [2, 1], [0, 0]),
      new RangeError('sorted_indices must hold each of 0..2 once, but holds 0'),
    ],
    [
      'indices beyond the batch',
      () => make(zeros([3]), [2, 1], [0, 2]),
      new RangeError('sorted_indices must hold each of 0..2 once, but holds 2'),
    ],
    [
      'too few indices',
      () => make(zeros([3]), [2, 1], [0]),
      new RangeError(
        'Expected sorted_indices and unsorted_indices to have 2 elements, got 1 and 1',
      ),
    ],
    [
      'indices that are not each other’s inverse',
      () => make(zeros([6]), [3, 2, 1], [2, 0, 1], [2, 0, 1]),
      new RangeError('unsorted_indices must be the inverse permutation of sorted_indices'),
    ],
  ]

  it.each(cases)('%s', (_, call, expected) => {
    const error = errorOf(call)
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
  })

  it('memory that others can change, or that is gone', () => {
    const shared = new Int32Array(new SharedArrayBuffer(8)).fill(2)
    expect(() => make(zeros([4]), shared)).toThrow(TypeError)
    expect(() => pack(x, shared)).toThrow(TypeError)
    const sizes = tensor(Int32Array.of(2, 1), { dtype: 'int32' })
    const own = new PackedSequence(zeros([3]), sizes)
    structuredClone(sizes.data.buffer, { transfer: [sizes.data.buffer as ArrayBuffer] })
    expect(() => pad(own)).toThrow(RangeError)
    expect(() => make(zeros([3]), sizes)).toThrow(RangeError)
    const data = zeros([3])
    const other = new PackedSequence(data, [2, 1])
    structuredClone(data.data.buffer, { transfer: [data.data.buffer as ArrayBuffer] })
    expect(() => pad(other)).toThrow(RangeError)
  })

  it('a wrong receiver, and a call without new', () => {
    expect(() => Reflect.apply(PackedSequence.prototype.toString, {}, [])).toThrow(TypeError)
    expect(() => Reflect.apply(PackedSequence as unknown as () => void, null, [])).toThrow(
      TypeError,
    )
  })
})
