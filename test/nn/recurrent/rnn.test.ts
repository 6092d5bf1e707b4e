/** The properties of nn.RNN, and its values against the equation or an equivalent call. */

import { type DType, nn, ones, stack, tensor } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { naiveSequence } from '../../helpers/naive-rnn'
import { expectClose, filled } from '../../helpers/numbers'
import { Kind } from './contract/description'
import { rnn as description } from './contract/kinds'

const kind = new Kind(description)

describe('the attributes', () => {
  it('are those of torch, with its defaults', () => {
    const rnn = new nn.RNN(3, 4)
    expect(rnn).toMatchObject({ dropout: 0, training: true })
    expect([
      rnn.inputSize,
      rnn.hiddenSize,
      rnn.numLayers,
      rnn.nonlinearity,
      rnn.bias,
      rnn.batchFirst,
      rnn.bidirectional,
    ]).toEqual([3, 4, 1, 'tanh', true, false, false])
    expect(rnn.weight_ih_l0.dtype).toBe('float32')
  })
})

describe('forward', () => {
  it('follows the equation', () => {
    fc.assert(
      fc.property(kind.anyCase, (one) => {
        const { module, inputs, states } = kind.build(one)
        const rnn = module as unknown as nn.RNN<DType>
        const [input, hx] = [...inputs, ...states]
        const [output, hN] = rnn.forward(input, hx)
        const tolerance = rnn.weight_ih_l0.dtype === 'float64' ? 1e-12 : 1e-4
        for (let row = 0; row < one.batch; row += 1) {
          const expected = naiveSequence(
            rnn,
            input.select(1, row).toArray(),
            hx.select(1, row).toArray(),
          )
          expectClose(output.select(1, row).data, expected.output.flat(), tolerance)
          expectClose(hN.select(1, row).data, expected.hN.flat(), tolerance)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('gives hN that is the last output, in memory of its own', () => {
    const rnn = new nn.RNN(3, 4, { bidirectional: true })
    const [output, hN] = rnn.forward(filled([5, 2, 3], 1))
    expect(hN.select(0, 0).toArray()).toEqual(output.select(0, 4).narrow(1, 0, 4).toArray())
    expect(hN.select(0, 1).toArray()).toEqual(output.select(0, 0).narrow(1, 4, 4).toArray())
    expect(hN.data.buffer).not.toBe(output.data.buffer)
  })

  it('lets NaN and infinities through', () => {
    for (const nonlinearity of ['tanh', 'relu'] as const) {
      const rnn = new nn.RNN(1, 3, { nonlinearity })
      for (const parameter of rnn.parameters()) parameter.data.fill(1)
      const [nan] = rnn.forward(tensor([[Number.NaN]]))
      expect([...nan.data]).toEqual([Number.NaN, Number.NaN, Number.NaN])
      const [infinite] = rnn.forward(tensor([[Number.POSITIVE_INFINITY]]))
      const top = nonlinearity === 'tanh' ? 1 : Number.POSITIVE_INFINITY
      expect([...infinite.data]).toEqual([top, top, top])
      rnn.weight_ih_l0.data.fill(0)
      const [product] = rnn.forward(tensor([[Number.POSITIVE_INFINITY]]))
      expect([...product.data]).toEqual([Number.NaN, Number.NaN, Number.NaN])
    }
  })

  it('sees what is written into a weight', () => {
    const rnn = new nn.RNN(2, 2, { nonlinearity: 'relu' })
    for (const parameter of rnn.parameters()) parameter.data.fill(0)
    const input = ones([1, 1, 2])
    expect(rnn.forward(input)[0].toArray()).toEqual([[[0, 0]]])
    rnn.weight_ih_l0.data[0] = 5
    expect(rnn.forward(input)[0].toArray()).toEqual([[[5, 0]]])
  })
})

describe('calls of different sizes in a row', () => {
  // What follows from the sizes of an input is kept for the next call.
  it('give each its own shapes, which nobody can change', () => {
    const inputs = [
      [5, 3],
      [5, 1, 3],
      [5, 2, 3],
      [2, 5, 3],
      [5, 3],
      [1, 1, 3],
      [1, 3],
    ]
    for (const batchFirst of [false, true]) {
      const rnn = new nn.RNN(3, 4, { bidirectional: true, batchFirst })
      const network = new nn.JordanRNN(3, 4, 2, { batchFirst })
      for (const shape of inputs) {
        const [outer, batch] = [
          shape.slice(0, -1),
          shape.length === 2 ? [] : [shape[batchFirst ? 0 : 1]],
        ]
        const [output, hN] = rnn.forward(ones(shape))
        expect([output.shape, hN.shape]).toEqual([
          [...outer, 8],
          [2, ...batch, 4],
        ])
        expect(Object.isFrozen(output.shape) && Object.isFrozen(hN.shape)).toBe(true)
        const { output: again, pullback } = rnn.vjp(ones(shape))
        const gradients = pullback(again, null)
        expect([again.shape, gradients.hx.shape]).toEqual([output.shape, hN.shape])
        const [y, yN] = network.forward(ones(shape))
        expect([y.shape, yN.shape]).toEqual([
          [...outer, 2],
          [...batch, 2],
        ])
      }
    }
    const cell = new nn.RNNCell(3, 4)
    for (const shape of [[3], [1, 3], [2, 3], [3]]) {
      expect(cell.forward(ones(shape)).shape).toEqual([...shape.slice(0, -1), 4])
    }
  })
})

describe('the worked example', () => {
  it('of all weights 1 gives 2, 6, 16', () => {
    const rnn = new nn.RNN(2, 2, { nonlinearity: 'relu', bias: false })
    for (const parameter of rnn.parameters()) parameter.data.fill(1)
    const input = stack([tensor([1, 1]), tensor([1, 1]), tensor([2, 2])])
    expect(rnn.forward(input)[0].toArray()).toEqual([
      [2, 2],
      [6, 6],
      [16, 16],
    ])
  })
})
