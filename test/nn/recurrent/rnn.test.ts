/** What nn.RNN is and computes, where its equation or another way of calling it says what must come out. */

import {
  cat,
  getNumThreads,
  manualSeed,
  nn,
  ones,
  setNumThreads,
  stack,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyCase, build, swap } from '../../helpers/any-rnn'
import { naiveSequence } from '../../helpers/naive-rnn'
import { bits, expectClose, expectSameBits, filled } from '../../helpers/numbers'

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

  it('hold the parameters in the order of the state dict', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true })
    const names = ['l0', 'l0_reverse', 'l1', 'l1_reverse'].flatMap((place) =>
      ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((name) => `${name}_${place}`),
    )
    expect([...rnn.stateDict().keys()]).toEqual(names)
    expect(rnn.weight_ih_l0.shape).toEqual([4, 3])
    expect(rnn.weight_ih_l1_reverse.shape).toEqual([4, 8])
    expect(rnn.weight_hh_l1.shape).toEqual([4, 4])
    expect(rnn.bias_hh_l0_reverse.shape).toEqual([4])
    expect(rnn.allWeights).toHaveLength(4)
    expect(rnn.allWeights[1]).toEqual([
      rnn.weight_ih_l0_reverse,
      rnn.weight_hh_l0_reverse,
      rnn.bias_ih_l0_reverse,
      rnn.bias_hh_l0_reverse,
    ])
    expect(rnn.flattenParameters()).toBeUndefined()
    const bare = new nn.RNN(3, 4, { bias: false })
    expect([...bare.stateDict().keys()]).toEqual(['weight_ih_l0', 'weight_hh_l0'])
    expect(bare.allWeights[0]).toHaveLength(2)
  })

  it('resetParameters draws the numbers of a new module', () => {
    manualSeed(5)
    const rnn = new nn.RNN(3, 16)
    const first = bits(rnn.weight_hh_l0)
    rnn.resetParameters()
    expect(bits(rnn.weight_hh_l0)).not.toBe(first)
    manualSeed(5)
    rnn.resetParameters()
    expect(bits(rnn.weight_hh_l0)).toBe(first)
    for (const parameter of rnn.parameters()) {
      for (const value of parameter.data) expect(Math.abs(value)).toBeLessThanOrEqual(0.25)
    }
  })
})

describe('forward', () => {
  it('follows the equation', () => {
    fc.assert(
      fc.property(anyCase, (one) => {
        const { rnn, input, hx } = build(one)
        const [output, hN] = rnn.forward(input, hx)
        const tolerance = rnn.weight_ih_l0.dtype === 'float64' ? 1e-12 : 1e-4
        for (let row = 0; row < one.batch; row += 1) {
          const expected = naiveSequence(
            rnn,
            input.select(1, row).toArray() as number[][],
            hx.select(1, row).toArray() as number[][],
          )
          expectClose(output.select(1, row).data, expected.output.flat(), tolerance)
          expectClose(hN.select(1, row).data, expected.hN.flat(), tolerance)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('gives the documented shapes', () => {
    const options = { numLayers: 3, bidirectional: true }
    const rnn = new nn.RNN(3, 4, options)
    const shapes = (result: [Tensor, Tensor]) => result.map(({ shape }) => shape)
    expect(shapes(rnn.forward(zeros([5, 2, 3])))).toEqual([
      [5, 2, 8],
      [6, 2, 4],
    ])
    expect(shapes(rnn.forward(zeros([5, 3])))).toEqual([
      [5, 8],
      [6, 4],
    ])
    expect(shapes(rnn.forward(zeros([5, 0, 3])))).toEqual([
      [5, 0, 8],
      [6, 0, 4],
    ])
    const first = new nn.RNN(3, 4, { ...options, batchFirst: true })
    expect(shapes(first.forward(zeros([2, 5, 3])))).toEqual([
      [2, 5, 8],
      [6, 2, 4],
    ])
    expect(shapes(first.forward(zeros([5, 3])))).toEqual([
      [5, 8],
      [6, 4],
    ])
  })

  it('with hx left out is that with zeros', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true })
    const input = filled([5, 2, 3], 1)
    const [output, hN] = rnn.forward(input)
    for (const hx of [zeros([4, 2, 4]), null, undefined]) {
      const [same, sameHN] = rnn.forward(input, hx)
      expectSameBits(same, output)
      expectSameBits(sameHN, hN)
    }
  })

  it('with the batch first is that with the time first', () => {
    fc.assert(
      fc.property(anyCase, (one) => {
        const { rnn, input, hx } = build(one)
        const first = new nn.RNN(one.inputSize, one.hiddenSize, {
          ...one.options,
          batchFirst: true,
        })
        first.loadStateDict(rnn.stateDict())
        const [output, hN] = rnn.forward(input, hx)
        const [swapped, sameHN] = first.forward(swap(input), hx)
        expectSameBits(swap(swapped), output)
        expectSameBits(sameHN, hN)
      }),
      { numRuns: 40 },
    )
  })

  it('without a batch is that of a batch of one', () => {
    for (const batchFirst of [false, true]) {
      const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true, batchFirst })
      const input = filled([5, 3], 1)
      const hx = filled([4, 4], 2)
      const [output, hN] = rnn.forward(input, hx)
      const [batched, batchedHN] = rnn.forward(
        input.reshape(batchFirst ? [1, 5, 3] : [5, 1, 3]),
        hx.reshape([4, 1, 4]),
      )
      expectSameBits(output, batched.reshape([5, 8]))
      expectSameBits(hN, batchedHN.reshape([4, 4]))
    }
  })

  it('of a batch row alone has the bits of the row in a batch', () => {
    fc.assert(
      fc.property(anyCase, (one) => {
        const { rnn, input, hx } = build(one)
        const [output, hN] = rnn.forward(input, hx)
        for (let row = 0; row < one.batch; row += 1) {
          const [alone, aloneHN] = rnn.forward(input.narrow(1, row, 1), hx.narrow(1, row, 1))
          expectSameBits(alone, output.narrow(1, row, 1))
          expectSameBits(aloneHN, hN.narrow(1, row, 1))
        }
      }),
      { numRuns: 40 },
    )
  })

  it('in two parts with hN carried has the bits of one call', () => {
    fc.assert(
      fc.property(anyCase, fc.nat(), (one, where) => {
        const { rnn, input, hx } = build({
          ...one,
          options: { ...one.options, bidirectional: false },
        })
        const cut = 1 + (where % one.steps)
        const [output, hN] = rnn.forward(input, hx)
        const [head, carried] = rnn.forward(input.narrow(0, 0, cut), hx)
        if (cut === one.steps) {
          expectSameBits(carried, hN)
          return
        }
        const [tail, last] = rnn.forward(input.narrow(0, cut, one.steps - cut), carried)
        expectSameBits(cat([head, tail]), output)
        expectSameBits(last, hN)
      }),
      { numRuns: 40 },
    )
  })

  it('gives hN that is the last output, in memory of its own', () => {
    const rnn = new nn.RNN(3, 4, { bidirectional: true })
    const [output, hN] = rnn.forward(filled([5, 2, 3], 1))
    expect(hN.select(0, 0).toArray()).toEqual(output.select(0, 4).narrow(1, 0, 4).toArray())
    expect(hN.select(0, 1).toArray()).toEqual(output.select(0, 0).narrow(1, 4, 4).toArray())
    expect(hN.data.buffer).not.toBe(output.data.buffer)
  })

  it('does not depend on the number of threads', () => {
    const threads = getNumThreads()
    try {
      const rnn = new nn.RNN(33, 65, { numLayers: 2, bidirectional: true })
      const run = (count: number): string => {
        setNumThreads(count)
        rnn.zeroGrad()
        const [output] = rnn.forward(filled([9, 11, 33], 1))
        output.sum().backward()
        return [output, ...rnn.parameters().map(({ grad }) => grad ?? output)].map(bits).join()
      }
      const expected = run(1)
      for (const count of [2, 3, 8]) expect(run(count)).toBe(expected)
    } finally {
      setNumThreads(threads)
    }
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

  it('keep for the backward pass what their own sizes take', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2 })
    for (const steps of [2, 7, 3]) {
      const input = filled([steps, 2, 3], steps)
      const fresh = new nn.RNN(3, 4, { numLayers: 2 })
      fresh.loadStateDict(rnn.stateDict())
      for (const options of [{}, { lengths: [steps, 1] }]) {
        const [{ output, pullback }, expected] = [rnn, fresh].map((one) =>
          one.vjp(input, null, options),
        )
        const gradient = filled(output.shape, 1)
        expectSameBits(pullback(gradient, null).input, expected.pullback(gradient, null).input)
      }
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
