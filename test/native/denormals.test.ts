/** `setFlushDenormal`: all arithmetic of the package takes denormal numbers as zero, and nothing else does. */

import { Worker } from 'node:worker_threads'
import {
  backendInfo,
  type DType,
  getNumThreads,
  manualSeed,
  nn,
  optim,
  randn,
  setFlushDenormal,
  setNumThreads,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { afterEach, describe, expect, it } from 'vitest'

/** Denormal numbers; twice as much is denormal too. */
const tiny = { float32: 2 ** -140, float64: 2 ** -1060 }
/** Whether the processor can flush. */
const able = ['x64', 'arm64'].includes(process.arch)
const threads = getNumThreads()

afterEach(() => {
  setFlushDenormal(false)
  setNumThreads(threads)
})

function flushing<R>(on: boolean, call: () => R): R {
  setFlushDenormal(on)
  try {
    return call()
  } finally {
    setFlushDenormal(false)
  }
}

/** h_t = relu(x_t), whose outputs and states are as small as the input. */
function copying<D extends DType>(size: number, dtype: D): nn.RNN<D, number, false> {
  const rnn = new nn.RNN(size, size, { nonlinearity: 'relu', bias: false, dtype })
  rnn.weight_hh_l0?.data.fill(0)
  rnn.weight_ih_l0?.data.fill(0)
  for (let i = 0; i < size; i += 1) rnn.weight_ih_l0?.data.set([1], i * size + i)
  return rnn
}

function filled<D extends DType>(shape: number[], value: number, dtype: D): Tensor<D> {
  const made = zeros(shape, { dtype })
  made.data.fill(value)
  return made
}

describe.each(['float32', 'float64'] as const)('%s', (dtype) => {
  const value = tiny[dtype]
  const small = () => filled([3, 2, 5], value, dtype)

  function trained(step: (p: Tensor<DType>) => { step(): void }): number {
    const p = filled([5], 0, dtype)
    p.requiresGrad = true
    p.grad = filled([5], value, dtype)
    step(p).step()
    return p.data[4] ?? Number.NaN
  }

  const operations: [string, () => number | undefined][] = [
    ['add', () => small().add(small()).data[29]],
    ['add of a number', () => small().add(value).data[0]],
    ['mul', () => small().mul(filled([3, 2, 5], 2, dtype)).data[29]],
    ['mul of a number', () => small().mul(2).data[0]],
    ['sum', () => small().sum().item()],
    ['a stack', () => copying(5, dtype).forward(small())[0].data[29]],
    ['its last state', () => copying(5, dtype).forward(small())[1].data[9]],
    [
      'many rows',
      () => copying(40, dtype).forward(filled([30, 40, 40], value, dtype))[0].data[47999],
    ],
    [
      'a pullback',
      () =>
        copying(5, dtype)
          .vjp(filled([3, 2, 5], 1, dtype))
          .pullback(small(), null).input.data[29],
    ],
    [
      'a stream',
      () => {
        const stream = copying(5, dtype).stream()
        stream.input.fill(value)
        stream.step()
        return stream.output[4]
      },
    ],
    [
      'a linear layer',
      () => {
        const linear = new nn.Linear(5, 5, { bias: false, dtype })
        linear.weight.data.fill(1)
        return linear.forward(small()).data[29]
      },
    ],
    [
      'a loss',
      () => new nn.L1Loss({ reduction: 'none' }).forward(small(), small().mul(-1)).data[29],
    ],
    ['an optimizer', () => trained((p) => new optim.SGD([p], { lr: 1 }))],
  ]

  it.each(operations)('%s', (_, operation) => {
    for (const count of [1, 3]) {
      setNumThreads(count)
      const kept = operation()
      expect(Math.abs(kept ?? 0)).toBeGreaterThan(0)
      expect(Math.abs(flushing(true, operation) ?? Number.NaN)).toBe(able ? 0 : Math.abs(kept ?? 0))
      expect(operation()).toBe(kept)
    }
  })
})

describe('setFlushDenormal', () => {
  const denormal = tiny.float32
  const last = ({ data }: Tensor) => data.at(-1)

  it('says whether the processor can flush, and backendInfo whether it does', () => {
    expect(backendInfo().flushDenormal).toBe(false)
    expect(setFlushDenormal(true)).toBe(able)
    expect(backendInfo().flushDenormal).toBe(able)
    expect(setFlushDenormal(false)).toBe(able)
    expect(backendInfo().flushDenormal).toBe(false)
  })

  it.each([1, 'true', null, undefined])('refuses %s', (on) => {
    expect(() => Reflect.apply(setFlushDenormal, null, [on])).toThrow(TypeError)
    expect(() => Reflect.apply(setFlushDenormal, null, [1])).toThrow(
      new TypeError('flush_denormal expects a bool, but got 1'),
    )
  })

  it("leaves JavaScript's own arithmetic and the values of tensors alone", () => {
    setFlushDenormal(true)
    const x = tensor([denormal])
    const stream = copying(1, 'float32').stream()
    for (const call of [
      () => x.mul(2),
      () => copying(1, 'float32').forward(zeros([2, 1])),
      () => stream.step(),
      () => x.backward(),
      () => x.add(zeros([2])),
    ]) {
      try {
        call()
      } catch {
        // after an error too
      }
      const half = Number.MIN_VALUE * 3
      expect([half / 3, 2 ** -1070 * 4, x.item() * 2]).toEqual([5e-324, 2 ** -1068, 2 * denormal])
    }
    expect([...x.detach().data, ...x.reshape([1, 1]).data]).toEqual([denormal, denormal])
    expect(String(tensor([1e-310], { dtype: 'float64' }))).toContain('1.0000e-310')
  })

  it('is kept by an asynchronous call as it was when that began', async () => {
    const rnn = copying(64, 'float32')
    const x = zeros([40, 32, 64], { requiresGrad: true })
    x.data.fill(denormal)
    const call = async () => {
      const [output] = await rnn.forwardAsync(x)
      return last(output)
    }
    const flushed = flushing(true, call)
    const kept = call()
    setFlushDenormal(true)
    expect(await kept).toBe(denormal)
    setFlushDenormal(false)
    expect(await flushed).toBe(able ? 0 : denormal)

    const gradient = zeros([40, 32, 64])
    gradient.data.fill(denormal)
    const backward = async (on: boolean) => {
      const leaf = zeros([40, 32, 64], { requiresGrad: true })
      const [output] = rnn.forward(leaf.add(1).mul(4))
      const done = flushing(on, () => output.add(leaf).backwardAsync(gradient))
      setFlushDenormal(!on)
      await done
      expect(backendInfo().flushDenormal).toBe(!on && able)
      setFlushDenormal(false)
      return leaf.grad === null ? null : last(leaf.grad)
    }
    expect(await backward(true)).toBe(able ? 0 : 5 * denormal)
    expect(await backward(false)).toBe(5 * denormal)
  })

  it('gives the same bits for any number of threads', () => {
    manualSeed(1)
    const rnn = new nn.GRU(48, 64, { numLayers: 2, bidirectional: true, bias: false })
    for (const { data } of rnn.parameters()) data.set(data.map((w) => w * 0.1))
    const input = randn([60, 40, 48]).mul(2 ** -126)
    const results = [1, 2, 3].map((count) => {
      setNumThreads(count)
      return flushing(true, () => {
        const { output, pullback } = rnn.vjp(input)
        const { parameters } = pullback(output, null)
        return [output, ...parameters.values()].map(({ data }) => data)
      })
    })
    for (const result of results) expect(result).toEqual(results[0])
    setNumThreads(1)
    expect(rnn.vjp(input).output.data).not.toEqual(results[0]?.[0])
  })

  it('is a setting of each worker thread', async () => {
    const code = `
      const { parentPort } = require('node:worker_threads')
      const { backendInfo, setFlushDenormal, tensor } = require('@elman/rnn')
      const twice = () => [backendInfo().flushDenormal, tensor([${denormal}]).mul(2).item(), ${denormal} * 2]
      const before = twice()
      setFlushDenormal(true)
      parentPort.postMessage([before, twice()])
    `
    const worker = new Worker(code, { eval: true })
    const message = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(message).toEqual([
      [false, 2 * denormal, 2 * denormal],
      [able, able ? 0 : 2 * denormal, 2 * denormal],
    ])
    expect(tensor([denormal]).mul(2).item()).toBe(2 * denormal)
  })
})
