/** The errors of every recurrent module and cell, with torch's messages; nothing changes on an error. */

import { type DType, getRngState, setRngState, type Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../../../helpers/numbers'
import {
  type AnyKind,
  type AnyModule,
  all,
  bitsOf,
  type Kind,
  type Options,
  type Sizes,
  small,
} from './description'

type Refusal = [what: string, call: () => unknown, expected: Error]

/** Runs a call that must fail in this way, and must draw no random numbers. */
function expectRefusal(call: () => unknown, expected: Error): void {
  const before = getRngState()
  const error = errorOf(call)
  expect((error as Error).message).toBe(expected.message)
  expect(error).toBeInstanceOf(expected.constructor)
  expect(getRngState()).toEqual(before)
}

function constructorContract<Hx, M extends AnyModule>(kind: AnyKind<Hx, M>): void {
  const { name, construct, choices } = kind.description
  const make = (...args: unknown[]) => {
    const [inputSize, hiddenSize, options] = args
    return () => construct(inputSize, hiddenSize, options)
  }
  const int = (what: string, got: string) =>
    new TypeError(`${what} should be of type int, got: ${got}`)
  const cases: Refusal[] = [
    ['sizes of zero', make(0, 4), new RangeError('input_size must be greater than zero')],
    ['negative sizes', make(-1, 4), new RangeError('input_size must be greater than zero')],
    ['hidden sizes of zero', make(3, 0), new RangeError('hidden_size must be greater than zero')],
    ['negative ones', make(3, -4), new RangeError('hidden_size must be greater than zero')],
    ['fractions', make(1.5, 4), int('input_size', '1.5')],
    ['NaN', make(Number.NaN, 4), int('input_size', 'NaN')],
    ['infinity', make(3, Number.POSITIVE_INFINITY), int('hidden_size', 'Infinity')],
    ['strings', make('3', 4), int('input_size', "'3'")],
    ['missing sizes', make(3), int('hidden_size', 'undefined')],
    ['null', make(3, null), int('hidden_size', 'null')],
    ['bigints', make(3n, 4), int('input_size', '3n')],
    [
      'sizes beyond 2^53',
      make(2 ** 54, 4),
      new RangeError(`input_size should be at most 2^53 - 1 in size, got: ${2 ** 54}`),
    ],
    [
      'a bias that is no boolean',
      make(3, 4, { bias: 1 }),
      new TypeError('bias should be of type bool, got: 1'),
    ],
    [
      'a batchFirst that is no boolean, and of a cell any',
      make(3, 4, { batchFirst: 'yes' }),
      new TypeError(
        kind.overTime
          ? "batch_first should be of type bool, got: 'yes'"
          : `${name}() got an unexpected keyword argument 'batchFirst'`,
      ),
    ],
    [
      'unknown options',
      make(3, 4, { hiddenLayers: 2 }),
      new TypeError(`${name}() got an unexpected keyword argument 'hiddenLayers'`),
    ],
    [
      'options that are no object',
      make(3, 4, 2),
      new TypeError(`${name}() expected an object of options, got: 2`),
    ],
    [
      'other dtypes',
      make(3, 4, { dtype: 'int32' }),
      new TypeError("dtype should be 'float32' or 'float64', got: 'int32'"),
    ],
  ]
  it.each(cases)('%s', (_, call, expected) => {
    expectRefusal(call, expected)
  })

  it('values of choices that there are not', () => {
    for (const choice of Object.keys(choices)) {
      for (const value of ['other', 3]) {
        expect(make(3, 4, { [choice]: value })).toThrow(RangeError)
        expect(make(3, 4, { [choice]: value })).toThrow(/^Unknown \w+ '\w+'\. Select from /)
      }
    }
  })

  it('sizes that no memory holds', () => {
    expect(make(2 ** 40, 2 ** 40)).toThrow(RangeError)
  })
}

/** Makes calls whose input, states and options differ from those of a module. */
function callsOf<Hx, M extends AnyModule>(kind: AnyKind<Hx, M>) {
  return (
    sizes: Partial<Sizes>,
    given: { input?: unknown; hx?: unknown; call?: object; config?: Options; dtype?: 'float64' },
  ): (() => unknown) => {
    const { config = {}, call, hx, dtype = 'float32' } = given
    const module = kind.make(3, 4, config)
    const inputs: unknown[] = kind.inputs({ ...small, ...sizes }, { ...config, dtype })
    if ('input' in given) inputs[0] = given.input
    return () => Reflect.apply(module.forward, module, kind.arguments(inputs, hx, call))
  }
}

function callContract<Hx, M extends AnyModule>(kind: AnyKind<Hx, M>): void {
  const { name, state, wrongSize, wrongRank } = kind.description
  const forward = callsOf(kind)
  const double = { dtype: 'float64' } as const
  const states = (sizes: Partial<Sizes>, options: Options = {}): readonly Tensor<DType>[] =>
    kind.states({ ...small, ...sizes }, options)
  const hx = (sizes: Partial<Sizes>, options?: Options) => kind.hx(states(sizes, options))
  const sized = (got: Partial<Sizes>) =>
    new RangeError(wrongSize(states({})[0].shape, states(got)[0].shape))
  const [low, high] = kind.overTime ? [1, 4] : [0, 3]
  const rank = (dimensions: number) => new RangeError(kind.wrongInputRank(dimensions))
  const features = new RangeError(kind.wrongFeatures(3, 7))
  const dtype = (what: string) =>
    new TypeError(
      `${name} ${what} dtype (float64) does not match weight dtype (float32). Convert ${what} to float32, or convert model: model.to('float64')`,
    )

  const cases: Refusal[] = [
    [`${high}-D input`, forward({}, { input: zeros([1, 2, 2, 3].slice(-high)) }), rank(high)],
    [`${low}-D input`, forward({}, { input: zeros([3].slice(0, low)) }), rank(low)],
    ['another feature size', forward({ inputSize: 7 }, {}), features],
    ['another feature size, unbatched', forward({ inputSize: 7, batch: null }, {}), features],
    [
      'a batched state without a batch',
      forward({ batch: null }, { hx: hx({}) }),
      new RangeError(wrongRank(false, states({})[0].shape.length)),
    ],
    [
      'a state without a batch',
      forward({}, { hx: hx({ batch: null }) }),
      new RangeError(wrongRank(true, states({ batch: null })[0].shape.length)),
    ],
    ['a state of another batch size', forward({}, { hx: hx({ batch: 7 }) }), sized({ batch: 7 })],
    [
      'a state of batch size 1, which is not broadcast',
      forward({}, { hx: hx({ batch: 1 }) }),
      sized({ batch: 1 }),
    ],
    [
      'a state of another size',
      forward({}, { hx: hx({ hiddenSize: 25 }) }),
      sized({ hiddenSize: 25 }),
    ],
    ['input of another dtype', forward({}, double), dtype('input')],
    ['a state of another dtype', forward({}, { hx: hx({}, double) }), dtype(state)],
    [
      'input that is no tensor',
      forward({}, { input: [[1, 2, 3]] }),
      new TypeError(`${name}.forward(): argument 'input' must be Tensor, not Array`),
    ],
    [
      'indices',
      forward({}, { input: tensor([[1, 2, 3]], { dtype: 'int32' }) }),
      new TypeError(`${name}.forward(): argument 'input' must be Tensor, not IntTensor`),
    ],
  ]
  it.each(cases)('%s', (_, call, expected) => {
    expectRefusal(call, expected)
  })

  it.runIf(kind.description.stateSizes(1).length === 1)('a state that is no tensor', () => {
    const message = `${name}.forward(): argument '${state}' must be Tensor, not 0`
    expectRefusal(forward({}, { hx: 0 }), new TypeError(message))
  })

  it('a wrong receiver', () => {
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    for (const method of kind.overTime ? ['forward', 'vjp', 'stream'] : ['forward']) {
      for (const wrong of [{}, Object.create(kind.description.prototype), new Proxy(module, {})]) {
        expect(() =>
          Reflect.apply(Reflect.get<object, string>(module, method), wrong, [inputs[0]]),
        ).toThrow(TypeError)
      }
    }
  })

  it('parameters of another shape or kind, and whose memory has gone', () => {
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    const [[parameter, value]] = module.namedParameters()
    Object.assign(module, { [parameter]: zeros([3, 5]) })
    expect(() => kind.forward(module, inputs)).toThrow(
      `Expected ${parameter} to have shape [${value.shape.join(', ')}], got [3, 5]`,
    )
    Object.assign(module, { [parameter]: 3 })
    expect(() => kind.forward(module, inputs)).toThrow(TypeError)
    Object.assign(module, { [parameter]: value })
    const { buffer } = value.data
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    expect(() => kind.forward(module, inputs)).toThrow(RangeError)
  })

  it('and leaves a module that gives the same numbers as before', () => {
    const module = kind.make(3, 4, kind.deep(2, { dropout: 0.5 }))
    const inputs = kind.inputs(small)
    const before = getRngState()
    const expected = bitsOf(all(kind.forward(module, inputs)))
    setRngState(before)
    expect(() => kind.forward(module, inputs, states({ batch: 9 }))).toThrow(RangeError)
    const wide = kind.inputs({ ...small, inputSize: 7 })
    expect(() => kind.forward(module, wide)).toThrow(RangeError)
    expect(bitsOf(all(kind.forward(module, inputs)))).toEqual(expected)
  })
}

/** What only modules over time refuse. */
function overTimeContract<Hx>(kind: Kind<Hx>): void {
  const { name, wrongSize } = kind.description
  const forward = callsOf(kind)
  const noSteps = new RangeError('Expected sequence length to be larger than 0 in RNN')
  const tooShort = new RangeError(
    "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
  )
  const lengths = (value: unknown) => forward({}, { call: { lengths: value } })

  const cases: Refusal[] = [
    ['no time steps', forward({ steps: 0 }, {}), noSteps],
    [
      'no time steps, batch first',
      forward({ steps: 0 }, { config: { batchFirst: true } }),
      noSteps,
    ],
    [
      'unknown options',
      forward({}, { call: { length: [1, 2] } }),
      new TypeError(
        `${name}.forward() got an unexpected keyword argument 'length'; did you mean \`lengths\`?`,
      ),
    ],
    [
      'too few lengths',
      lengths([5]),
      new RangeError('Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)'),
    ],
    ['lengths of zero', lengths([5, 0]), tooShort],
    ['negative lengths', lengths(Int32Array.of(-1, 5)), tooShort],
    [
      'lengths beyond the input',
      lengths([5, 6]),
      new RangeError(
        "Expected every element of 'lengths' to be at most the sequence length 5, got 6",
      ),
    ],
    [
      'fractional lengths',
      lengths([5, 1.5]),
      new TypeError(
        `${name}(): argument 'lengths' must be an array of ints, but found 1.5 at pos 1`,
      ),
    ],
    [
      'lengths that are NaN',
      lengths([Number.NaN, 5]),
      new TypeError(
        `${name}(): argument 'lengths' must be an array of ints, but found NaN at pos 0`,
      ),
    ],
    [
      'lengths beyond 2^53',
      lengths([2 ** 54, 5]),
      new RangeError(`${name}(): argument 'lengths' holds ${2 ** 54}, which is more than 2^53 - 1`),
    ],
    [
      'lengths of another kind',
      lengths(Float32Array.of(5, 5)),
      new TypeError(
        "'lengths' should be an array of ints, an Int32Array or an IntTensor, got: Float32Array",
      ),
    ],
    [
      'lengths in two dimensions',
      lengths(tensor([[5, 5]], { dtype: 'int32' })),
      new RangeError("Expected 'lengths' to be 1D, got 2D tensor instead"),
    ],
    [
      'lengths without a batch',
      forward({ batch: null }, { call: { lengths: [5] } }),
      new RangeError('lengths need a batch: expected input to be 3D, got 2D tensor instead'),
    ],
  ]
  it.each(cases)('%s', (_, call, expected) => {
    expectRefusal(call, expected)
  })

  it.runIf(kind.stacked)('states for too few layers', () => {
    const options = { numLayers: 2, bidirectional: true }
    const [few, all] = [kind.states(small), kind.states(small, options)]
    const expected = new RangeError(wrongSize(all[0].shape, few[0].shape))
    expectRefusal(forward({}, { hx: kind.hx(few), config: options }), expected)
  })

  it('further inputs that do not lie as the input does', () => {
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    for (const [place, extra] of kind.extras.entries()) {
      const wrong = inputs.with(place + 1, inputs[place + 1].transpose(0, 1))
      expect(() => kind.forward(module, wrong)).toThrow(`Expected ${extra} size`)
    }
  })
}

/** The errors that modules and cells share. */
export function describeRefusals<Hx, M extends AnyModule>(kind: AnyKind<Hx, M>): void {
  describe('the constructor refuses', () => constructorContract(kind))
  describe('forward refuses', () => callContract(kind))
}

export function describeErrors<Hx>(kind: Kind<Hx>): void {
  describeRefusals(kind)
  describe('forward over time refuses', () => overTimeContract(kind))
}
