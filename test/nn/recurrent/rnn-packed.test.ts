/** nn.RNN on packed sequences: what it gives with lengths, in the order of the pack. */

import { cat, getRngState, manualSeed, nn, noGrad, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../../helpers/finite-differences'
import { bits, errorOf, expectSameBits, filled } from '../../helpers/numbers'

const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence } = nn.utils.rnn

describe('a packed input', () => {
  it('may be made by hand, with sequences of equal length in any order', () => {
    const rnn = new nn.RNN(2, 3, { bidirectional: true })
    const data = filled([5, 2], 1)
    const hx = filled([2, 3, 3], 2)
    const [straight, straightHN] = rnn.forward(new PackedSequence(data, [3, 2]), hx)
    // Sequence b of the pack is the caller's number (b + 1) mod 3.
    const turned = cat(
      [2, 0, 1].map((b) => hx.narrow(1, b, 1)),
      1,
    )
    const [output, hN] = rnn.forward(new PackedSequence(data, [3, 2], [1, 2, 0]), turned)
    expectSameBits(output.data, straight.data)
    ;[1, 2, 0].forEach((caller, b) => {
      expectSameBits(hN.select(1, caller), straightHN.select(1, b))
    })
  })

  it('carries gradients that finite differences confirm', () => {
    for (const nonlinearity of ['tanh', 'relu'] as const) {
      manualSeed(0)
      const options = { numLayers: 2, bidirectional: true, nonlinearity, dtype: 'float64' } as const
      const rnn = new nn.RNN(2, 3, options)
      expectGradients(
        (x, h) => {
          const packed = packPaddedSequence(x, [2, 4, 1], { enforceSorted: false })
          const [output, hN] = rnn.forward(packed, h)
          return cat([output.data.reshape([-1]), hN.reshape([-1])])
        },
        [leaf([4, 3, 2], 1), leaf([4, 3, 3], 2), ...rnn.parameters()],
      )
    }
  })

  it('works in float64, in evaluation and without a tape, and lengths may change from call to call', () => {
    const rnn = new nn.RNN(2, 3, { dtype: 'float64' }).eval()
    for (const lengths of [[3, 1], [2, 2], [3, 1], [1]]) {
      const input = filled([lengths[0], lengths.length, 2], 1, { dtype: 'float64' })
      const [output] = noGrad(() => rnn.forward(packPaddedSequence(input, lengths)))
      const [expected] = rnn.forward(input, null, { lengths })
      expect(output.data.requiresGrad).toBe(false)
      expectSameBits(padPackedSequence(output)[0], expected.detach())
    }
  })

  it('is what it was at the call, whatever is written into its batch sizes afterwards', () => {
    const rnn = new nn.RNN(2, 3)
    const packed = packSequence([filled([3, 2], 1), filled([1, 2], 2)])
    const run = (): string => {
      rnn.zeroGrad()
      const [output] = rnn.forward(packed)
      const sizes = packed.batchSizes.data
      const before = sizes.slice()
      sizes.fill(9)
      output.data.sum().backward()
      sizes.set(before)
      return bits(rnn.weight_hh_l0.grad ?? zeros([]))
    }
    const expected = run()
    expect(run()).toBe(expected)
    rnn.zeroGrad()
    rnn.forward(packed)[0].data.sum().backward()
    expect(bits(rnn.weight_hh_l0.grad ?? zeros([]))).toBe(expected)
  })

  it('has the form that its numbers say at each call, be they rewritten', () => {
    const rnn = new nn.RNN(2, 3)
    const data = filled([5, 2], 1)
    const packed = new PackedSequence(data, [3, 1, 1], [2, 0, 1])
    const [before] = rnn.forward(packed)
    expect(padPackedSequence(before)[1].toArray()).toEqual([1, 1, 3])

    packed.batchSizes.data.set([2, 2, 1])
    packed.sortedIndices?.data.fill(0)
    expect(() => rnn.forward(packed)).toThrow('sorted_indices')
    packed.sortedIndices?.data.set([1, 0, 2])
    packed.unsortedIndices?.data.set([1, 0, 2])
    expect(() => rnn.forward(packed)).toThrow(
      'Expected sorted_indices and unsorted_indices to have 2 elements, got 3 and 3',
    )
    packed.batchSizes.data.set([3, 2, 0])
    expect(() => rnn.forward(packed)).toThrow('batch_sizes[2] is 0')
    packed.batchSizes.data.set([3, 1, 1])

    const [output] = rnn.forward(packed)
    const expected = rnn.forward(new PackedSequence(data, [3, 1, 1], [1, 0, 2]))[0]
    expectSameBits(padPackedSequence(output)[0], padPackedSequence(expected)[0])
    expect(padPackedSequence(output)[1].toArray()).toEqual([1, 3, 1])
    // Made from the same tensors, so it is rewritten too.
    expect(padPackedSequence(before)[1].toArray()).toEqual([1, 3, 1])
  })

  it('counts for the error of a changed weight, and of a second backward', () => {
    const rnn = new nn.RNN(2, 3)
    const packed = packSequence([filled([3, 2], 1), filled([1, 2], 2)])
    const total = rnn.forward(packed)[0].data.sum()
    rnn.resetParameters()
    expect(() => total.backward()).toThrow(/modified by an inplace operation/)
    const again = rnn.forward(packed)[0].data.sum()
    again.backward()
    expect(() => again.backward()).toThrow(/a second time/)
  })
})

describe('what does not fit is refused', () => {
  const packed = packPaddedSequence(zeros([5, 2, 3]), [5, 2])
  const forward =
    (input: unknown, ...rest: unknown[]) =>
    (rnn: nn.RNN): unknown =>
      Reflect.apply(rnn.forward, rnn, [input, ...rest])
  const changed = packPaddedSequence(zeros([5, 2, 3]), [5, 2])
  changed.batchSizes.data[4] = 2

  const cases: [name: string, call: (rnn: nn.RNN) => unknown, expected: Error][] = [
    [
      'hx of a larger batch',
      forward(packed, zeros([2, 7, 4])),
      new RangeError('Expected hidden size (2, 2, 4), got [2, 7, 4]'),
    ],
    [
      'hx of a larger batch, for sorted sequences',
      forward(
        packPaddedSequence(zeros([5, 2, 3]), [2, 5], { enforceSorted: false }),
        zeros([2, 7, 4]),
      ),
      new RangeError('Expected hidden size (2, 2, 4), got [2, 7, 4]'),
    ],
    [
      'hx of a smaller batch',
      forward(packed, zeros([2, 1, 4])),
      new RangeError('Expected hidden size (2, 2, 4), got [2, 1, 4]'),
    ],
    [
      'unbatched hx',
      forward(packed, zeros([2, 4])),
      new RangeError('Expected hidden size (2, 2, 4), got [2, 4]'),
    ],
    [
      'data of one dimension',
      forward(packSequence([zeros([3])])),
      new RangeError('input must have 2 dimensions, got 1'),
    ],
    [
      'data of three dimensions',
      forward(packSequence([zeros([3, 3, 3])])),
      new RangeError('input must have 2 dimensions, got 3'),
    ],
    [
      'another feature size',
      forward(packSequence([zeros([3, 7])])),
      new RangeError('input.size(-1) must be equal to input_size. Expected 3, got 7'),
    ],
    [
      'another dtype',
      forward(packSequence([zeros([3, 3], { dtype: 'float64' })])),
      new TypeError(
        "RNN input dtype (float64) does not match weight dtype (float32). Convert input to float32, or convert model: model.to('float64')",
      ),
    ],
    [
      'hx of another dtype',
      forward(packed, zeros([2, 2, 4], { dtype: 'float64' })),
      new TypeError(
        "RNN hx dtype (float64) does not match weight dtype (float32). Convert hx to float32, or convert model: model.to('float64')",
      ),
    ],
    [
      'batch sizes that were changed',
      forward(changed),
      new RangeError('batch_sizes must not increase: step 4 has 2 rows after 1'),
    ],
    [
      'other options',
      forward(packed, null, { batchFirst: true }),
      new TypeError("RNN.forward() got an unexpected keyword argument 'batchFirst'"),
    ],
  ]

  it.each(cases)('%s', (_, call, expected) => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
    const before = getRngState()
    const error = errorOf(() => call(rnn))
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
    expect(getRngState()).toEqual(before)
  })
})
