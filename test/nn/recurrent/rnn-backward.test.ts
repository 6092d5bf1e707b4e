/** The gradients of nn.RNN by the tape and by vjp; rnn-gradients.test.ts compares them with finite differences. */

import { nn, noGrad, ones, type Tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectClose, expectSameBits, filled } from '../../helpers/numbers'

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

  it('add up over calls', () => {
    const rnn = new nn.RNN(3, 4, { dtype: 'float64' })
    const input = filled([5, 2, 3], 1, { dtype: 'float64' })
    rnn.forward(input)[0].sum().backward()
    const once = rnn.weight_hh_l0.grad?.data.slice() ?? []
    rnn.forward(input)[0].sum().backward()
    expectClose(
      rnn.weight_hh_l0.grad?.data ?? [],
      Array.from(once, (value) => 2 * value),
      1e-14,
    )
  })

  it('work for an empty batch', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true })
    const input = zeros([5, 0, 3], { requiresGrad: true })
    rnn.forward(input)[0].sum().backward()
    expect(input.grad?.shape).toEqual([5, 0, 3])
    for (const { grad, shape } of rnn.parameters()) {
      expect(grad?.shape).toEqual(shape)
      expect(new Set(grad?.data)).toEqual(new Set([0]))
    }
  })

  it('are computed for what needs them only', () => {
    const rnn = new nn.RNN(3, 4)
    for (const parameter of rnn.parameters()) parameter.requiresGrad = false
    const hx = zeros([1, 2, 4], { requiresGrad: true })
    const input = filled([5, 2, 3], 1)
    rnn.forward(input, hx)[0].sum().backward()
    expect(hx.grad?.shape).toEqual([1, 2, 4])
    expect(input.grad).toBeNull()
    expect(rnn.parameters().map(({ grad }) => grad)).toEqual([null, null, null, null])
    expect(rnn.forward(input)[0].requiresGrad).toBe(false)
  })
})

describe('vjp', () => {
  it('gives what forward and backward give, as often as it is asked', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true, dtype: 'float64' })
    const leaf = (shape: number[], seed: number): Tensor =>
      filled(shape, seed, { dtype: 'float64', requiresGrad: true })
    const [input, hx] = [leaf([5, 2, 3], 1), leaf([4, 2, 4], 2)]
    const [dOutput, dHN] = [leaf([5, 2, 8], 3).detach(), leaf([4, 2, 4], 4).detach()]
    const [output, hN] = rnn.forward(input, hx)
    output.mul(dOutput).sum().add(hN.mul(dHN).sum()).backward()

    const result = rnn.vjp(input, hx)
    expectSameBits(result.output, output)
    expectSameBits(result.hN, hN)
    expect(result.output.requiresGrad).toBe(false)
    for (let time = 0; time < 2; time += 1) {
      const gradients = result.pullback(dOutput, dHN)
      expectClose(gradients.input.data, input.grad?.data ?? [], 1e-13)
      expectClose(gradients.hx.data, hx.grad?.data ?? [], 1e-13)
      expect([...gradients.parameters.keys()]).toEqual([...rnn.stateDict().keys()])
      for (const [name, parameter] of rnn.namedParameters()) {
        expectClose(gradients.parameters.get(name)?.data ?? [], parameter.grad?.data ?? [], 1e-13)
      }
    }
  })

  it('takes either gradient alone, and gives that of hx also if it was left out', () => {
    const rnn = new nn.RNN(3, 4, { dtype: 'float64' })
    const input = filled([5, 2, 3], 1, { dtype: 'float64' })
    const { pullback } = rnn.vjp(input)
    const dOutput = filled([5, 2, 4], 2, { dtype: 'float64' })
    const dHN = filled([1, 2, 4], 3, { dtype: 'float64' })
    const [a, b, both] = [pullback(dOutput, null), pullback(null, dHN), pullback(dOutput, dHN)]
    expectClose(a.hx.add(b.hx).data, both.hx.data, 1e-13)
    expect(both.hx.shape).toEqual([1, 2, 4])
    expect(rnn.weight_ih_l0.grad).toBeNull()
  })

  it('knows lengths, and works under noGrad', () => {
    const rnn = new nn.RNN(3, 4)
    const input = filled([5, 2, 3], 1)
    const { output, pullback } = noGrad(() => rnn.vjp(input, null, { lengths: [2, 5] }))
    expectSameBits(output, rnn.forward(input, null, { lengths: [2, 5] })[0])
    const { input: dInput } = pullback(ones([5, 2, 4]), null)
    expect([...dInput.select(1, 0).narrow(0, 2, 3).data]).toEqual(new Array(9).fill(0))
  })
})
