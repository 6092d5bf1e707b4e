/** Dropout between the layers of nn.RNN. */

import { manualSeed, nn, ones, tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { bits } from '../../helpers/numbers'

describe('dropout between layers', () => {
  const make = (dropout: number): nn.RNN => {
    const rnn = new nn.RNN(10, 1000, { numLayers: 2, nonlinearity: 'relu', bias: false, dropout })
    for (const parameter of rnn.parameters()) parameter.data.fill(1)
    return rnn
  }
  const input = ones([1, 1, 10])

  it('is absent if p is 0 or in evaluation', () => {
    for (const rnn of [make(0), make(0.5).eval()]) {
      const [output] = rnn.forward(input)
      expect(new Set(output.data)).toEqual(new Set([10_000]))
    }
  })

  it('feeds zeros onward if p is 1', () => {
    const [output, hN] = make(1).forward(input)
    expect(new Set(output.data)).toEqual(new Set([0]))
    // hN is taken before dropout.
    expect(new Set(hN.select(0, 0).data)).toEqual(new Set([10]))
  })

  it('drops whole elements and scales the others', () => {
    manualSeed(1) // with another seed, two masks may keep equally many elements
    for (const p of [0.25, 0.5]) {
      const rnn = make(p)
      const [one] = rnn.forward(input)
      const [another] = rnn.forward(input)
      for (const { data } of [one, another]) {
        const [value] = data
        expect(new Set(data)).toEqual(new Set([value]))
        expect(value).toBeGreaterThan(8_000)
        expect(value).toBeLessThan(12_000)
        const kept = (value * (1 - p)) / 10
        expect(Math.abs(kept - Math.round(kept))).toBeLessThan(0.01)
      }
      expect(bits(one)).not.toBe(bits(another))
    }
  })

  it('follows a change of rnn.dropout, and the seed', () => {
    const rnn = make(0)
    rnn.dropout = 1
    expect(rnn.forward(input)[0].data[0]).toBe(0)
    rnn.dropout = 0.5
    manualSeed(3)
    const first = bits(rnn.forward(input)[0])
    manualSeed(3)
    expect(bits(rnn.forward(input)[0])).toBe(first)
  })

  it('uses the mask of its forward in its backward', () => {
    const rnn = new nn.RNN(1, 50, {
      numLayers: 2,
      nonlinearity: 'relu',
      bias: false,
      dropout: 0.5,
      dtype: 'float64',
    })
    for (const parameter of rnn.parameters()) parameter.data.fill(1)
    const x = tensor([[1]], { dtype: 'float64', requiresGrad: true })
    const [output] = rnn.forward(x)
    output.sum().backward()
    // y = 50 · Σ mask · x: the gradient is the sum of all outputs.
    expect(x.grad?.item()).toBeCloseTo(output.detach().sum().item(), 8)
  })
})
