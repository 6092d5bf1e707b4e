/** The call of the native recurrent core: each array and number that TypeScript hands over stands in its slot. */

import { nn, type Tensor } from '@elman/rnn'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { addon } from '../helpers/addon'
import { filled, gradOf } from '../helpers/numbers'
import { inOrder, slots } from '../helpers/recurrent-calls'

afterEach(() => {
  vi.restoreAllMocks()
})

type Pass = 'forward' | 'backward'
type Run = ReturnType<typeof addon.RecurrentCore.prototype.forward>
type Named = Record<string, Parameters<Run>[number][]>

/** What the next call of a pass of a new module gets, by the names of the slots; several stand for the parameters. */
function spyOn(pass: Pass, parameters: number): () => Named {
  const calls: Parameters<Run>[] = []
  const native = addon.RecurrentCore.prototype[pass]
  vi.spyOn(addon.RecurrentCore.prototype, pass).mockImplementation(function (this: object) {
    const run = Reflect.apply(native, this, [])
    return (...args) => {
      calls.push(args)
      return run(...args)
    }
  })
  return () => {
    expect(calls).toHaveLength(1)
    const rest = [...calls[0]]
    const named = slots[pass].map((name) => [
      name,
      rest.splice(0, /^(grad_)?parameters$/.test(name) ? parameters : 1),
    ])
    expect(rest).toEqual([])
    return Object.fromEntries(named)
  }
}

/** Expects the arrays of some slots; what was not made by a program has other memory. */
function expectArrays(given: Named, arrays: Parameters<typeof inOrder>[1]): void {
  const values = (list: readonly unknown[]) => list.map((one) => one && [...(one as Float32Array)])
  for (const name of Object.keys(arrays)) {
    expect(values(given[name]), name).toEqual(values(inOrder([name], arrays)))
  }
}

const leaf = (shape: number[], seed: number): Tensor => filled(shape, seed, { requiresGrad: true })
const data = (tensors: readonly Tensor[]) => tensors.map((one) => one.data)
const lengths = Int32Array.of(3, 5)

describe('with a teacher, lengths and one gradient', () => {
  it('forward and backward', () => {
    const [forward, backward] = [spyOn('forward', 6), spyOn('backward', 6)]
    const network = new nn.JordanRNN(3, 4, 2)
    const parameters = [...network.parameters()]
    const [input, y0, teacher] = [leaf([5, 2, 3], 1), filled([2, 2], 2), leaf([5, 2, 2], 3)]
    const inputs = {
      lengths,
      input: input.data,
      teacher: teacher.data,
      states: y0.data,
      parameters: data(parameters),
    }
    const [output, yN] = network.forward(input, y0, { teacher, lengths })
    const upstream = filled(output.shape, 4)
    output.backward(upstream)

    const called = forward()
    const [saved] = called.saved
    expect(saved).not.toBeNull()
    const results = { output: output.data, saved }
    expectArrays(called, { ...inputs, ...results, final_states: yN.data })
    expectArrays(backward(), {
      ...{ ...inputs, ...results, grad_output: upstream.data, grad_final_states: null },
      ...{ grad_input: gradOf(input).data, grad_teacher: gradOf(teacher).data, grad_states: null },
      grad_parameters: data(parameters.map(gradOf)),
    })
  })
})

describe('with dropout, checkpoints and a gradient of the state', () => {
  it('forward and backward', () => {
    const [forward, backward] = [spyOn('forward', 12), spyOn('backward', 12)]
    const rnn = new nn.RNN(3, 4, { numLayers: 3, dropout: 0.25 })
    const [input, hx] = [filled([5, 2, 3], 1), leaf([3, 2, 4], 2)]
    for (const parameter of rnn.parameters()) parameter.requiresGrad = false
    const [output, hN] = rnn.forward(input, hx, { checkpointEvery: 2 })
    const upstream = filled(hN.shape, 4)
    hN.backward(upstream)

    const parameters = data([...rnn.parameters()])
    const inputs = { lengths: null, input: input.data, states: hx.data, parameters }
    const [called, calledBack] = [forward(), backward()]
    const [saved] = called.saved
    const results = { output: output.data, saved }
    expectArrays(called, { ...inputs, ...results, final_states: hN.data })
    expectArrays(calledBack, {
      ...{ ...inputs, ...results, grad_output: null, grad_final_states: upstream.data },
      ...{ grad_input: null, grad_teacher: null, grad_states: gradOf(hx).data },
      grad_parameters: parameters.map(() => null),
    })
    for (const given of [called, calledBack]) {
      expect([...given.dropout, ...given.checkpoint_every]).toEqual([0.25, 2])
      expect(given.seed).toEqual(called.seed)
    }
    expect(called.seed[0]).toBeGreaterThan(0)
    expect(calledBack.fingerprint[0]).toBeGreaterThan(0)
  })
})

it('more parameters than a call has arguments for are handed over as a list', () => {
  const [forward, backward] = [spyOn('forward', 1), spyOn('backward', 1)]
  const rnn = new nn.RNN(1, 1, { numLayers: 300 })
  const [, hN] = rnn.forward(filled([2, 1, 1], 1))
  hN.sum().backward()
  const [parameters, gradients] = [forward().parameters, backward().grad_parameters]
  expect(parameters).toEqual([data([...rnn.parameters()])])
  expect(gradients).toEqual([data([...rnn.parameters()].map(gradOf))])
})
