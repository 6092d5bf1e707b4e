/** What nn.RNN refuses, with torch's wording; afterwards nothing has changed. */

import { getRngState, nn, randn, zeros } from '@elman/rnn'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bits, errorOf } from '../../helpers/numbers'

type Options = ConstructorParameters<typeof nn.RNN>[2]

const dropoutMessage =
  'dropout should be a number in range [0, 1] representing the probability of an element being zeroed'

/** A constructor whose arguments are not checked by the compiler. */
const make = (...args: unknown[]): nn.RNN => Reflect.construct(nn.RNN, args) as unknown as nn.RNN

describe('the constructor refuses', () => {
  const cases: [name: string, args: unknown[], expected: Error][] = [
    ['no layers', [3, 4, { numLayers: 0 }], new RangeError('num_layers must be greater than zero')],
    ['fewer', [3, 4, { numLayers: -2 }], new RangeError('num_layers must be greater than zero')],
    [
      'fractions of layers',
      [3, 4, { numLayers: 1.5 }],
      new TypeError('num_layers should be of type int, got: 1.5'),
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
  const cases: [name: string, call: () => unknown, expected: Error][] = [
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
})
