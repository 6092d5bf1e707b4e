/** nn.LSTM and nn.GRU, where an equation or another way of calling them says what must come out. */

import { type DType, manualSeed, nn, noGrad, type Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../../helpers/finite-differences'
import { bits, errorOf, expectClose, expectSameBits, filled, gradOf } from '../../helpers/numbers'
import { bitsOf, gradsOf, Kind, lossOf } from './contract/description'
import { lstm as lstmDescription } from './contract/kinds'

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** W x + b as lists of rows, gate by gate. */
function affine(
  weight: Tensor<DType>,
  bias: Tensor<DType>,
  x: readonly number[],
  units: number,
): number[][] {
  const rows = weight.toArray()
  const sums = rows.map((row, place) => row.reduce((sum, w, k) => sum + w * x[k], bias.data[place]))
  return Array.from({ length: rows.length / units }, (_, gate) =>
    sums.slice(gate * units, (gate + 1) * units),
  )
}

describe('forward follows the equations', () => {
  const [I, H] = [3, 5]
  const x = [0.3, -1.2, 0.8]
  const h = Array.from({ length: H }, (_, j) => Math.sin(j))
  const c = Array.from({ length: H }, (_, j) => 2 * Math.cos(j))
  const row = (values: readonly number[]): Tensor<'float64'> =>
    tensor([values as number[]], { dtype: 'float64' })

  it('of the LSTM, and of its projection', () => {
    for (const projSize of [0, 2]) {
      const lstm = new nn.LSTM(I, H, { projSize, dtype: 'float64' })
      const first = h.slice(0, projSize || H)
      const { weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0 } = lstm
      const fromX = affine(weight_ih_l0, bias_ih_l0, x, H)
      const fromH = affine(weight_hh_l0, bias_hh_l0, first, H)
      const [i, f, g, o] = fromX.map((gate, k) => gate.map((z, j) => z + fromH[k][j]))
      const cN = c.map((one, j) => sigmoid(f[j]) * one + sigmoid(i[j]) * Math.tanh(g[j]))
      const m = cN.map((one, j) => sigmoid(o[j]) * Math.tanh(one))
      const none = zeros([projSize], { dtype: 'float64' })
      const hN = projSize === 0 ? m : affine(weight_hr_l0, none, m, projSize)[0]
      const [output, last] = lstm.forward(row(x), [row(first), row(c)])
      expectClose(output.data, hN, 1e-14)
      expectClose(last[0].data, hN, 1e-14)
      expectClose(last[1].data, cN, 1e-14)
    }
  })

  it('of the GRU', () => {
    const gru = new nn.GRU(I, H, { dtype: 'float64' })
    const { weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 } = gru
    const fromX = affine(weight_ih_l0, bias_ih_l0, x, H)
    const fromH = affine(weight_hh_l0, bias_hh_l0, h, H)
    const expected = h.map((one, j) => {
      const [r, z] = [0, 1].map((gate) => sigmoid(fromX[gate][j] + fromH[gate][j]))
      return (1 - z) * Math.tanh(fromX[2][j] + r * fromH[2][j]) + z * one
    })
    const [output, hN] = gru.forward(row(x), row(h))
    expectClose(output.data, expected, 1e-14)
    expectSameBits(hN, output)
  })

  it('keeps NaN and infinities in their own sequence', () => {
    const [lstm, gru] = [new nn.LSTM(2, 9), new nn.GRU(2, 9)]
    for (const run of [(x: Tensor) => lstm.forward(x)[0], (x: Tensor) => gru.forward(x)[0]]) {
      const input = filled([4, 3, 2], 1)
      const clean = run(input)
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const spoilt = tensor(input.data.slice(), { shape: [4, 3, 2] })
        spoilt.data[2 * 6 + 2] = value // step 2 of sequence 1
        const output = run(spoilt)
        for (const other of [0, 2]) {
          expectSameBits(output.select(1, other), clean.select(1, other))
        }
        const own = output.select(1, 1)
        expectSameBits(own.narrow(0, 0, 2), clean.select(1, 1).narrow(0, 0, 2))
        const rest = own.narrow(0, 2, 2)
        if (Number.isNaN(value)) expect(rest.data.every(Number.isNaN)).toBe(true)
        else expect(bits(rest)).not.toBe(bits(clean.select(1, 1).narrow(0, 2, 2)))
      }
    }
  })
})

describe('a loss on some of the results of an LSTM', () => {
  const kind = new Kind(lstmDescription)
  const sizes = { steps: 4, batch: 2, inputSize: 3, hiddenSize: 5 }

  it.each([
    ['c alone', [2]],
    ['h alone', [1]],
    ['the output alone', [0]],
    ['the output and c', [0, 2]],
  ])('has the gradients of finite differences: %s', (_, wanted) => {
    manualSeed(0)
    const lstm = new nn.LSTM(3, 5, { numLayers: 2, projSize: 2, dtype: 'float64' })
    const [x, h0, c0] = [leaf([4, 2, 3], 1), leaf([2, 2, 2], 2), leaf([2, 2, 5], 3)]
    expectGradients(
      (...given) => {
        const [output, [hN, cN]] = lstm.forward(given[0], [given[1], given[2]])
        const results = [output, hN, cN].filter((__, place) => wanted.includes(place))
        return lossOf(results)
      },
      [x, h0, c0, ...lstm.parameters()],
    )
  })

  it('has by vjp the bits of the tape', () => {
    const module = kind.make(3, 5, { numLayers: 2 }) as unknown as nn.LSTM<DType>
    const [x] = kind.inputs(sizes, {}, 1, true)
    const [h0, c0] = kind.states(sizes, { numLayers: 2 }, 2, true)
    const [, [, cN]] = module.forward(x, [h0, c0])
    const weight = filled(cN.shape, 5)
    cN.backward(weight)
    const { pullback } = module.vjp(x, [h0, c0])
    const { input, hx, parameters } = pullback(null, [null, weight])
    expect(bitsOf([input, ...hx, ...parameters.values()])).toEqual(
      bitsOf(gradsOf([x, h0, c0, ...module.parameters()])),
    )
  })

  it('leaves out the gradients that nobody wants', () => {
    const lstm = new nn.LSTM(3, 4)
    for (const parameter of lstm.parameters()) parameter.requiresGrad = false
    const [h0, c0] = [filled([1, 2, 4], 1), filled([1, 2, 4], 2, { requiresGrad: true })]
    const [, [hN]] = lstm.forward(filled([5, 2, 3], 3), [h0, c0])
    hN.sum().backward()
    expect(h0.grad).toBeNull()
    expect(c0.grad?.shape).toEqual([1, 2, 4])
  })
})

describe('nn.GRUCell', () => {
  it('has biases with different gradients, since r multiplies one part of b_hh alone', () => {
    const cell = new nn.GRUCell(3, 4)
    cell
      .forward(filled([2, 3], 1), filled([2, 4], 2))
      .sum()
      .backward()
    const [ih, hh] = [cell.bias_ih, cell.bias_hh].map((bias) => [
      ...gradOf(bias ?? zeros([1])).data,
    ])
    expect(hh.slice(0, 8)).toEqual(ih.slice(0, 8))
    expect(hh.slice(8)).not.toEqual(ih.slice(8))
  })
})

describe('what is wrong', () => {
  it('leaves a module as it was', () => {
    const lstm = new nn.LSTM(3, 4)
    const input = filled([5, 2, 3], 1)
    const before = noGrad(() => bitsOf(lstm.forward(input)[1]))
    const state = zeros([1, 2, 4])
    for (const hx of [state, [state], [state, state, state], [state, null], { h: state }]) {
      const error = errorOf(() => Reflect.apply(lstm.forward, lstm, [input, hx]))
      expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    }
    expect(noGrad(() => bitsOf(lstm.forward(input)[1]))).toEqual(before)
  })

  it('is said for weights of another module', () => {
    const gru = new nn.GRU(3, 4)
    expect(() => gru.loadStateDict(new nn.LSTM(3, 4).stateDict())).toThrow(/weight_ih_l0/)
    const projected = new nn.LSTM(3, 4, { projSize: 2 })
    expect(() => projected.loadStateDict(new nn.LSTM(3, 4).stateDict())).toThrow(/weight_hr_l0/)
  })
})
