/** Panics and integers: any invalid argument leads to a JavaScript error, and nothing changes. */

import {
  cat,
  getNumThreads,
  getRngState,
  nn,
  ones,
  rand,
  randn,
  setNumThreads,
  stack,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { addon, bytesOf, calls } from '../helpers/addon'
import { runFile } from '../helpers/child'
import { errorOf } from '../helpers/numbers'
import { elmanCore, inOrder, slots } from '../helpers/recurrent-calls'

describe('a panic of Rust never reaches C:', () => {
  it('the table of calls has every export', () => {
    const names = Object.entries(addon).flatMap(([name, value]) => {
      if (typeof value !== 'function') return []
      const { constructor: _, ...methods } = Object.getOwnPropertyDescriptors(value.prototype ?? {})
      const factories = Object.getOwnPropertyNames(value).flatMap((method) =>
        ['length', 'name', 'arguments', 'caller', 'prototype'].includes(method)
          ? []
          : `${name}.${method}`,
      )
      return [name, ...factories, ...Object.keys(methods).map((method) => `${name}#${method}`)]
    })
    // Of arguments.
    const functions = [
      'Generator',
      'Sequences',
      'Task',
      'backendInfo',
      'getNumThreads',
      'getFlushDenormal',
    ]
    const without = [...functions, 'recurrentSlots']
    const methods = ['Generator#getState', 'Generator#seed53']
    for (const name of ['parameters', 'stateSizes', 'outputSize', 'onnxOperator']) {
      methods.push(`RecurrentCore#${name}`)
    }
    for (const name of ['begin', 'end', 'start', 'cancel', 'finish', 'release']) {
      methods.push(`Task#${name}`)
    }
    expect(new Set([...calls.map(({ name }) => name), ...without, ...methods])).toEqual(
      new Set(names),
    )
  })

  it.each(calls.map((call) => [call.name, call] as const))('%s is valid', (_, { args, run }) => {
    expect(() => run(args())).not.toThrow()
  })

  it.each([1, 2, 3])('calls with wrong arguments throw errors (seed %i)', (seed) => {
    const { status, stderr, stdout } = runFile('test/helpers/addon-fuzz.ts', [`${seed}`, '30000'])
    expect([status, stderr]).toEqual([0, ''])
    const { failed, passed } = JSON.parse(stdout)
    expect(failed).toBeGreaterThan(10_000)
    expect(passed).toBeGreaterThan(500)
  })
})

describe('integers arrive in the addon as doubles', () => {
  const withSizes = calls.filter(({ sizes }) => sizes.length > 0)
  const withIntegers = calls.filter(({ integers }) => integers.length > 0)
  /** Puts values at places, and expects an error that leaves all arrays as they were. */
  const refuse = (
    { args, run }: (typeof calls)[number],
    places: readonly number[],
    values: readonly unknown[],
    kind: new (...args: never[]) => Error,
  ): void => {
    for (const place of places) {
      for (const value of values) {
        const given = args()
        const before = bytesOf(given)
        const what = `${String(value)} as argument ${place}`
        expect(
          errorOf(() => run(given.with(place, value))),
          what,
        ).toBeInstanceOf(kind)
        expect(bytesOf(given), what).toEqual(before)
      }
    }
  }
  const fractions = [1.9, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -(2 ** 53)]
  const others = ['3', null, undefined, 3n, true, {}, [3]]

  it.each(withSizes.map((call) => [call.name, call] as const))('sizes of %s', (_, call) => {
    refuse(call, call.sizes, [...fractions, -1, -(2 ** 40)], RangeError)
    refuse(call, call.sizes, others, Error)
  })

  it.each(withIntegers.map((call) => [call.name, call] as const))('integers of %s', (_, call) => {
    refuse(call, call.integers, fractions, RangeError)
    refuse(call, call.integers, others, Error)
  })

  it('steps between checkpoints, of which 0 is none', () => {
    const core = elmanCore({ inputSize: 2, hiddenSize: 3, numLayers: 2, bias: false })
    const sequences = addon.Sequences.padded(7, 1, false)
    for (const value of [...fractions, 0, -1, -(2 ** 40)]) {
      const call = (): number => core.savedLength(sequences, null, false, value)
      expect(call, String(value)).toThrow(RangeError)
    }
    expect(core.savedLength(sequences, null, false, 2)).toBe(9)
    expect(core.savedLength(sequences, null, false, 2 ** 32 + 2)).toBe(0)
    expect(core.savedLength(sequences, null, false, null)).toBe(21)
  })

  it.each(['inputSize', 'hiddenSize', 'numLayers'])('%s of a recurrent core', (name) => {
    for (const value of [...fractions, 0, -1, -(2 ** 40)]) {
      expect(() => elmanCore({ [name]: value }), String(value)).toThrow(RangeError)
    }
    for (const value of others) {
      const config = { [name]: value } as Record<string, number>
      expect(() => elmanCore(config), String(value)).toThrow(Error)
    }
  })

  it('more layers than there is memory for the names of their parameters', () => {
    for (const numLayers of [2 ** 16 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const make = (): unknown => elmanCore({ numLayers })
      expect(make).toThrow(RangeError)
      expect(make).toThrow(`numLayers must be at most 65536, got ${numLayers}`)
    }
  })

  const passes = ['RecurrentCore#forward', 'RecurrentCore#backward']
  const recurrent = calls.filter(({ name }) => passes.includes(name))
  it.each(recurrent.map((call) => [call.name, call] as const))('arguments of %s', (_, call) => {
    const { args, run } = call
    const given = args()
    const before = bytesOf(given)
    const more = new Float32Array(1)
    for (const wrong of [[], given.slice(0, 3), given.slice(0, -1), [...given, more]]) {
      expect(() => run(wrong)).toThrow(Error)
    }
    for (let place = slots.forward.indexOf('lengths'); place < given.length; place += 1) {
      for (const wrong of [3, {}, 'list', [more, more]]) {
        expect(() => run(given.with(place, wrong))).toThrow(Error)
      }
    }
    expect(bytesOf(given)).toEqual(before)
  })

  it('2^32 + 5 is not 5', () => {
    const legal = ['Sequences.padded', 'RecurrentCore#streamLength', 'adamStep']
    for (const call of withSizes) {
      if (!legal.includes(call.name)) refuse(call, call.sizes, [2 ** 32 + 5], RangeError)
    }
    const core = elmanCore({ inputSize: 2, hiddenSize: 3, bias: false })
    const sequences = addon.Sequences.padded(2 ** 32 + 5, 1, false)
    const run = (): void => {
      const parameters = [new Float32Array(6), new Float32Array(9)]
      const [input, output, final_states] = [10, 15, 3].map((length) => new Float32Array(length))
      const numbers = { sequences, dropout: 0, seed: 0, checkpoint_every: 0 }
      const named = { ...numbers, input, parameters, output, final_states }
      Reflect.apply(core.forward(), undefined, inOrder(slots.forward, named))
    }
    expect(run).toThrow(`${2 * (2 ** 32 + 5)} elements, got 10`)
  })
})

describe('integers of the public interface', () => {
  type Places = [name: string, call: (n: number) => unknown][]
  const long = 2 ** 20
  const rnn = new nn.RNN(1, 1)
  const table = new nn.Embedding(4, 2)
  const words = tensor([0, 1], { dtype: 'int32' })
  const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence } = nn.utils.rnn
  const wide = packSequence([ones([2, long])])
  /** Sets fields that the compiler would not let be set. */
  const changed = <T extends nn.Module>(module: T, fields: object): T => {
    Object.assign(module, fields)
    return module
  }
  const sizes: Places = [
    ['inputSize of RNN', (n) => new nn.RNN(n, long)],
    ['hiddenSize of RNN', (n) => new nn.RNN(long, n)],
    ['numLayers of RNN', (n) => new nn.RNN(2, 3, { numLayers: n })],
    ['inputSize of LSTM', (n) => new nn.LSTM(n, long)],
    ['hiddenSize of LSTM', (n) => new nn.LSTM(long, n)],
    ['projSize of LSTM', (n) => new nn.LSTM(2, long, { projSize: n })],
    ['inputSize of GRU', (n) => new nn.GRU(n, long)],
    ['hiddenSize of GRU', (n) => new nn.GRU(long, n)],
    ['inputSize of LSTMCell', (n) => new nn.LSTMCell(n, long)],
    ['hiddenSize of GRUCell', (n) => new nn.GRUCell(long, n)],
    ['inputSize of JordanRNN', (n) => new nn.JordanRNN(n, long, 1)],
    ['hiddenSize of JordanRNN', (n) => new nn.JordanRNN(long, n, 1)],
    ['outputSize of JordanRNN', (n) => new nn.JordanRNN(1, long, n)],
    ['inFeatures of Linear', (n) => new nn.Linear(n, long)],
    ['outFeatures of Linear', (n) => new nn.Linear(long, n)],
    ['numEmbeddings of Embedding', (n) => new nn.Embedding(n, long)],
    ['embeddingDim of Embedding', (n) => new nn.Embedding(long, n)],
    ['shape of zeros', (n) => zeros([n, long])],
    ['shape of ones', (n) => ones([long, n])],
    ['shape of rand', (n) => rand([n, long])],
    ['shape of randn', (n) => randn([long, n])],
    ['shape of tensor', (n) => tensor(new Float32Array(6), { shape: [n, 2] })],
    ['length of narrow', (n) => zeros([2, 3]).narrow(1, 0, n)],
    ['inputSize of RNNCell', (n) => new nn.RNNCell(n, long)],
    ['hiddenSize of RNNCell', (n) => new nn.RNNCell(long, n)],
    ['lengths of RNN', (n) => rnn.forward(zeros([3, 1, 1]), null, { lengths: [n] })],
    ['lengths of a pack', (n) => packPaddedSequence(zeros([3, 1]), [n])],
    ['batch sizes of a pack', (n) => new PackedSequence(zeros([5]), [n])],
    ['indices of a pack', (n) => new PackedSequence(zeros([5]), [1, 1, 1, 1, 1], [n])],
    ['unsorted indices of a pack', (n) => new PackedSequence(zeros([1]), [1], [0], [n])],
    ['threads', (n) => setNumThreads(n)],
  ]
  /** Those that count from the end if negative, or are told apart otherwise. */
  const signed: Places = [
    ['paddingIdx of Embedding', (n) => new nn.Embedding(4, 2, { paddingIdx: n })],
    ['paddingIdx that was changed', (n) => changed(table, { paddingIdx: n }).forward(words)],
    ['totalLength', (n) => padPackedSequence(wide, { totalLength: n })],
    ['shape of reshape', (n) => zeros([6]).reshape([n, 2])],
    ['dim of transpose', (n) => zeros([2, 3]).transpose(0, n)],
    ['dim of select', (n) => zeros([2, 3]).select(n, 0)],
    ['index of select', (n) => zeros([2, 3]).select(1, n)],
    ['dim of narrow', (n) => zeros([2, 3]).narrow(n, 0, 0)],
    ['start of narrow', (n) => zeros([2, 3]).narrow(1, n, 0)],
    ['dim of cat', (n) => cat([zeros([2])], n)],
    ['dim of stack', (n) => stack([zeros([2])], n)],
  ]
  const cases = [
    ...sizes.map((place) => [...place, -1] as const),
    ...signed.map((place) => [...place, -9] as const),
  ]

  it.each(cases)('%s', (name, call, negative) => {
    const before = [getRngState(), getNumThreads()]
    for (const n of [negative, 2 ** 32 + 5, 2 ** 60]) {
      expect(
        errorOf(() => call(n)),
        String(n),
      ).toBeInstanceOf(RangeError)
    }
    const optional = [
      'numLayers of RNN',
      'projSize of LSTM',
      'paddingIdx of Embedding',
      'paddingIdx that was changed',
      'totalLength',
    ]
    const none = optional.includes(name) ? [] : [null]
    for (const value of [
      1.9,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      '3',
      {},
      [3],
      true,
      3n,
      ...none,
    ]) {
      expect(
        errorOf(() => call(value as number)),
        String(value),
      ).toBeInstanceOf(TypeError)
    }
    expect([getRngState(), getNumThreads()]).toEqual(before)
  })

  it('the options of a loss, changed to what they cannot be', () => {
    const loss = (options: object): unknown =>
      changed(new nn.CrossEntropyLoss(), options).forward(zeros([2, 3]), words)
    for (const ignoreIndex of [1.9, Number.NaN, '3', null]) {
      expect(() => loss({ ignoreIndex })).toThrow(TypeError)
    }
    expect(() => loss({ ignoreIndex: 2 ** 53 })).toThrow(RangeError)
    expect(() => loss({ reduction: 'avg' })).toThrow(RangeError)
    expect(() => loss({ reduction: 1 })).toThrow(TypeError)
    const squares = changed(new nn.MSELoss(), { reduction: null })
    expect(() => squares.forward(zeros([2]), zeros([2]))).toThrow(TypeError)
  })
})
