/** The gradients of nn.RNN by the tape and by vjp; rnn-gradients.test.ts compares them with finite differences. */

import { nn, type Tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectSameBits, filled } from '../../helpers/numbers'

describe('results of more than a megabyte, whose memory is not cleared before,', () => {
  const cases = [
    {},
    { batchFirst: true },
    { numLayers: 2, bidirectional: true },
    { numLayers: 3, nonlinearity: 'relu' },
  ] as const
  it.each(cases)('are those of two halves of the batch: %o', (options) => {
    const [T, B] = [100, 64]
    const rnn = new nn.RNN(64, 64, options)
    const dim = 'batchFirst' in options ? 0 : 1
    const input = filled(dim === 1 ? [T, B, 64] : [B, T, 64], 1)
    const run = (x: Tensor) => {
      const { output, pullback } = rnn.vjp(x)
      return [output, pullback(output, null).input]
    }
    const whole = run(input)
    for (const start of [0, B / 2]) {
      const half = run(input.narrow(dim, start, B / 2))
      half.forEach((result, i) => {
        expectSameBits(whole[i]?.narrow(dim, start, B / 2) ?? zeros([0]), result)
      })
    }
  })

  it('are zeros where there is nothing to add up', () => {
    const rnn = new nn.RNN(600, 600)
    const jordan = new nn.JordanRNN(600, 600, 600)
    const linear = new nn.Linear(600, 600)
    const [hidden] = rnn.forward(zeros([3, 0, 600]))
    const [output] = jordan.forward(hidden)
    linear.forward(output).sum().backward()
    for (const { grad, shape } of [rnn, jordan, linear].flatMap((one) => [...one.parameters()])) {
      expectSameBits(grad ?? zeros([0]), zeros(shape))
    }
  })
})

describe('gradients', () => {
  it('of both biases are equal', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true })
    const [output, hN] = rnn.forward(filled([5, 2, 3], 1))
    output.sum().add(hN.mul(hN).sum()).backward()
    for (const place of ['l0', 'l0_reverse', 'l1', 'l1_reverse'] as const) {
      const [a, b] = [rnn[`bias_ih_${place}`].grad, rnn[`bias_hh_${place}`].grad]
      if (a === null || b === null) throw new Error('no gradient')
      expectSameBits(a, b)
    }
  })

  it('of hN[0] alone are zero for what it does not come from', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true })
    const [, hN] = rnn.forward(filled([5, 2, 3], 1))
    hN.select(0, 0).sum().backward()
    for (const [name, { grad }] of rnn.namedParameters()) {
      const zero = [...(grad?.data ?? [])].every((value) => value === 0)
      expect(zero, name).toBe(!name.endsWith('_l0'))
      expect(grad, name).not.toBeNull()
    }
  })
})
