/** Sequences of different lengths in one batch. */

import { nn, tensor, zeros } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyCase, build, type Case, swap } from '../../helpers/any-rnn'
import { bits, expectClose, expectSameBits, filled } from '../../helpers/numbers'

describe('lengths', () => {
  it('give what each sequence gives alone, whatever lies in the padding', () => {
    const lengthsOf = (one: Case): fc.Arbitrary<number[]> =>
      fc.array(fc.integer({ min: 1, max: one.steps }), {
        minLength: one.batch,
        maxLength: one.batch,
      })
    const withLengths = anyCase.chain((one) => fc.tuple(fc.constant(one), lengthsOf(one)))
    fc.assert(
      fc.property(withLengths, fc.boolean(), ([one, lengths], batchFirst) => {
        const { rnn, input, hx } = build({ ...one, options: { ...one.options, batchFirst } })
        lengths.forEach((length, row) => {
          for (let step = length; step < one.steps; step += 1) {
            const start = (step * one.batch + row) * one.inputSize
            input.data.fill(Number.NaN, start, start + one.inputSize)
          }
        })
        const given = batchFirst ? swap(input) : input
        const [result, hN] = rnn.forward(given, hx, { lengths })
        const output = batchFirst ? swap(result) : result
        lengths.forEach((length, row) => {
          const own = input.narrow(1, row, 1).narrow(0, 0, length)
          const [alone, aloneHN] = rnn.forward(batchFirst ? swap(own) : own, hx.narrow(1, row, 1))
          const column = output.narrow(1, row, 1)
          expectSameBits(column.narrow(0, 0, length), batchFirst ? swap(alone) : alone)
          const padding = column.narrow(0, length, one.steps - length).data
          expect(padding.every((value) => value === 0)).toBe(true)
          expectSameBits(hN.narrow(1, row, 1), aloneHN)
        })
      }),
      { numRuns: 60 },
    )
  })

  it('give padding no gradient, and the rest that of each sequence alone', () => {
    const options = { numLayers: 2, bidirectional: true, dtype: 'float64' } as const
    const rnn = new nn.RNN(3, 4, options)
    const lengths = [2, 5, 1, 5]
    const values = filled([5, 4, 3], 1, { dtype: 'float64' })
    lengths.forEach((length, row) => {
      for (let step = length; step < 5; step += 1) {
        values.data.fill(Number.NaN, (step * 4 + row) * 3, (step * 4 + row + 1) * 3)
      }
    })
    values.requiresGrad = true
    const weights = filled([5, 4, 8], 2, { dtype: 'float64' })
    const [output, hN] = rnn.forward(values, null, { lengths })
    output.mul(weights).sum().add(hN.sum()).backward()
    const together = rnn.parameters().map(({ grad }) => [...(grad?.data ?? [])])

    rnn.zeroGrad()
    const { grad } = values
    if (grad === null) throw new Error('no gradient')
    lengths.forEach((length, row) => {
      const own = tensor([...values.detach().narrow(1, row, 1).narrow(0, 0, length).data], {
        shape: [length, 1, 3],
        dtype: 'float64',
        requiresGrad: true,
      })
      const [alone, aloneHN] = rnn.forward(own)
      alone
        .mul(weights.narrow(1, row, 1).narrow(0, 0, length))
        .sum()
        .add(aloneHN.sum())
        .backward()
      const column = grad.narrow(1, row, 1)
      expectClose(column.narrow(0, 0, length).data, own.grad?.data ?? [], 1e-13)
      expect(column.narrow(0, length, 5 - length).data.every((value) => value === 0)).toBe(true)
    })
    rnn.parameters().forEach(({ grad: alone }, place) => {
      expectClose(together[place], alone?.data ?? [], 1e-12)
    })
  })

  it('may come as an array, an Int32Array or an IntTensor, and are copied', () => {
    const rnn = new nn.RNN(3, 4)
    const input = filled([5, 2, 3], 1)
    const lengths = Int32Array.of(3, 5)
    const [expected] = rnn.forward(input, null, { lengths: [3, 5] })
    const [output] = rnn.forward(input, null, { lengths })
    lengths[0] = 1
    expectSameBits(output, expected)
    expect(bits(rnn.forward(input, null, { lengths })[0])).not.toBe(bits(expected))
    lengths[0] = 3
    const asTensor = tensor([3, 5], { dtype: 'int32' })
    expectSameBits(rnn.forward(input, null, { lengths: asTensor })[0], expected)
    output.sum().backward()
    expect(rnn.weight_ih_l0.grad).not.toBeNull()
  })

  it('that are all full change nothing', () => {
    const rnn = new nn.RNN(3, 4, { bidirectional: true })
    const input = filled([5, 2, 3], 1)
    expectSameBits(rnn.forward(input, null, { lengths: [5, 5] })[0], rnn.forward(input)[0])
    expect(rnn.forward(zeros([5, 0, 3]), null, { lengths: [] })[0].shape).toEqual([5, 0, 8])
  })
})
