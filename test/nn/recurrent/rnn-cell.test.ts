/** nn.RNNCell: one step of nn.RNN. What PyTorch computes is compared in golden.test.ts. */

import { type DType, getRngState, manualSeed, nn, type Tensor, tensor, zeros } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../../helpers/finite-differences'
import { bits, errorOf, expectSameBits, filled } from '../../helpers/numbers'

type Options = NonNullable<ConstructorParameters<typeof nn.RNNCell>[2]>

/** The stack of one layer with the same weights. */
function stackOf(cell: nn.RNNCell<DType>): nn.RNN<DType> {
  const { inputSize, hiddenSize, nonlinearity, bias, weight_ih } = cell
  const options = { nonlinearity, bias, dtype: weight_ih.dtype }
  const rnn = new nn.RNN(inputSize, hiddenSize, options)
  rnn.loadStateDict(new Map([...cell.stateDict()].map(([name, value]) => [`${name}_l0`, value])))
  return rnn
}

describe('a cell', () => {
  it('has the attributes, names and repr of torch', () => {
    const cell = new nn.RNNCell(3, 4)
    expect([cell.inputSize, cell.hiddenSize, cell.nonlinearity, cell.bias]).toEqual([
      3,
      4,
      'tanh',
      true,
    ])
    const shapes = [...cell.stateDict()].map(([name, { shape }]) => [name, shape])
    expect(shapes).toEqual([
      ['weight_ih', [4, 3]],
      ['weight_hh', [4, 4]],
      ['bias_ih', [4]],
      ['bias_hh', [4]],
    ])
    expect(String(cell)).toBe('RNNCell(3, 4)')
    const other = new nn.RNNCell(3, 4, { bias: false, nonlinearity: 'relu' })
    expect(String(other)).toBe('RNNCell(3, 4, bias=False, nonlinearity=relu)')
    expect([...other.stateDict().keys()]).toEqual(['weight_ih', 'weight_hh'])
    expect([other.bias_ih, other.bias_hh]).toEqual([null, null])
  })

  it('draws the weights of an nn.RNN after the same seed, and anew by resetParameters', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      manualSeed(7)
      const cell = new nn.RNNCell(5, 9, { dtype })
      manualSeed(7)
      const rnn = new nn.RNN(5, 9, { dtype })
      expect(cell.parameters().map(bits)).toEqual(rnn.parameters().map(bits))
      cell.resetParameters()
      expect(bits(cell.weight_ih)).not.toBe(bits(rnn.weight_ih_l0))
      manualSeed(7)
      cell.resetParameters()
      expect(cell.parameters().map(bits)).toEqual(rnn.parameters().map(bits))
    }
  })

  it('in a loop gives the bits of nn.RNN', () => {
    const anyCell = fc.record({
      inputSize: fc.integer({ min: 1, max: 40 }),
      hiddenSize: fc.integer({ min: 1, max: 70 }),
      batch: fc.constantFrom(null, 0, 1, 2, 5, 13),
      options: fc.record({
        nonlinearity: fc.constantFrom('tanh', 'relu'),
        bias: fc.boolean(),
        dtype: fc.constantFrom('float32', 'float64'),
      }) as fc.Arbitrary<Options>,
    })
    fc.assert(
      fc.property(anyCell, ({ inputSize, hiddenSize, batch, options }) => {
        const cell = new nn.RNNCell(inputSize, hiddenSize, options)
        const rows = batch === null ? [] : [batch]
        const { dtype } = cell.weight_ih
        const input = filled([4, ...rows, inputSize], 1, { dtype })
        const hx = filled([...rows, hiddenSize], 2, { dtype })
        const [output] = stackOf(cell).forward(input, hx.reshape([1, ...rows, hiddenSize]))
        let h: Tensor<DType> = hx
        for (let t = 0; t < 4; t += 1) {
          h = cell.forward(input.select(0, t), h)
          expectSameBits(h, output.select(0, t))
        }
        expectSameBits(
          cell.forward(input.select(0, 0)),
          cell.forward(input.select(0, 0), zeros([...rows, hiddenSize], { dtype })),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('carries gradients that finite differences confirm, through several steps too', () => {
    for (const nonlinearity of ['tanh', 'relu'] as const) {
      for (const rows of [[], [3]]) {
        manualSeed(0)
        const cell = new nn.RNNCell(3, 4, { nonlinearity, dtype: 'float64' })
        expectGradients(
          (x, h) => cell.forward(x, cell.forward(x, h)),
          [leaf([...rows, 3], 1), leaf([...rows, 4], 2), ...cell.parameters()],
        )
      }
    }
  })

  it('gives both biases the same gradient, and works without a batch of rows', () => {
    const cell = new nn.RNNCell(3, 4)
    const input = zeros([0, 3], { requiresGrad: true })
    const output = cell.forward(input)
    expect(output.shape).toEqual([0, 4])
    output.sum().backward()
    expect(input.grad?.shape).toEqual([0, 3])
    expect([...(cell.bias_ih?.grad?.data ?? [])]).toEqual([0, 0, 0, 0])
    cell
      .forward(filled([2, 3], 1))
      .sum()
      .backward()
    expect(bits(cell.bias_ih?.grad ?? zeros([]))).toBe(bits(cell.bias_hh?.grad ?? zeros([1])))
  })

  it('is a module: to, shared weights, frozen weights, a part of another', () => {
    const cell = new nn.RNNCell(2, 3).to('float64')
    expect(cell.forward(zeros([2], { dtype: 'float64' })).dtype).toBe('float64')
    // @ts-expect-error: another dtype
    expect(() => cell.forward(zeros([2]))).toThrow(TypeError)

    const rnn = new nn.RNN(2, 3, { dtype: 'float64' })
    cell.weight_ih = rnn.weight_ih_l0
    cell
      .forward(filled([2], 1, { dtype: 'float64' }))
      .sum()
      .backward()
    expect(rnn.weight_ih_l0.grad).not.toBeNull()
    cell.weight_hh.requiresGrad = false
    expect([...cell.stateDict().keys()]).toContain('weight_hh')

    class Model extends nn.Module<DType> {
      cell = new nn.RNNCell(2, 3)
    }
    expect([...new Model().stateDict().keys()]).toEqual(
      ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((name) => `cell.${name}`),
    )
  })
})

describe('a cell refuses', () => {
  const make =
    (...args: unknown[]) =>
    (): unknown =>
      Reflect.construct(nn.RNNCell<DType>, args)
  const forward =
    (...args: unknown[]) =>
    (): unknown => {
      const cell = new nn.RNNCell(10, 20)
      const state = getRngState()
      try {
        return Reflect.apply(cell.forward, cell, args)
      } finally {
        expect(getRngState()).toEqual(state)
      }
    }
  const changed = (fields: object) => (): unknown => {
    const cell = Object.assign(new nn.RNNCell(10, 20), fields)
    return cell.forward(zeros([3, 10]))
  }
  const double = { dtype: 'float64' } as const

  const cases: [name: string, call: () => unknown, expected: Error][] = [
    ['sizes of zero', make(0, 4), new RangeError('input_size must be greater than zero')],
    ['hidden sizes of zero', make(3, 0), new RangeError('hidden_size must be greater than zero')],
    ['fractions', make(1.5, 4), new TypeError('input_size should be of type int, got: 1.5')],
    [
      'sizes beyond 2^53',
      make(3, 2 ** 60),
      new RangeError(`hidden_size should be at most 2^53 - 1 in size, got: ${2 ** 60}`),
    ],
    [
      'other nonlinearities',
      make(3, 4, { nonlinearity: 'TANH' }),
      new RangeError("Unknown nonlinearity 'TANH'. Select from 'tanh' or 'relu'."),
    ],
    [
      'a bias that is no boolean',
      make(3, 4, { bias: 1 }),
      new TypeError('bias should be of type bool, got: 1'),
    ],
    [
      'options of nn.RNN',
      make(3, 4, { batchFirst: true }),
      new TypeError("RNNCell() got an unexpected keyword argument 'batchFirst'"),
    ],
    [
      'another input size',
      forward(zeros([3, 11])),
      new RangeError('input has inconsistent input_size: got 11 expected 10'),
    ],
    [
      'another input size, unbatched',
      forward(zeros([11])),
      new RangeError('input has inconsistent input_size: got 11 expected 10'),
    ],
    [
      'another hidden size',
      forward(zeros([3, 10]), zeros([3, 21])),
      new RangeError('hidden0 has inconsistent hidden_size: got 21, expected 20'),
    ],
    [
      'another hidden size, unbatched',
      forward(zeros([10]), zeros([21])),
      new RangeError('hidden0 has inconsistent hidden_size: got 21, expected 20'),
    ],
    [
      'another batch size',
      forward(zeros([3, 10]), zeros([5, 20])),
      new RangeError("Input batch size 3 doesn't match hidden0 batch size 5"),
    ],
    [
      '4-D hidden',
      forward(zeros([3, 10]), zeros([1, 1, 3, 20])),
      new RangeError('RNNCell: Expected hidden to be 1D or 2D, got 4D instead'),
    ],
    [
      '0-D hidden',
      forward(zeros([10]), zeros([])),
      new RangeError('RNNCell: Expected hidden to be 1D or 2D, got 0D instead'),
    ],
    [
      '3-D input',
      forward(zeros([1, 3, 10])),
      new RangeError('RNNCell: Expected input to be 1D or 2D, got 3D instead'),
    ],
    [
      '0-D input',
      forward(zeros([])),
      new RangeError('RNNCell: Expected input to be 1D or 2D, got 0D instead'),
    ],
    [
      'unbatched hidden with a batch',
      forward(zeros([3, 10]), zeros([20])),
      new RangeError('For batched 2-D input, hx should also be 2-D but got 1-D tensor'),
    ],
    [
      'batched hidden without a batch',
      forward(zeros([10]), zeros([1, 20])),
      new RangeError('For unbatched 1-D input, hx should also be 1-D but got 2-D tensor'),
    ],
    [
      'input of another dtype',
      forward(zeros([3, 10], double)),
      new TypeError(
        "RNNCell input dtype (float64) does not match weight dtype (float32). Convert input to float32, or convert model: model.to('float64')",
      ),
    ],
    [
      'hidden of another dtype',
      forward(zeros([3, 10]), zeros([3, 20], double)),
      new TypeError(
        "RNNCell hx dtype (float64) does not match weight dtype (float32). Convert hx to float32, or convert model: model.to('float64')",
      ),
    ],
    [
      'indices',
      forward(tensor([1], { dtype: 'int32' })),
      new TypeError("RNNCell.forward(): argument 'input' must be Tensor, not IntTensor"),
    ],
    [
      'a hidden that is no tensor',
      forward(zeros([10]), 0),
      new TypeError("RNNCell.forward(): argument 'hx' must be Tensor, not 0"),
    ],
    [
      'a weight of another shape',
      changed({ weight_hh: zeros([3, 3]) }),
      new RangeError('Expected weight_hh to have shape [20, 20], got [3, 3]'),
    ],
    [
      'a bias that is gone',
      changed({ bias_hh: null }),
      new TypeError("RNNCell(): argument 'bias_hh' must be Tensor, not null"),
    ],
  ]

  it.each(cases)('%s', (_, call, expected) => {
    const error = errorOf(call)
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
  })

  it('a wrong receiver', () => {
    const { forward: method } = nn.RNNCell.prototype
    for (const receiver of [{}, null, new nn.RNN(10, 20), new Proxy(new nn.RNNCell(10, 20), {})]) {
      expect(() => Reflect.apply(method, receiver, [zeros([10])])).toThrow(TypeError)
    }
  })
})
