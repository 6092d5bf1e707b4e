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
type Args = Parameters<typeof addon.RecurrentCore.prototype.forward>

/** What the next call of a pass gets; its numbers as they were then. */
function spyOn(pass: Pass): () => Args {
  const calls: Args[] = []
  const native = addon.RecurrentCore.prototype[pass]
  vi.spyOn(addon.RecurrentCore.prototype, pass).mockImplementation(function (
    this: object,
    ...args
  ) {
    const result = Reflect.apply(native, this, args)
    calls.push([args[0], args[1], args[2], args[3].slice()])
    return result
  })
  return () => {
    expect(calls).toHaveLength(1)
    return calls[0]
  }
}

/** Expects each array to be equal to that of its slot; what was not made by a program has other memory. */
function expectInOrder(
  list: Args[1],
  order: readonly string[],
  arrays: Parameters<typeof inOrder>[1],
): void {
  const expected = inOrder(order, arrays)
  expect(list.map((one) => one && [...one])).toEqual(expected.map((one) => one && [...one]))
}

const leaf = (shape: number[], seed: number): Tensor => filled(shape, seed, { requiresGrad: true })
const data = (tensors: readonly Tensor[]) => tensors.map((one) => one.data)
const lengths = Int32Array.of(3, 5)

describe('with a teacher, lengths and one gradient', () => {
  const network = new nn.JordanRNN(3, 4, 2)
  const parameters = [...network.parameters()]
  const [input, y0, teacher] = [leaf([5, 2, 3], 1), filled([2, 2], 2), leaf([5, 2, 2], 3)]
  const inputs = {
    lengths,
    input: input.data,
    teacher: teacher.data,
    states: [y0.data],
    parameters: data(parameters),
  }

  it('forward and backward', () => {
    const [forward, backward] = [spyOn('forward'), spyOn('backward')]
    const [output, yN] = network.forward(input, y0, { teacher, lengths })
    const upstream = filled(output.shape, 4)
    output.backward(upstream)

    const [, read, written, numbers] = forward()
    expectInOrder(read, slots.forwardRead, inputs)
    const saved = written[slots.forwardWritten.indexOf('saved')]
    expect(saved).not.toBeNull()
    const results = { output: output.data, saved, final_states: [yN.data] }
    expectInOrder(written, slots.forwardWritten, results)

    const [, readBack, gradients, numbersBack] = backward()
    const upstreams = { grad_output: upstream.data, grad_final_states: [null] }
    expectInOrder(readBack, slots.backwardRead, { ...inputs, ...results, ...upstreams })
    expectInOrder(gradients, slots.backwardWritten, {
      grad_input: gradOf(input).data,
      grad_teacher: gradOf(teacher).data,
      grad_states: [null],
      grad_parameters: data(parameters.map(gradOf)),
    })
    expect(numbers).toHaveLength(slots.numbers.length)
    expect(numbersBack).toHaveLength(slots.numbers.length)
  })
})

describe('with dropout, checkpoints and a gradient of the state', () => {
  const rnn = new nn.RNN(3, 4, { numLayers: 3, dropout: 0.25 })
  const [input, hx] = [filled([5, 2, 3], 1), leaf([3, 2, 4], 2)]
  for (const parameter of rnn.parameters()) parameter.requiresGrad = false

  it('forward and backward', () => {
    const [forward, backward] = [spyOn('forward'), spyOn('backward')]
    const [output, hN] = rnn.forward(input, hx, { checkpointEvery: 2 })
    const upstream = filled(hN.shape, 4)
    hN.backward(upstream)

    const parameters = data([...rnn.parameters()])
    const inputs = { lengths: null, input: input.data, states: [hx.data], parameters }
    const [, read, written, numbers] = forward()
    expectInOrder(read, slots.forwardRead, inputs)
    const saved = written[slots.forwardWritten.indexOf('saved')]
    const results = { output: output.data, saved, final_states: [hN.data] }
    expectInOrder(written, slots.forwardWritten, results)

    const [, readBack, gradients, numbersBack] = backward()
    const upstreams = { grad_output: null, grad_final_states: [upstream.data] }
    expectInOrder(readBack, slots.backwardRead, { ...inputs, ...results, ...upstreams })
    expectInOrder(gradients, slots.backwardWritten, {
      grad_states: [gradOf(hx).data],
      grad_parameters: parameters.map(() => null),
    })
    const at = (given: Args[3], name: string): number => given[slots.numbers.indexOf(name)]
    for (const given of [numbers, numbersBack]) {
      expect([at(given, 'dropout'), at(given, 'checkpoint_every')]).toEqual([0.25, 2])
      expect(at(given, 'seed')).toBe(at(numbers, 'seed'))
    }
    expect(at(numbers, 'seed')).toBeGreaterThan(0)
    expect(at(numbersBack, 'fingerprint')).toBeGreaterThan(0)
  })
})
