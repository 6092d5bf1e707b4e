/** Calls off the event loop: same numbers, snapshots of arguments, order, cancellation, and a consistent tape. */

import { getEventListeners } from 'node:events'
import {
  cat,
  type DType,
  getNumThreads,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  setNumThreads,
  stack,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { bits, errorOf, expectSameBits, filled } from '../helpers/numbers'

const twice = /^Trying to backward through the graph a second time/
const modified =
  /^one of the variables needed for gradient computation has been modified by an inplace operation/

type Options = nn.RNNForwardOptions

const modules: [string, () => nn.RNN<DType>, number[], number[] | null, Options?][] = [
  ['plain', () => new nn.RNN(3, 5), [7, 2, 3], null],
  [
    'all at once',
    () => new nn.RNN(3, 5, { numLayers: 3, bidirectional: true, batchFirst: true, dropout: 0.5 }),
    [4, 6, 3],
    [6, 4, 5],
    { lengths: [3, 6, 1, 4] },
  ],
  ['unbatched, float64', () => new nn.RNN(3, 5, { dtype: 'float64' }), [7, 3], [1, 5]],
  [
    'relu without bias',
    () => new nn.RNN(4, 64, { nonlinearity: 'relu', bias: false }),
    [64, 64, 4],
    null,
  ],
]

describe('forwardAsync and backwardAsync give the bits of forward and backward:', () => {
  it.each(modules)('%s', async (_, make, shape, stateShape, options) => {
    const rnn = make()
    const { dtype } = rnn.weight_ih_l0
    const input = filled(shape, 1, { dtype, requiresGrad: true })
    const hx = stateShape && filled(stateShape, 2, { dtype, requiresGrad: true })
    const leaves = [input, ...(hx ? [hx] : []), ...rnn.parameters()]
    const gradients = (): string[] => leaves.map((leaf) => bits(leaf.grad ?? zeros([0])))
    const reset = (): void => {
      for (const leaf of leaves) leaf.grad = null
      manualSeed(3)
    }

    reset()
    const [output, hN] = rnn.forward(input, hx, options)
    const seed = filled(output.shape, 5, { dtype })
    output.backward(seed)
    const expected = gradients()

    reset()
    const [output2, hN2] = await rnn.forwardAsync(input, hx, options)
    expectSameBits(output2, output)
    expectSameBits(hN2, hN)
    expect(await output2.backwardAsync(seed)).toBeUndefined()
    expect(gradients()).toEqual(expected)

    reset()
    rnn.forward(input, hx, options)[1].mul(2).sum().backward()
    const ofState = gradients()
    reset()
    const [, hN3] = await rnn.forwardAsync(input, hx, options)
    await hN3.mul(2).sum().backwardAsync()
    expect(gradients()).toEqual(ofState)
  })

  const large = [96, 64, 64] // enough elements for the background thread
  const indices = tensor(
    Int32Array.from({ length: 96 * 64 }, (_, place) => place % 64),
    { shape: [96, 64] },
  )
  const linear = new nn.Linear(64, 64)
  const other = filled(large, 9)
  const operations: [string, (x: Tensor) => Tensor][] = [
    ['add', (x) => x.add(x).add(1)],
    ['mul', (x) => x.mul(x).mul(other).mul(3)],
    ['tanh', (x) => x.tanh()],
    ['relu', (x) => x.relu()],
    ['sigmoid', (x) => x.sigmoid()],
    ['sum', (x) => x.tanh().sum()],
    ['mean', (x) => x.tanh().mean()],
    ['reshape', (x) => x.reshape([-1, 32]).tanh()],
    ['transpose', (x) => x.transpose(0, 1)],
    ['select', (x) => x.select(0, 3)],
    ['narrow', (x) => x.narrow(1, 2, 60)],
    ['cat and stack', (x) => stack([cat([x, x.tanh()], 1), cat([x, x], 1)])],
    ['dropout', (x) => new nn.Dropout(0.3).forward(x)],
    ['linear', (x) => linear.forward(x).tanh()],
    ['cross entropy', (x) => new nn.CrossEntropyLoss().forward(x, indices)],
    ['mean squared error', (x) => new nn.MSELoss().forward(x, other.mul(x))],
    [
      'an embedding',
      (x) => {
        const table = new nn.Embedding(64, 96)
        table.weight = x.select(1, 0).transpose(0, 1)
        return table.forward(indices)
      },
    ],
  ]
  it.each(operations)('%s', async (_, operation) => {
    const x = filled(large, 4, { requiresGrad: true })
    const leaves = [x, ...linear.parameters()]
    const run = async (way: (y: Tensor, seed: Tensor) => void | Promise<void>) => {
      for (const leaf of leaves) leaf.grad = null
      manualSeed(1)
      const y = operation(x)
      await way(y, filled(y.shape, 8))
      return leaves.map(({ grad }) => grad && bits(grad))
    }
    const expected = await run((y, seed) => y.backward(seed))
    expect(expected[0]).not.toBeNull()
    expect(await run((y, seed) => y.backwardAsync(seed))).toEqual(expected)
  })

  // Background memory of 1 MB or more is reused without zeroing.
  it('padding is 0 in large results, whatever ran before', async () => {
    const rnn = new nn.RNN(64, 64)
    const [steps, batch, longest] = [280, 16, 35]
    const input = filled([steps, batch, 64], 1, { requiresGrad: true })
    for (const lengths of [null, Array.from({ length: batch }, (_, b) => longest - b)]) {
      input.grad = null
      const [output] = await rnn.forwardAsync(input, null, { lengths })
      await output.sum().backwardAsync()
      for (const result of [output, input.grad]) {
        const beyond = result?.data.subarray(longest * batch * 64) ?? []
        expect(beyond.length).toBe((steps - longest) * batch * 64)
        expect(beyond.every((value) => value === 0)).toBe(lengths !== null)
      }
    }
  })

  it('gradients add up, in place', async () => {
    const x = tensor([1, 2], { requiresGrad: true })
    await x.mul(3).sum().backwardAsync()
    const { grad } = x
    await x.mul(4).backwardAsync(tensor([1, 10]))
    expect(x.grad).toBe(grad)
    expect(grad?.toArray()).toEqual([7, 43])
  })
})

describe('forwardAsync takes everything as it is at the call:', () => {
  const rnn = (): nn.RNN => {
    manualSeed(1)
    return new nn.RNN(8, 16, { numLayers: 2 })
  }

  it('weights, input and hx, in calls that overlap', async () => {
    const model = rnn()
    const [input, hx] = [filled([30, 4, 8], 1), filled([2, 4, 16], 2)]
    const expected: Tensor[] = []
    const calls: Promise<[Tensor, Tensor]>[] = []
    for (let step = 0; step < 8; step += 1) {
      expected.push(...noGrad(() => model.forward(input, hx)))
      calls.push(model.forwardAsync(input, hx))
      for (const { data } of [input, hx, ...model.parameters()]) {
        for (let place = 0; place < data.length; place += 1) data[place] *= 0.9
      }
    }
    const results = (await Promise.all(calls)).flat()
    results.forEach((result, place) => {
      expectSameBits(result, expected[place])
    })
  })

  it('also if an optimizer or a load comes in between; a backward pass is an error then', async () => {
    const model = rnn()
    const input = filled([30, 4, 8], 1)
    model.forward(input)[0].sum().backward()
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 })
    for (const change of [
      () => optimizer.step(),
      () => model.loadStateDict(rnn().stateDict()),
      () => model.to('float64'),
    ]) {
      const expected = noGrad(() => model.forward(input))
      const call = model.forwardAsync(input)
      change()
      const [output, hN] = await call
      expectSameBits(output, expected[0])
      expectSameBits(hN, expected[1])
      const before = model.parameters().map(({ grad }) => grad && bits(grad))
      await expect(output.sum().backwardAsync()).rejects.toThrow(modified)
      expect(() => output.sum().backward()).toThrow(modified)
      expect(model.parameters().map(({ grad }) => grad && bits(grad))).toEqual(before)
    }
  })

  it('memory that is taken away or resized, as soon as the call has returned', async () => {
    const model = rnn()
    const x = filled([30, 4, 8], 1)
    const expected = noGrad(() => model.forward(x))[0]
    const buffer = Reflect.construct(ArrayBuffer, [x.data.byteLength, { maxByteLength: 2 ** 20 }])
    const input = tensor(new Float32Array(buffer), { shape: x.shape })
    input.data.set(x.data)
    const resized = model.forwardAsync(input)
    buffer.resize(0)
    const gone = filled([30, 4, 8], 1)
    const transferred = model.forwardAsync(gone)
    structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] })
    for (const [output] of await Promise.all([resized, transferred])) {
      expectSameBits(output, expected)
      expect(() => output.sum().backward()).toThrow(RangeError)
      await expect(output.sum().backwardAsync()).rejects.toThrow(RangeError)
    }
    expect(model.parameters().every(({ grad }) => grad === null)).toBe(true)
  })

  it('the mode of the tape, and what needs a gradient', async () => {
    const model = rnn()
    const input = filled([3, 2, 8], 1)
    let call = noGrad(() => model.forwardAsync(input))
    for (const one of model.parameters()) one.requiresGrad = true
    expect((await call)[0].requiresGrad).toBe(false)
    for (const one of model.parameters()) one.requiresGrad = false
    call = model.forwardAsync(input)
    for (const one of model.parameters()) one.requiresGrad = true
    expect((await call)[1].requiresGrad).toBe(false)
    expect((await model.forwardAsync(input))[1].requiresGrad).toBe(true)
  })

  it('inside noGrad, whose promises it takes', async () => {
    const model = rnn()
    const input = filled([3, 2, 8], 1)
    const recorded = model.forwardAsync(input)
    const calls = noGrad(() => [1, 2].map(() => model.forwardAsync(input)))
    for (const [output, hN] of await Promise.all(calls)) {
      expect([output.requiresGrad, hN.requiresGrad]).toEqual([false, false])
    }
    const wrong = noGrad(() => model.forwardAsync(zeros([1])))
    await expect(wrong).rejects.toThrow(RangeError)
    const loss = (await recorded)[0].sum()
    await noGrad(() => loss.backwardAsync())
    expect(model.weight_ih_l0.grad).not.toBeNull()
    // The call was recorded, and so may be what follows a call.
    expect(() => noGrad(() => recorded)).toThrow(TypeError)
    // @ts-expect-error: a promise of what follows
    expect(() => noGrad(() => model.forwardAsync(input).then(([y]) => y.mean()))).toThrow(TypeError)
  })

  it('the mask of dropout', async () => {
    const model = new nn.RNN(4, 8, { numLayers: 2, dropout: 0.5 })
    const input = filled([20, 3, 4], 1)
    manualSeed(5)
    const expected = [0, 1, 2].map(() => bits(model.forward(input)[0]))
    manualSeed(5)
    const calls = [0, 1, 2].map(() => model.forwardAsync(input))
    expect((await Promise.all(calls)).map(([output]) => bits(output))).toEqual(expected)
    expect(new Set(expected).size).toBe(3)
  })
})

describe('an error is a rejection,', () => {
  const model = new nn.RNN(3, 4)
  const input = zeros([5, 2, 3])
  it.each<[string, unknown[]]>([
    ['a wrong size', [zeros([5, 2, 4])]],
    ['a wrong rank', [zeros([5])]],
    ['no tensor', [[1, 2]]],
    ['another dtype', [zeros([5, 2, 3], { dtype: 'float64' })]],
    ['a wrong state', [input, zeros([2, 2, 4])]],
    ['no steps', [zeros([0, 2, 3])]],
    ['wrong lengths', [input, null, { lengths: [6, 1] }]],
    ['lengths that are none', [input, null, { lengths: [1.5, 1] }]],
    ['an unknown option', [input, null, { length: [1, 1] }]],
    ['options that are none', [input, null, 3]],
  ])('of the class and text that forward throws: %s', async (_, args) => {
    const thrown = errorOf(() => Reflect.apply(model.forward, model, args)) as Error
    const promise: unknown = Reflect.apply(model.forwardAsync, model, args)
    expect(promise).toBeInstanceOf(Promise)
    const rejected = await (promise as Promise<unknown>).catch((error: unknown) => error)
    expect(Object.getPrototypeOf(rejected)).toBe(Object.getPrototypeOf(thrown))
    const text = (rejected as Error).message.replace('RNN.forwardAsync', 'RNN.forward')
    expect(text).toBe(thrown.message)
  })

  it('of what backward throws', async () => {
    const x = tensor([1, 2], { requiresGrad: true })
    const rejects = async (attempt: Promise<unknown>, kind: object, text: RegExp | string) => {
      const error = await attempt.then(() => null).catch((reason: unknown) => reason)
      expect(Object.getPrototypeOf(error)).toBe(kind)
      expect((error as Error).message).toMatch(text)
    }
    const Range = RangeError.prototype
    await rejects(x.mul(2).backwardAsync(), Range, 'grad can be implicitly created only')
    await rejects(x.mul(2).backwardAsync(ones([3])), Range, 'Mismatch in shape')
    await rejects(zeros([1]).backwardAsync(), Error.prototype, 'does not require grad')
    const wrong = Reflect.apply(x.backwardAsync, x, ['x'])
    await rejects(wrong, TypeError.prototype, 'gradients can be either Tensors or null')
    const y = x.tanh().sum()
    y.backward()
    await rejects(y.backwardAsync(), Error.prototype, twice)
    for (const signal of [3, {}, 'abort', new AbortController()]) {
      const options = { signal } as { signal: AbortSignal }
      const text = /argument 'signal' must be AbortSignal, not/
      await rejects(y.backwardAsync(null, options), TypeError.prototype, text)
      await rejects(model.forwardAsync(input, null, options), TypeError.prototype, text)
    }
  })
})

/** A call that takes many seconds. */
function long(): { model: nn.RNN; input: Tensor } {
  const model = new nn.RNN(8, 512, { numLayers: 20 })
  for (const one of model.parameters()) one.requiresGrad = false
  return { model, input: zeros([40_000, 1, 8]) }
}

describe('a signal', () => {
  const small = new nn.RNN(3, 4)
  const input = filled([5, 2, 3], 1)
  const reason = { any: 'value' }

  it('that is aborted already rejects with its reason, and nothing has happened', async () => {
    const signal = AbortSignal.abort(reason)
    const dropping = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
    manualSeed(1)
    const first = bits(dropping.forward(input)[0])
    manualSeed(1)
    await expect(dropping.forwardAsync(input, null, { signal })).rejects.toBe(reason)
    expect(bits(dropping.forward(input)[0])).toBe(first)
    const loss = small.forward(input)[0].sum()
    await expect(loss.backwardAsync(null, { signal })).rejects.toBe(reason)
    expect(small.weight_ih_l0.grad).toBeNull()
    loss.backward()
    small.zeroGrad()
    const plain = AbortSignal.abort()
    await expect(small.forwardAsync(input, null, { signal: plain })).rejects.toMatchObject({
      name: 'AbortError',
    })
  })

  it('that is aborted later does nothing, and no listener stays', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const [output] = await small.forwardAsync(input, null, { signal })
    await output.sum().backwardAsync(null, { signal })
    controller.abort()
    expectSameBits(output, small.forward(input)[0])
    expect(getEventListeners(signal, 'abort')).toEqual([])
    small.zeroGrad()
  })

  it('ends work that waits at once, and work that runs soon', async () => {
    const { model, input: much } = long()
    const running = [new AbortController(), new AbortController()]
    const ended: string[] = []
    const watch = (name: string, promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => ended.push(name),
        (error: unknown) => {
          ended.push(name)
          return error
        },
      )
    const calls = running.map(({ signal }, place) =>
      watch(`running ${place}`, model.forwardAsync(much, null, { signal })),
    )
    const waiting = new AbortController()
    const { signal } = waiting
    const waits = watch('waiting', small.forwardAsync(input, null, { signal }))
    const behind = small.forwardAsync(input)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(ended).toEqual([])
    waiting.abort(reason)
    expect(await waits).toBe(reason)
    expect(ended).toEqual(['waiting'])
    const begin = performance.now()
    running[0].abort(reason)
    expect(await calls[0]).toBe(reason)
    // The task that waited starts while the other one still runs.
    expectSameBits((await behind)[0], small.forward(input)[0])
    expect(ended).toEqual(['waiting', 'running 0'])
    running[1].abort(reason)
    expect(await calls[1]).toBe(reason)
    expect(performance.now() - begin).toBeLessThan(2000) // they would take many seconds
  })

  it('during a backward pass leaves everything as it was, and the graph can be used again', async () => {
    const model = new nn.RNN(8, 256)
    const x = filled([4000, 2, 8], 1)
    const [output] = model.forward(x)
    const loss = output.mul(output).mean()
    const first = ones(model.weight_hh_l0.shape)
    model.weight_hh_l0.grad = first
    for (const delay of [0, 1, 5, 20]) {
      const controller = new AbortController()
      const promise = loss.backwardAsync(null, { signal: controller.signal })
      setTimeout(() => controller.abort(reason), delay)
      await expect(promise).rejects.toBe(reason)
      expect(model.weight_hh_l0.grad).toBe(first)
      expect(bits(first)).toBe(bits(ones(first.shape)))
      expect(model.weight_ih_l0.grad).toBeNull()
    }
    model.weight_hh_l0.grad = null
    await loss.backwardAsync()
    const gradients = model.parameters().map(({ grad }) => grad && bits(grad))
    model.zeroGrad()
    const [again] = model.forward(x)
    again.mul(again).mean().backward()
    expect(gradients).toEqual(model.parameters().map(({ grad }) => grad && bits(grad)))
  })
})

describe('while work runs in the background,', () => {
  it('two tasks run, and the others have their turn in their order', async () => {
    const { model, input } = long()
    const small = new nn.RNN(3, 4)
    const controller = new AbortController()
    const { signal } = controller
    const ended: number[] = []
    const blocked = [0, 1].map(() => model.forwardAsync(input, null, { signal }).catch(() => null))
    const turns = [0, 1, 2, 3, 4, 5].map(async (place) => {
      await small.forwardAsync(filled([5, 2, 3], place))
      ended.push(place)
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(ended).toEqual([])
    controller.abort()
    await Promise.all([...blocked, ...turns])
    expect([...ended].sort()).toEqual([0, 1, 2, 3, 4, 5])
    expect(ended[0]).toBeLessThan(2)
  })

  it('calls that do not wait get the same bits, and the number of threads can be set', async () => {
    const { model, input } = long()
    const rnn = new nn.RNN(32, 128)
    const x = filled([40, 32, 32], 1)
    const expected = bits(rnn.forward(x)[0])
    const threads = getNumThreads()
    const controller = new AbortController()
    const { signal } = controller
    let ended = false
    const call = model
      .forwardAsync(input, null, { signal })
      .catch((error: unknown) => error)
      .finally(() => {
        ended = true
      })
    await new Promise((resolve) => setTimeout(resolve, 20))
    setNumThreads(3)
    setNumThreads(1)
    for (let i = 0; i < 3; i += 1) expect(bits(rnn.forward(x)[0])).toBe(expected)
    setNumThreads(threads)
    await new Promise((resolve) => setTimeout(resolve))
    expect(ended).toBe(false) // it would be true if they had waited
    controller.abort('enough')
    expect(await call).toBe('enough')
    expect(bits(rnn.forward(x)[0])).toBe(expected)
  })

  const training = () => {
    const model = new nn.RNN(8, 256)
    const x = filled([500, 4, 8], 1)
    const [output] = model.forward(x)
    const loss = output.mul(output).mean()
    const gradients = (): (string | null)[] =>
      model.parameters().map(({ grad }) => grad && bits(grad))
    const expected = (): (string | null)[] => {
      const twin = new nn.RNN(8, 256)
      twin.loadStateDict(model.stateDict())
      const [y] = twin.forward(x)
      y.mul(y).mean().backward()
      return twin.parameters().map(({ grad }) => grad && bits(grad))
    }
    return { model, x, output, loss, gradients, expected }
  }

  it('another backward pass through the graph is an error, and the first goes on', async () => {
    const { output, loss, gradients, expected } = training()
    const promise = loss.backwardAsync()
    expect(() => loss.backward()).toThrow(twice)
    expect(() => output.sum().backward()).toThrow(twice)
    await expect(loss.backwardAsync()).rejects.toThrow(twice)
    await new Promise(setImmediate)
    expect(() => loss.backward()).toThrow(twice)
    await promise
    expect(gradients()).toEqual(expected())
    await expect(loss.backwardAsync()).rejects.toThrow(twice)
  })

  it('a step of an optimizer is an error, and no gradient has changed', async () => {
    const { model, loss } = training()
    const optimizer = new optim.SGD(model.parameters())
    for (const one of model.parameters()) one.grad = ones(one.shape)
    const promise = loss.backwardAsync()
    optimizer.step()
    await expect(promise).rejects.toThrow(modified)
    for (const { grad, shape } of model.parameters()) {
      expectSameBits(grad ?? zeros([0]), ones(shape))
    }
  })

  it.each([0, 1, 2, 5])(
    'a write into data after %i turns is an error or comes too late',
    async (turns) => {
      for (const which of ['weight', 'input', 'output'] as const) {
        const { model, x, output, loss, gradients, expected } = training()
        const right = expected()
        const promise = loss.backwardAsync().then(
          () => 'done',
          (error: Error) => error.message,
        )
        for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
        const { data } = { weight: model.weight_hh_l0, input: x, output }[which]
        data[data.length - 1] += 1
        const result = await promise
        if (result === 'done') expect(gradients()).toEqual(right)
        else {
          expect(result).toMatch(modified)
          expect(gradients()).toEqual(right.map(() => null))
        }
        if (turns === 0) expect(result).toMatch(modified)
      }
    },
  )
})

describe('packed sequences off the event loop', () => {
  it('give the bits of forward and backward, with hx, dropout and checkpoints', async () => {
    const rnn = new nn.RNN(3, 5, { numLayers: 2, dropout: 0.5 })
    const sequences = [filled([2, 3], 1), filled([6, 3], 2), filled([4, 3], 3)]
    const hx = filled([2, 3, 5], 4)
    const run = async (later: boolean, options?: { checkpointEvery: number }) => {
      manualSeed(1)
      rnn.zeroGrad()
      const packed = nn.utils.rnn.packSequence(sequences, { enforceSorted: false })
      const [output, hN] = later
        ? await rnn.forwardAsync(packed, hx, options)
        : rnn.forward(packed, hx, options)
      expect(output).toBeInstanceOf(nn.utils.rnn.PackedSequence)
      expect([...output.batchSizes.data]).toEqual([3, 3, 2, 2, 1, 1])
      expect(output.sortedIndices).toBe(packed.sortedIndices)
      const loss = output.data.sum().add(hN.sum())
      if (later) await loss.backwardAsync()
      else loss.backward()
      return [output.data, hN, ...rnn.parameters().map(({ grad }) => grad as Tensor)].map(bits)
    }
    const expected = await run(false)
    expect(await run(true)).toEqual(expected)
    expect(await run(true, { checkpointEvery: 2 })).toEqual(expected)
  })

  it('refuse lengths and leave the random numbers alone', async () => {
    const rnn = new nn.RNN(3, 5, { numLayers: 2, dropout: 0.5 })
    const packed = nn.utils.rnn.packSequence([filled([2, 3], 1)])
    manualSeed(1)
    const options = { lengths: [2] } as object
    await expect(rnn.forwardAsync(packed, null, options)).rejects.toThrow(/lengths/)
    const [output] = rnn.forward(packed)
    manualSeed(1)
    expect(bits(rnn.forward(packed)[0].data)).toEqual(bits(output.data))
  })
})
