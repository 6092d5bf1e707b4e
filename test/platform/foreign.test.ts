/** Arguments of other realms, libraries and copies of the package: taken where that is safe, named in the error elsewhere. */

import { getEventListeners } from 'node:events'
import { createRequire } from 'node:module'
import { runInNewContext } from 'node:vm'
import * as esm from '@elman/rnn'
import {
  backendInfo,
  deserializeSafetensors,
  exportOnnx,
  nn,
  optim,
  saveCheckpoint,
  serializeSafetensors,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it, vi } from 'vitest'
import { newRealm, secondCopy } from '../helpers/copies'
import { expectSameBits, filled } from '../helpers/numbers'

/** A map of another implementation, as of a polyfill or of MobX. */
class OtherMap<V> {
  readonly #entries: [string, V][]

  constructor(entries: Iterable<[string, V]>) {
    this.#entries = [...entries]
  }

  get(wanted: string): V | undefined {
    return this.#entries.find(([name]) => name === wanted)?.[1]
  }

  has(wanted: string): boolean {
    return this.#entries.some(([name]) => name === wanted)
  }

  entries(): Iterator<[string, V]> {
    return this.#entries.values()
  }
}

describe('a state dict may be', () => {
  const source = new nn.Linear(2, 3)
  const OfAnotherRealm = runInNewContext('Map') as MapConstructor
  it.each<[string, unknown]>([
    ['a Map of another realm', new OfAnotherRealm(source.stateDict())],
    ['a map of another implementation', new OtherMap(source.stateDict())],
  ])('%s', (_, map) => {
    const state = map as ReturnType<typeof source.stateDict>
    const loaded = new nn.Linear(2, 3)
    expect(loaded.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] })
    expectSameBits(loaded.weight, source.weight)
    const bytes = serializeSafetensors(state)
    expect([...deserializeSafetensors(bytes).keys()].sort()).toEqual(['bias', 'weight'])
  })

  it('that of an optimizer, whose Map is of another realm', () => {
    const model = new nn.Linear(2, 3)
    model
      .forward(zeros([1, 2]))
      .sum()
      .backward()
    const optimizer = new optim.Adam(model.parameters())
    optimizer.step()
    const { state, paramGroups } = optimizer.stateDict()
    optimizer.loadStateDict({ state: new OfAnotherRealm(state), paramGroups })
    expect(optimizer.stateDict().state.get(0)?.step).toBe(1)
    const wrong = { state: {}, paramGroups } as unknown as ReturnType<typeof optimizer.stateDict>
    expect(() => optimizer.loadStateDict(wrong)).toThrow(/Map as state .* got Object and Array$/)
  })

  it('nothing else', () => {
    for (const [wrong, got] of [
      [Object.fromEntries(source.stateDict()), 'Object'],
      [new Proxy(source.stateDict(), {}), 'Map behind a Proxy'],
      [[...source.stateDict()], 'Array'],
      [new Set(), 'Set'],
      [Object.create({ constructor: { name: 'Map' } }), 'Map of another package'],
    ] as const) {
      const state = wrong as unknown as ReturnType<typeof source.stateDict>
      expect(() => new nn.Linear(2, 3).loadStateDict(state)).toThrow(
        new TypeError(`Expected state_dict to be a Map, got ${got}.`),
      )
      expect(() => serializeSafetensors(state)).toThrow(`tensors by name, got: ${got}`)
    }
  })
})

describe('a signal may be of another realm or implementation', () => {
  /** What `AbortSignal` was before it had reasons, as in the package abort-controller. */
  class OldSignal extends EventTarget {
    aborted = false

    abort(): void {
      this.aborted = true
      this.dispatchEvent(new Event('abort'))
    }
  }
  const asSignal = (value: unknown): AbortSignal => value as AbortSignal
  const rnn = new nn.RNN(3, 4)
  const input = filled([5, 2, 3], 1)

  it('that does not abort', async () => {
    const signal = asSignal(new OldSignal())
    const [output] = await rnn.forwardAsync(input, null, { signal })
    expectSameBits(output, rnn.forward(input)[0])
    await output.sum().backwardAsync(null, { signal })
  })

  it('that aborts, before and during the call', async () => {
    const long = new nn.RNN(8, 256)
    const signal = new OldSignal()
    const call = long.forwardAsync(zeros([40_000, 1, 8]), null, { signal: asSignal(signal) })
    setImmediate(() => signal.abort())
    await expect(call).rejects.toMatchObject({ name: 'AbortError' })
    const again = rnn.forwardAsync(input, null, { signal: asSignal(signal) })
    await expect(again).rejects.toBeInstanceOf(DOMException)
  })

  it('but no other object', async () => {
    for (const [wrong, got] of [
      [new (class AbortSignal {})(), 'AbortSignal of another package'],
      [new AbortController(), 'AbortController'],
    ] as const) {
      await expect(rnn.forwardAsync(input, null, { signal: asSignal(wrong) })).rejects.toThrow(
        new TypeError(`RNN.forwardAsync(): argument 'signal' must be AbortSignal, not ${got}`),
      )
    }
  })
})

describe('one signal for many calls', () => {
  const rnn = new nn.RNN(3, 4)
  const input = filled([5, 2, 3], 1)

  it('has one listener, and none when they have ended', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const controller = new AbortController()
    const { signal } = controller
    const calls = Array.from({ length: 30 }, () => rnn.forwardAsync(input, null, { signal }))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await Promise.race(calls)
    await new Promise((resolve) => setTimeout(resolve))
    const results = await Promise.all(calls)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    for (const [output] of results) expectSameBits(output, rnn.forward(input)[0])
    // And again, by the same signal.
    const more = [1, 2].map(() => rnn.forwardAsync(input, null, { signal }))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await Promise.all(more)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(warn).not.toHaveBeenCalled()
    warn.mockRestore()
  })

  it('ends those that wait and those that run, and no others', async () => {
    const long = new nn.RNN(8, 256)
    const controller = new AbortController()
    const { signal } = controller
    const much = zeros([40_000, 1, 8])
    const calls = [
      ...Array.from({ length: 2 }, () => long.forwardAsync(much, null, { signal })),
      ...Array.from({ length: 20 }, () => rnn.forwardAsync(input, null, { signal })),
    ]
    const other = rnn.forwardAsync(input)
    const ended = Promise.allSettled(calls)
    setImmediate(() => controller.abort('enough'))
    for (const result of await ended) {
      expect(result).toEqual({ status: 'rejected', reason: 'enough' })
    }
    expectSameBits((await other)[0], rnn.forward(input)[0])
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('objects that are not of this copy of the package', () => {
  const rnn = new nn.RNN(3, 4)
  const sgd = (parameters: Iterable<Tensor>) => new optim.SGD(parameters, { lr: 1 })

  /** What refuses a tensor, a class index, a module and an optimizer; `…` stands for the object. */
  const refusals = (of: typeof elsewhere, as: <T extends object>(value: T) => T) => {
    const x = of.zeros([2, 1, 3], { requiresGrad: true })
    const model = new of.nn.RNN(3, 4)
    const packed = of.nn.utils.rnn.packSequence([of.zeros([2, 3])])
    const optimizer = new of.optim.SGD([x], { lr: 1 })
    return [
      ['Tensor', "RNN.forward(): argument 'input' must be Tensor, not …", () => rnn.forward(as(x))],
      ['Tensor', "add(): argument 'other' must be Tensor, not …", () => zeros([1]).add(as(x))],
      [
        'Tensor',
        'optimizer can only optimize Tensors, but one of the params is …',
        () => sgd([as(x)]),
      ],
      [
        'Tensor',
        'metrics should be a number or a Tensor, got: …',
        () => new optim.lrScheduler.ReduceLROnPlateau(sgd(rnn.parameters())).step(as(x)),
      ],
      [
        'IntTensor',
        "Expected tensor for argument 'indices' to be an IntTensor (dtype int32), but got …",
        () => new nn.Embedding(2, 2).forward(as(of.tensor([1], { dtype: 'int32' }))),
      ],
      [
        'PackedSequence',
        "padPackedSequence(): argument 'sequence' must be PackedSequence, not …",
        () => nn.utils.rnn.padPackedSequence(as(packed)),
      ],
      [
        'RNN',
        "exportOnnx(): argument 'rnn' must be nn.RNN, nn.LSTM or nn.GRU, not …",
        () => exportOnnx(as(model)),
      ],
      ['SGD', '… is not an Optimizer', () => new optim.lrScheduler.StepLR(as(optimizer), 2)],
      [
        'SGD',
        'optimizer should be one of optim, got: …',
        () => saveCheckpoint({ model: rnn, optimizer: as(optimizer) }, '/none'),
      ],
      [
        'StepLR',
        'scheduler should be one of optim.lrScheduler, got: …',
        () =>
          saveCheckpoint(
            { model: rnn, scheduler: as(new of.optim.lrScheduler.StepLR(optimizer, 2)) },
            '/none',
          ),
      ],
    ] as const
  }
  const itself = <T>(value: T): T => value
  const elsewhere = secondCopy('/somewhere/else/dist')
  const here = createRequire(import.meta.url)
    .resolve('@elman/rnn')
    .replace('index.js', 'bundle.js')
  const { version } = backendInfo()

  it.each([
    [
      'a copy at another path',
      elsewhere,
      `${version} at /somewhere/else/dist/bundle.js; this one is ${version} at ${here}`,
    ],
    ['a second copy from the same path', secondCopy(), `loaded again from ${here}`],
    ['a copy in another realm', newRealm().api, `loaded again from ${here}`],
  ] as const)('say so: %s', (_, copy, which) => {
    for (const [name, text, fn] of refusals(copy, itself)) {
      const got = `${name} of another copy of @elman/rnn (${which})`
      expect(fn).toThrow(new TypeError(text.replace('…', got)))
    }
    expect(() => saveCheckpoint({ model: new copy.nn.RNN(3, 4) }, '/none')).toThrow(
      /^model should be an nn.Module, got: RNN of another copy of @elman\/rnn \(/,
    )
  })

  it('say so: a proxy', () => {
    const proxied = <T extends object>(value: T): T => new Proxy(value, {})
    for (const [name, text, fn] of refusals(esm, proxied)) {
      expect(fn).toThrow(new TypeError(text.replace('…', `${name} behind a Proxy`)))
    }
    const x = zeros([2, 1, 3])
    const text = / was called on (RNN|LSTMCell) behind a Proxy, which lacks its private fields/
    expect(() => proxied(rnn).forward(x)).toThrow(text)
    expect(() => proxied(rnn).vjp(x)).toThrow(text)
    expect(() => proxied(rnn).stream()).toThrow(text)
    expect(() => proxied(new nn.LSTMCell(3, 4)).forward(zeros([1, 3]))).toThrow(text)
    return expect(proxied(rnn).forwardAsync(x)).rejects.toThrow(text)
  })

  it('say so: a class of that name in another package', () => {
    class Tensor {}
    const given = new Tensor() as unknown as esm.Tensor
    expect(() => rnn.forward(given)).toThrow(/must be Tensor, not Tensor of another package$/)
    // Names that no message expects are enough.
    expect(() => rnn.forward(new (class Other {})() as never)).toThrow(/not Other$/)
    expect(() => rnn.forward(tensor([1], { dtype: 'int32' }) as never)).toThrow(/not IntTensor$/)
  })

  it('a model behind a proxy works where only its fields are needed', () => {
    class Model extends nn.Module {
      rnn = rnn
      forward(x: Tensor): Tensor {
        return this.rnn.forward(x)[0]
      }
    }
    const model = new Proxy(new Model(), {})
    expectSameBits(model.forward(zeros([2, 1, 3])), rnn.forward(zeros([2, 1, 3]))[0])
    expect(model.parameters()).toHaveLength(4)
  })

  it('a model whose tensors are behind proxies too has its parameters', () => {
    const deep = <T extends object>(value: T): T =>
      new Proxy(value, {
        get: (target, name) => {
          const found: unknown = Reflect.get(target, name)
          return found instanceof esm.Tensor || found instanceof nn.Module ? deep(found) : found
        },
      })
    const linear = new nn.Linear(2, 3)
    const found = deep(linear).parameters()
    expect(found).toHaveLength(2)
    expect(found[0]).toBe(linear.weight)

    const holder = Object.assign(new nn.Module(), { weight: new Proxy(linear.weight, {}) })
    expect(() => holder.parameters()).toThrow(/Tensor behind a Proxy/)
    expect(() => saveCheckpoint({ model: holder }, '/none')).toThrow(/Tensor behind a Proxy/)
  })
})
