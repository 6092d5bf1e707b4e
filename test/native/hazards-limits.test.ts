/**
 * Numbers on the instruction set in use: the limits have their place, and the results do not depend on threads or
 * neighbours.
 */

import {
  backendInfo,
  getNumThreads,
  manualSeed,
  nn,
  setNumThreads,
  tensor,
  zeros,
} from '@elman/rnn'
import { afterAll, describe, expect, it } from 'vitest'
import { wrongAtLimits } from '../helpers/limits'
import { bits, filled } from '../helpers/numbers'

it.each(Object.entries(wrongAtLimits()))(
  'NaN, infinities, zeros and denormals have their place: %s',
  (_, wrong) => {
    expect(wrong).toEqual([])
  },
)

it('one sequence of a batch that is NaN leaves the others alone, backward too', () => {
  const rnn = new nn.RNN(5, 17, { numLayers: 2, bidirectional: true })
  const clean = filled([4, 9, 5], 1, { requiresGrad: true })
  const [expected] = rnn.forward(clean)
  expected.sum().backward()
  for (let row = 0; row < 9; row += 1) {
    const input = tensor(clean.data.slice(), { shape: clean.shape, requiresGrad: true })
    input.data[row * 5] = Number.NaN
    const [output] = rnn.forward(input)
    output.sum().backward()
    for (let other = 0; other < 9; other += 1) {
      const same = (a = output, b = expected): boolean =>
        bits(a.detach().select(1, other)) === bits(b.detach().select(1, other))
      expect(same(), `row ${other} beside ${row}`).toBe(other !== row)
      expect(same(input.grad ?? input, clean.grad ?? clean)).toBe(other !== row)
    }
  }
})

describe('results have the same bits', () => {
  const before = getNumThreads()
  afterAll(() => {
    setNumThreads(before)
  })

  it.each(['float32', 'float64'] as const)(
    'for 1, 2, 3 and 8 threads, in training (%s)',
    (dtype) => {
      const results = [1, 2, 3, 8].map((threads) => {
        setNumThreads(threads)
        expect(backendInfo().threads).toBe(threads)
        manualSeed(3)
        const options = { numLayers: 2, bidirectional: true, dropout: 0.3, dtype }
        const [rnn, head] = [new nn.RNN(40, 96, options), new nn.Linear(192, 50, { dtype })]
        const input = filled([12, 20, 40], 1, { dtype, requiresGrad: true })
        const lengths = Array.from({ length: 20 }, (_, row) => 1 + ((row * 7) % 12))
        const [output, hN] = rnn.forward(input, null, { lengths })
        const targets = Int32Array.from({ length: 240 }, (_, place) => place % 50)
        const logits = head.forward(output).reshape([240, 50])
        const loss = new nn.CrossEntropyLoss().forward(logits, tensor(targets))
        loss.add(hN.tanh().sum()).backward()
        const grads = [input, ...rnn.parameters(), ...head.parameters()].map(({ grad }) => grad)
        return [output, hN, logits, loss, ...grads].map((one) => bits(one ?? zeros([])))
      })
      for (const result of results) expect(result).toEqual(results[0])
    },
  )
})
