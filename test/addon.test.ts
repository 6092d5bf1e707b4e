/** How native addons fail, and that ours does not: what must hold even for a caller that skips the TypeScript side. */

import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import {
  backendInfo,
  manualSeed,
  nn,
  noGrad,
  randn,
  setNumThreads,
  tensor,
  zeros,
} from '@elman/rnn'
import { afterAll, describe, expect, it } from 'vitest'

type Addon = typeof import('../index.js')
const addon: Addon = createRequire(import.meta.url)('../index.js')
const core = (): InstanceType<Addon['RnnCore']> =>
  new addon.RnnCore(2, 3, 1, 'tanh', false, false, 'float32')
const threads = backendInfo().threads
afterAll(() => setNumThreads(threads))

/** Runs a module with the package's name for it; what it prints, or how it ended. */
function child(code: string, env: Record<string, string> = {}, flags: string[] = []) {
  const entry = pathToFileURL(resolve('dist/index.mjs')).href
  const source = code.replaceAll("'@elman/rnn'", JSON.stringify(entry))
  return spawnSync(process.execPath, [...flags, '--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
}

describe('integers arrive as doubles and must be safe', () => {
  const bad = [-1, 1.9, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -(2 ** 40)]
  const places: Record<string, (n: number) => unknown> = {
    'Sequences.padded steps': (n) => addon.Sequences.padded(n, 1, false, null),
    'Sequences.padded batch': (n) => addon.Sequences.padded(1, n, false, null),
    'RnnCore inputSize': (n) => new addon.RnnCore(n, 1, 1, 'tanh', true, false, 'float32'),
    'RnnCore hiddenSize': (n) => new addon.RnnCore(1, n, 1, 'tanh', true, false, 'float32'),
    'RnnCore numLayers': (n) => new addon.RnnCore(1, 1, n, 'tanh', true, false, 'float32'),
    'linearForward rows': (n) =>
      addon.linearForward(
        new Float32Array(1),
        new Float32Array(1),
        null,
        n,
        1,
        1,
        new Float32Array(1),
      ),
    'embeddingForward features': (n) =>
      addon.embeddingForward(new Float32Array(1), new Int32Array(1), 1, n, new Float32Array(1)),
    setNumThreads: (n) => addon.setNumThreads(n),
  }
  it.each(Object.keys(places))('%s', (place) => {
    for (const n of bad) expect(() => places[place]?.(n), String(n)).toThrow(RangeError)
    expect(() => places[place]?.('3' as unknown as number)).toThrow()
  })

  it('2³² + 5 is not 5', () => {
    expect(() => addon.setNumThreads(2 ** 32 + 5)).toThrow(RangeError)
    const five = addon.Sequences.padded(2 ** 32 + 5, 1, false, null)
    expect(core().savedLength(five)).toBe(0)
    const x = new Float32Array(10)
    const weights = [new Float32Array(6), new Float32Array(9)]
    const call = () =>
      core().forward(five, weights, x, null, 0, 0, new Float32Array(15), new Float32Array(3), null)
    expect(call).toThrow('input must have 8589934602 elements, got 10')
  })
})

describe('sizes that cannot be had', () => {
  it('are RangeErrors, and the process goes on', () => {
    expect(() => new addon.RnnCore(2 ** 40, 2 ** 40, 1, 'tanh', true, false, 'float32')).toThrow(
      RangeError,
    )
    expect(() => addon.Sequences.padded(2 ** 52, 2 ** 52, false, null)).toThrow(RangeError)
    expect(() => new nn.RNN(2 ** 40, 2 ** 40)).toThrow(RangeError)
    expect(() => zeros([2 ** 40])).toThrow(RangeError)
    expect(() => zeros([2 ** 30, 2 ** 30])).toThrow(RangeError)
    expect(new nn.RNN(2, 3).forward(zeros([1, 1, 2]))[0].shape).toEqual([1, 1, 3])
  })
})

describe('views', () => {
  const sequences = addon.Sequences.padded(2, 1, false, null)
  const weights = (): Float32Array[] => [
    new Float32Array(6).fill(0.1),
    new Float32Array(9).fill(0.2),
  ]
  const run = (input: Float32Array, output = new Float32Array(6), parameters = weights()) => {
    core().forward(sequences, parameters, input, null, 0, 0, output, new Float32Array(3), null)
    return [...output]
  }
  const plain = run(new Float32Array([1, 2, 3, 4]))

  it('an offset into a buffer is honoured', () => {
    const buffer = new Float32Array([9, 1, 2, 3, 4, 9])
    expect(run(buffer.subarray(1, 5))).toEqual(plain)
    const room = new Float32Array(10)
    expect(run(new Float32Array([1, 2, 3, 4]), room.subarray(2, 8))).toEqual(plain)
    expect([...room.subarray(0, 2), ...room.subarray(8)]).toEqual([0, 0, 0, 0])
  })

  it('a detached, a shrunk and a shared buffer are refused', () => {
    const detached = new Float32Array(4)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    expect(() => run(detached)).toThrow(TypeError)
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(length: number): void }
    const buffer = new Resizable(16, { maxByteLength: 32 })
    const tracking = new Float32Array(buffer)
    tracking.set([1, 2, 3, 4])
    expect(run(tracking)).toEqual(plain)
    buffer.resize(8)
    expect(() => run(tracking)).toThrow('input must have 4 elements, got 2')
    expect(() => run(new Float32Array(new SharedArrayBuffer(16)))).toThrow(TypeError)
  })

  it('arrays of another kind are refused', () => {
    for (const wrong of [
      new Float64Array(4),
      new Int32Array(4),
      new Uint8Array(16),
      [1, 2, 3, 4],
      null,
      {},
    ])
      expect(() => run(wrong as Float32Array)).toThrow(TypeError)
  })

  it('an output may overlap nothing else of its call', () => {
    const memory = new Float32Array(20)
    expect(() => run(memory.subarray(0, 4), memory.subarray(2, 8))).toThrow('overlaps')
    const [wIh = memory, wHh = memory] = weights()
    expect(() =>
      run(new Float32Array(4), memory.subarray(0, 6), [memory.subarray(0, 6), wHh]),
    ).toThrow('overlaps')
    expect(() =>
      addon.add(memory.subarray(0, 4), memory.subarray(4, 8), memory.subarray(3, 7)),
    ).toThrow('overlaps')
    expect(wIh.length).toBe(6)
  })

  it('empty ones work', () => {
    const none = addon.Sequences.padded(2, 0, true, new Int32Array(0))
    const empty = new Float32Array(0)
    core().forward(
      none,
      weights(),
      empty,
      empty,
      0,
      0,
      new Float32Array(0),
      new Float32Array(0),
      null,
    )
    expect(addon.sum(empty)).toBe(0)
  })
})

it('a method on the wrong receiver is a TypeError', () => {
  const { forward } = addon.RnnCore.prototype
  const call = (receiver: unknown) => () => Reflect.apply(forward, receiver, [])
  for (const receiver of [
    {},
    null,
    addon.Sequences.padded(1, 1, false, null),
    new Proxy(core(), {}),
  ])
    expect(call(receiver)).toThrow(TypeError)
  expect(() => Reflect.apply(nn.RNN as unknown as () => void, undefined, [2, 3])).toThrow(TypeError)
})

it('NaN, infinity, -0 and denormals keep their place at every lane', () => {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-40]
  for (const dtype of ['float32', 'float64'] as const) {
    for (const nonlinearity of ['tanh', 'relu'] as const) {
      const size = 33
      const rnn = new nn.RNN(size, size, { nonlinearity, bias: false, dtype })
      rnn.weight_ih_l0?.data.fill(0)
      rnn.weight_hh_l0?.data.fill(0)
      for (let j = 0; j < size; j++) {
        for (const value of special) {
          // W_ih is a diagonal, and only column j of it is not 0; the other rows see 0 · value, which is NaN or 0.
          const w = rnn.weight_ih_l0?.data ?? new Float32Array(0)
          w[j * size + j] = 1
          const x = zeros([1, 1, size], { dtype })
          x.data[j] = value
          const [output] = noGrad(() => rnn.forward(x))
          const given = x.data[j] ?? 0
          const expected =
            nonlinearity === 'tanh'
              ? Math.tanh(given)
              : Number.isNaN(given)
                ? given
                : Math.max(given, 0)
          const got = output.data[j] ?? 0
          const near = Math.abs(got - expected) <= 1e-6 * Math.abs(expected)
          expect(
            Object.is(got, expected) || near || (got === 0 && expected === 0),
            `${dtype} ${nonlinearity} lane ${j}: ${got} for ${given}`,
          ).toBe(true)
          const beside = output.data[(j + 1) % size] ?? 0
          expect(Number.isFinite(given) ? beside === 0 : Number.isNaN(beside)).toBe(true)
          w[j * size + j] = 0
        }
      }
    }
  }
})

it('results do not depend on the number of threads', () => {
  const results = [1, 2, 3, 8].map((n) => {
    setNumThreads(n)
    manualSeed(3)
    const rnn = new nn.RNN(40, 96, { numLayers: 2, bidirectional: true, dropout: 0.3 })
    const [output] = rnn.forward(randn([12, 20, 40]))
    output.mul(output).sum().backward()
    return [output.data, ...rnn.parameters().map((p) => p.grad?.data)]
  })
  for (const result of results) expect(result).toEqual(results[0])
})

describe('the environment', () => {
  const print = `import { backendInfo, manualSeed, nn, randn } from '@elman/rnn'
    manualSeed(1)
    const [output] = new nn.RNN(19, 37).forward(randn([5, 3, 19]))
    console.log(JSON.stringify([backendInfo().isa, backendInfo().threads, ...output.data]))`

  it('each instruction set can be forced, and those with fused multiply-adds give the same bits', () => {
    const runs = backendInfo().isaAvailable.map((isa) => {
      const { stdout, stderr } = child(print, { ELMAN_ISA: isa, ELMAN_NUM_THREADS: '2' })
      expect(stderr).toBe('')
      const [name, count, ...values] = JSON.parse(stdout)
      expect([name, count]).toEqual([isa, 2])
      return { isa, values: values as number[] }
    })
    const fused = runs.filter(({ isa }) => isa !== 'scalar')
    for (const { values } of fused) expect(values).toEqual(fused[0]?.values)
    for (const { values } of runs) {
      for (const [i, value] of values.entries())
        expect(value).toBeCloseTo(runs[0]?.values[i] ?? Number.NaN, 5)
    }
  })

  it.each([
    ['ELMAN_ISA', 'mmx', /RangeError: ELMAN_ISA must be one of .*, got mmx/],
    [
      'ELMAN_NUM_THREADS',
      '0',
      /RangeError: ELMAN_NUM_THREADS must be an integer from 1 to 1024, got 0/,
    ],
    [
      'ELMAN_NUM_THREADS',
      '2.5',
      /RangeError: ELMAN_NUM_THREADS must be an integer from 1 to 1024, got 2.5/,
    ],
  ])('%s=%s makes the import fail', (name, value, message) => {
    const { status, stderr } = child(print, { [name]: value })
    expect(status).toBe(1)
    expect(stderr).toMatch(message)
  })
})

describe('processes', () => {
  it('workers load the addon, train and end, one after the other and beside each other', async () => {
    const source = `
      const { nn, randn } = require(${JSON.stringify(resolve('dist/index.js'))})
      const rnn = new nn.RNN(16, 64)
      const [output] = rnn.forward(randn([30, 32, 16]))
      output.sum().backward()
      require('node:worker_threads').parentPort.postMessage(rnn.weight_hh_l0.grad.numel)`
    const work = () =>
      new Promise<[unknown, number]>((done, failed) => {
        const worker = new Worker(source, { eval: true })
        let message: unknown
        worker.on('message', (value) => {
          message = value
        })
        worker.on('error', failed)
        worker.on('exit', (code) => done([message, code]))
      })
    for (let i = 0; i < 8; i++) expect(await work()).toEqual([4096, 0])
    for (const result of await Promise.all(Array.from({ length: 4 }, work)))
      expect(result).toEqual([4096, 0])
  })

  it('process.exit keeps its code after threads have run', () => {
    const { status, stderr } = child(`import { nn, randn } from '@elman/rnn'
      new nn.RNN(64, 256).forward(randn([50, 64, 64]))
      process.exit(7)`)
    expect([status, stderr]).toEqual([7, ''])
  })

  it('memory stays flat over training steps', () => {
    const code = `import { nn, optim, randn } from '@elman/rnn'
      const rnn = new nn.RNN(16, 32)
      const optimizer = new optim.SGD(rnn.parameters(), { lr: 0.01 })
      const x = randn([20, 8, 16])
      const train = (steps) => {
        for (let i = 0; i < steps; i++) {
          optimizer.zeroGrad()
          rnn.forward(x)[0].sum().backward()
          optimizer.step()
        }
        gc()
        return process.memoryUsage().rss
      }
      train(1000)
      const before = train(1000)
      console.log((train(2000) - before) / 2 ** 20)`
    const output = execFileSync(process.execPath, [
      ...['--expose-gc', '--input-type=module', '-e'],
      code.replace("'@elman/rnn'", JSON.stringify(pathToFileURL(resolve('dist/index.mjs')).href)),
    ])
    // A step's arrays take 100 KB: a leak would add 200 MB.
    expect(Number(output)).toBeLessThan(30)
  })
})

it('an input is used in place, not copied', () => {
  const data = new Float32Array([1, 2])
  expect(tensor(data).data).toBe(data)
})
