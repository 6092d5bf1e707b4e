/** What nn.RNN refuses, with torch's wording; afterwards nothing has changed. */

import { getRngState, nn, randn, setRngState, type Tensor, tensor, zeros } from '@elman/rnn'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bits, errorOf } from '../../helpers/numbers'

type Options = ConstructorParameters<typeof nn.RNN>[2]

const dropoutMessage =
  'dropout should be a number in range [0, 1] representing the probability of an element being zeroed'

/** A constructor whose arguments are not checked by the compiler. */
const make = (...args: unknown[]): nn.RNN => Reflect.construct(nn.RNN, args) as unknown as nn.RNN

describe('the constructor refuses', () => {
  const cases: [name: string, args: unknown[], expected: Error][] = [
    ['sizes of zero', [0, 4], new RangeError('input_size must be greater than zero')],
    ['negative sizes', [-1, 4], new RangeError('input_size must be greater than zero')],
    ['hidden sizes of zero', [3, 0], new RangeError('hidden_size must be greater than zero')],
    ['negative hidden sizes', [3, -4], new RangeError('hidden_size must be greater than zero')],
    ['no layers', [3, 4, { numLayers: 0 }], new RangeError('num_layers must be greater than zero')],
    ['fewer', [3, 4, { numLayers: -2 }], new RangeError('num_layers must be greater than zero')],
    ['fractions', [1.5, 4], new TypeError('input_size should be of type int, got: 1.5')],
    ['NaN', [Number.NaN, 4], new TypeError('input_size should be of type int, got: NaN')],
    [
      'infinite sizes',
      [3, Number.POSITIVE_INFINITY],
      new TypeError('hidden_size should be of type int, got: Infinity'),
    ],
    ['strings', ['3', 4], new TypeError("input_size should be of type int, got: '3'")],
    ['missing sizes', [3], new TypeError('hidden_size should be of type int, got: undefined')],
    ['null', [3, null], new TypeError('hidden_size should be of type int, got: null')],
    ['bigints', [3n, 4], new TypeError('input_size should be of type int, got: 3n')],
    [
      'fractions of layers',
      [3, 4, { numLayers: 1.5 }],
      new TypeError('num_layers should be of type int, got: 1.5'),
    ],
    [
      'sizes beyond 2^53',
      [2 ** 54, 4],
      new RangeError(`input_size should be at most 2^53 - 1 in size, got: ${2 ** 54}`),
    ],
    [
      'a bias that is no boolean',
      [3, 4, { bias: 1 }],
      new TypeError('bias should be of type bool, got: 1'),
    ],
    [
      'a batchFirst that is no boolean',
      [3, 4, { batchFirst: 'yes' }],
      new TypeError("batch_first should be of type bool, got: 'yes'"),
    ],
    [
      'a bidirectional that is no boolean',
      [3, 4, { bidirectional: 0 }],
      new TypeError('bidirectional should be of type bool, got: 0'),
    ],
    ...[1.1, -0.1, Number.NaN, Number.POSITIVE_INFINITY, '0.5', true].map(
      (dropout): [string, unknown[], Error] => [
        `a dropout of ${String(dropout)}`,
        [3, 4, { dropout }],
        new RangeError(dropoutMessage),
      ],
    ),
    [
      'other nonlinearities',
      [3, 4, { nonlinearity: 'TANH' }],
      new RangeError("Unknown nonlinearity 'TANH'. Select from 'tanh' or 'relu'."),
    ],
    [
      'nonlinearities that are no strings',
      [3, 4, { nonlinearity: 3 }],
      new RangeError("Unknown nonlinearity '3'. Select from 'tanh' or 'relu'."),
    ],
    [
      'projSize',
      [3, 4, { projSize: 2 }],
      new TypeError('proj_size argument is only supported for LSTM, not RNN or GRU'),
    ],
    [
      'projSize of 0',
      [3, 4, { projSize: 0 }],
      new TypeError('proj_size argument is only supported for LSTM, not RNN or GRU'),
    ],
    [
      'unknown options',
      [3, 4, { hiddenLayers: 2 }],
      new TypeError("RNN() got an unexpected keyword argument 'hiddenLayers'"),
    ],
    [
      'options that are no object',
      [3, 4, 2],
      new TypeError('RNN() expected an object of options, got: 2'),
    ],
    [
      'other dtypes',
      [3, 4, { dtype: 'int32' }],
      new TypeError("dtype should be 'float32' or 'float64', got: 'int32'"),
    ],
  ]
  it.each(cases)('%s', (_, args, expected) => {
    const before = getRngState()
    const error = errorOf(() => make(...args))
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
    expect(getRngState()).toEqual(before)
  })

  it('sizes that no memory holds', () => {
    expect(() => new nn.RNN(2 ** 40, 2 ** 40)).toThrow(RangeError)
    expect(() => new nn.RNN(3, 2 ** 26)).toThrow(RangeError)
  })

  it('being called without new', () => {
    // @ts-expect-error: a class
    expect(() => nn.RNN(3, 4)).toThrow(TypeError)
  })
})

describe('dropout with one layer', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('is a warning, and has no effect', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const rnn = new nn.RNN(3, 4, { dropout: 0.5 })
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      'dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects ' +
        'num_layers greater than 1, but got dropout=0.5 and num_layers=1',
    )
    const input = randn([2, 1, 3])
    expect(bits(rnn.forward(input)[0])).toBe(bits(rnn.forward(input)[0]))
  })

  it('of 0 or 1 is legal, and no warning comes with more layers', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    expect(new nn.RNN(3, 4, { numLayers: 2, dropout: 1 }).dropout).toBe(1)
    expect(new nn.RNN(3, 4, { numLayers: 1, dropout: 0 }).dropout).toBe(0)
    expect(warn).not.toHaveBeenCalled()
  })
})

describe('forward refuses', () => {
  const forward = (
    input: unknown,
    hx?: unknown,
    options?: unknown,
    config: Options = {},
  ): (() => unknown) => {
    const rnn = new nn.RNN(3, 4, config)
    return () => Reflect.apply(rnn.forward, rnn, [input, hx, options])
  }
  const double = (shape: number[]): Tensor => zeros(shape, { dtype: 'float64' })
  const cases: [name: string, call: () => unknown, expected: Error][] = [
    [
      '4-D input',
      forward(zeros([1, 2, 2, 3])),
      new RangeError('RNN: Expected input to be 2D or 3D, got 4D tensor instead'),
    ],
    [
      '1-D input',
      forward(zeros([3])),
      new RangeError('RNN: Expected input to be 2D or 3D, got 1D tensor instead'),
    ],
    [
      'another feature size',
      forward(zeros([5, 2, 7])),
      new RangeError('input.size(-1) must be equal to input_size. Expected 3, got 7'),
    ],
    [
      'another feature size, unbatched',
      forward(zeros([5, 7])),
      new RangeError('input.size(-1) must be equal to input_size. Expected 3, got 7'),
    ],
    [
      '3-D hx with 2-D input',
      forward(zeros([5, 3]), zeros([1, 1, 4])),
      new RangeError('For unbatched 2-D input, hx should also be 2-D but got 3-D tensor'),
    ],
    [
      '2-D hx with 3-D input',
      forward(zeros([5, 2, 3]), zeros([1, 4])),
      new RangeError('For batched 3-D input, hx should also be 3-D but got 2-D tensor'),
    ],
    [
      'hx of another batch size',
      forward(zeros([5, 2, 3]), zeros([1, 7, 4])),
      new RangeError('Expected hidden size (1, 2, 4), got [1, 7, 4]'),
    ],
    [
      'hx of batch size 1, which is not broadcast',
      forward(zeros([5, 2, 3]), zeros([1, 1, 4])),
      new RangeError('Expected hidden size (1, 2, 4), got [1, 1, 4]'),
    ],
    [
      'hx of another hidden size',
      forward(zeros([5, 2, 3]), zeros([1, 2, 5])),
      new RangeError('Expected hidden size (1, 2, 4), got [1, 2, 5]'),
    ],
    [
      'hx for too few layers',
      forward(zeros([5, 2, 3]), zeros([2, 2, 4]), {}, { numLayers: 2, bidirectional: true }),
      new RangeError('Expected hidden size (4, 2, 4), got [2, 2, 4]'),
    ],
    [
      'hx with the batch first',
      forward(zeros([2, 5, 3]), zeros([2, 1, 4]), {}, { batchFirst: true }),
      new RangeError('Expected hidden size (1, 2, 4), got [2, 1, 4]'),
    ],
    [
      'unbatched hx of another size',
      forward(zeros([5, 3]), zeros([1, 7])),
      new RangeError('Expected hidden size (1, 1, 4), got [1, 1, 7]'),
    ],
    [
      'input of another dtype',
      forward(double([5, 2, 3])),
      new TypeError(
        "RNN input dtype (float64) does not match weight dtype (float32). Convert input to float32, or convert model: model.to('float64')",
      ),
    ],
    [
      'hx of another dtype',
      forward(zeros([5, 2, 3]), double([1, 2, 4])),
      new TypeError(
        "RNN hx dtype (float64) does not match weight dtype (float32). Convert hx to float32, or convert model: model.to('float64')",
      ),
    ],
    [
      'no time steps',
      forward(zeros([0, 2, 3])),
      new RangeError('Expected sequence length to be larger than 0 in RNN'),
    ],
    [
      'no time steps, batch first',
      forward(zeros([2, 0, 3]), null, {}, { batchFirst: true }),
      new RangeError('Expected sequence length to be larger than 0 in RNN'),
    ],
    [
      'input that is no tensor',
      forward([[1, 2, 3]]),
      new TypeError("RNN.forward(): argument 'input' must be Tensor, not Array"),
    ],
    [
      'indices',
      forward(tensor([[1, 2, 3]], { dtype: 'int32' })),
      new TypeError("RNN.forward(): argument 'input' must be Tensor, not IntTensor"),
    ],
    [
      'hx that is no tensor',
      forward(zeros([5, 2, 3]), 0),
      new TypeError("RNN.forward(): argument 'hx' must be Tensor, not 0"),
    ],
    [
      'unknown options',
      forward(zeros([5, 2, 3]), null, { length: [1, 2] }),
      new TypeError("RNN.forward() got an unexpected keyword argument 'length'"),
    ],
    [
      'too few lengths',
      forward(zeros([5, 2, 3]), null, { lengths: [5] }),
      new RangeError('Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)'),
    ],
    [
      'lengths of zero',
      forward(zeros([5, 2, 3]), null, { lengths: [5, 0] }),
      new RangeError(
        "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
      ),
    ],
    [
      'negative lengths',
      forward(zeros([5, 2, 3]), null, { lengths: Int32Array.of(-1, 5) }),
      new RangeError(
        "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
      ),
    ],
    [
      'lengths beyond the input',
      forward(zeros([5, 2, 3]), null, { lengths: [5, 6] }),
      new RangeError(
        "Expected every element of 'lengths' to be at most the sequence length 5, got 6",
      ),
    ],
    [
      'fractional lengths',
      forward(zeros([5, 2, 3]), null, { lengths: [5, 1.5] }),
      new TypeError("RNN(): argument 'lengths' must be an array of ints, but found 1.5 at pos 1"),
    ],
    [
      'lengths that are NaN',
      forward(zeros([5, 2, 3]), null, { lengths: [Number.NaN, 5] }),
      new TypeError("RNN(): argument 'lengths' must be an array of ints, but found NaN at pos 0"),
    ],
    [
      'lengths beyond 2^53',
      forward(zeros([5, 2, 3]), null, { lengths: [2 ** 54, 5] }),
      new RangeError(`RNN(): argument 'lengths' holds ${2 ** 54}, which is more than 2^53 - 1`),
    ],
    [
      'lengths of another kind',
      forward(zeros([5, 2, 3]), null, { lengths: Float32Array.of(5, 5) }),
      new TypeError(
        "'lengths' should be an array of ints, an Int32Array or an IntTensor, got: Float32Array",
      ),
    ],
    [
      'lengths in two dimensions',
      forward(zeros([5, 2, 3]), null, { lengths: tensor([[5, 5]], { dtype: 'int32' }) }),
      new RangeError("Expected 'lengths' to be 1D, got 2D tensor instead"),
    ],
    [
      'lengths without a batch',
      forward(zeros([5, 3]), null, { lengths: [5] }),
      new RangeError('lengths need a batch: expected input to be 3D, got 2D tensor instead'),
    ],
  ]
  it.each(cases)('%s', (_, call, expected) => {
    const before = getRngState()
    const error = errorOf(call)
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
    expect(getRngState()).toEqual(before)
  })

  it('a dropout that was changed to something else', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2 })
    rnn.dropout = 2
    expect(() => rnn.forward(zeros([5, 2, 3]))).toThrow(new RangeError(dropoutMessage))
  })

  it('a change of what cannot be changed', () => {
    const rnn = new nn.RNN(3, 4)
    expect(() => Object.assign(rnn, { hiddenSize: 5 })).toThrow(TypeError)
    expect(() => Object.assign(rnn, { batchFirst: true })).toThrow(TypeError)
  })

  it('a wrong receiver', () => {
    const call = (): unknown => nn.RNN.prototype.forward.call({} as nn.RNN, zeros([5, 2, 3]))
    expect(call).toThrow(TypeError)
    expect(() => new Proxy(new nn.RNN(3, 4), {}).forward(zeros([5, 2, 3]))).toThrow(TypeError)
  })

  it('weights whose memory has gone', () => {
    const rnn = new nn.RNN(3, 4)
    const { buffer } = rnn.weight_ih_l0.data
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    expect(() => rnn.forward(zeros([5, 2, 3]))).toThrow(RangeError)
  })
})

describe('the pullback of vjp refuses', () => {
  it('gradients that do not fit, and none at all', () => {
    const { pullback } = new nn.RNN(3, 4).vjp(zeros([5, 2, 3]))
    expect(() => pullback(null, null)).toThrow(RangeError)
    expect(() => pullback(zeros([5, 2, 5]), null)).toThrow(
      new RangeError('Mismatch in shape: gradOutput has a shape of [5, 2, 5], expected [5, 2, 4]'),
    )
    expect(() => pullback(null, zeros([1, 2, 4], { dtype: 'float64' }))).toThrow(TypeError)
    // @ts-expect-error: not a tensor
    expect(() => pullback(1, null)).toThrow(TypeError)
  })

  it('weights that have changed', () => {
    const rnn = new nn.RNN(3, 4)
    const { hN, pullback } = rnn.vjp(zeros([5, 2, 3]))
    rnn.resetParameters()
    expect(() => pullback(null, hN)).toThrow(/modified by an inplace operation/)
  })
})

describe('what an error leaves behind', () => {
  it('is a module that gives the same numbers as before', () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
    const input = randn([5, 2, 3])
    const state = getRngState()
    const expected = bits(rnn.forward(input)[0])
    setRngState(state)
    expect(() => rnn.forward(zeros([5, 2, 7]))).toThrow(RangeError)
    expect(() => rnn.forward(input, zeros([9, 9, 9]))).toThrow(RangeError)
    expect(bits(rnn.forward(input)[0])).toBe(expected)
  })
})
