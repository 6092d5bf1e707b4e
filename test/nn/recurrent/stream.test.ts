/** nn.RNN's stream: one time step at a time, with the values of forward, and safe if its arrays are detached. */

import { nn, noGrad, type Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { runModule } from '../../helpers/child'
import { bits, errorOf, filled } from '../../helpers/numbers'
import { elmanCore } from '../../helpers/recurrent-calls'

type Stream = ReturnType<nn.RNN['stream']>

/** The outputs of a stream over (T, B, I), as (T, B, H). */
function through(stream: Stream, input: Tensor): Tensor {
  const [steps = 0] = input.shape
  const outputs = Array.from({ length: steps }, (_, t) => {
    stream.input.set(input.select(0, t).data)
    stream.step()
    return [...stream.output]
  })
  return tensor(outputs.flat(), { shape: [steps, stream.output.length], dtype: input.dtype })
}

/** The outputs of forward, as {@link through} gives them. */
function whole(rnn: nn.RNN, input: Tensor, hx?: Tensor | null): Tensor {
  const [output] = noGrad(() => rnn.forward(input, hx))
  return output.reshape([output.shape[0] ?? 0, -1])
}

describe('a stream', () => {
  it('hands NaN and infinities on as forward does', () => {
    for (const nonlinearity of ['tanh', 'relu'] as const) {
      const rnn = new nn.RNN(2, 3, { nonlinearity })
      const values = [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-45]
      const input = tensor(
        values.flatMap((value) => [value, 1]),
        { shape: [values.length, 1, 2] },
      )
      // One by one: the state of a NaN is NaN for ever.
      for (let t = 0; t < values.length; t += 1) {
        const one = input.narrow(0, t, 1)
        expect(through(rnn.stream(), one).data).toEqual(whole(rnn, one).data)
      }
    }
  })
})

describe('what does not fit', () => {
  const rnn = new nn.RNN(2, 3, { numLayers: 2 })
  const stream = (options: unknown) => () => rnn.stream(options as object)
  const big = 2 ** 53
  it.each<[string, unknown, typeof RangeError | typeof TypeError, string]>([
    ['a fraction', { batchSize: 1.5 }, TypeError, 'batch_size should be of type int, got: 1.5'],
    ['NaN', { batchSize: Number.NaN }, TypeError, 'batch_size should be of type int, got: NaN'],
    ['a string', { batchSize: '1' }, TypeError, "batch_size should be of type int, got: '1'"],
    ['zero', { batchSize: 0 }, RangeError, 'batch_size must be greater than zero'],
    ['less', { batchSize: -1 }, RangeError, 'batch_size must be greater than zero'],
    ['2^53', { batchSize: big }, RangeError, `batch_size should be at most 2^53 - 1`],
    ['a size without memory', { batchSize: 2 ** 40 }, RangeError, 'cannot allocate'],
    ['a size of too much', { batchSize: big - 1 }, RangeError, 'cannot allocate'],
    ['another option', { batch: 2 }, TypeError, "got an unexpected keyword argument 'batch'"],
    ['no options', 3, TypeError, 'RNN.stream() expected an object of options, got: 3'],
    ['no tensor', { hx: [1] }, TypeError, "argument 'hx' must be Tensor, not Array"],
    [
      'another batch',
      { hx: zeros([2, 2, 3]) },
      RangeError,
      'Expected hidden size (2, 1, 3), got [2, 2, 3]',
    ],
    [
      'an unbatched state',
      { hx: zeros([2, 3]) },
      RangeError,
      'Expected hidden size (2, 1, 3), got [2, 3]',
    ],
    [
      'another dtype',
      { hx: zeros([2, 1, 3], { dtype: 'float64' }) },
      TypeError,
      'RNN hx dtype (float64) does not match weight dtype (float32)',
    ],
  ])('%s is refused', (_, options, kind, message) => {
    const error = errorOf(stream(options))
    expect(error).toBeInstanceOf(kind)
    expect((error as Error).message).toContain(message)
  })

  it('is refused by reset, which leaves the state as it is', () => {
    const one = rnn.stream({ hx: filled([2, 1, 3], 4) })
    const twin = rnn.stream({ hx: filled([2, 1, 3], 4) })
    for (const wrong of [zeros([1, 1, 3]), zeros([2, 1, 3], { dtype: 'float64' }), 3]) {
      expect(() => one.reset(wrong as Tensor)).toThrow()
    }
    one.step()
    twin.step()
    expect(bits({ data: one.output })).toBe(bits({ data: twin.output }))
  })

  it('a bidirectional module is refused', () => {
    const both = new nn.RNN(2, 3, { bidirectional: true })
    const error = errorOf(() => both.stream())
    expect(error).toBeInstanceOf(RangeError)
    expect((error as Error).message).toContain('expected a module with bidirectional=false')
    const core = elmanCore({ inputSize: 2, hiddenSize: 3, bidirectional: true })
    expect(() => core.streamLength(1)).toThrow(RangeError)
  })
})

describe('the arrays', () => {
  it.each(['input', 'output'] as const)(
    'are missed when the buffer of %s is transferred',
    (name) => {
      const rnn = new nn.RNN(2, 3)
      const [stream, other] = [rnn.stream(), rnn.stream()]
      stream.step()
      const { buffer } = stream[name]
      const moved = structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
      const before = Buffer.from(moved as ArrayBuffer).toString('hex')
      for (let i = 0; i < 3; i += 1) {
        const error = errorOf(() => stream.step())
        expect(error).toBeInstanceOf(RangeError)
        expect((error as Error).message).toContain('whose buffer is detached')
      }
      expect(Buffer.from(moved as ArrayBuffer).toString('hex')).toBe(before)
      stream.reset() // needs none of them
      expect(() => other.step()).not.toThrow()
    },
  )

  it('cannot be replaced', () => {
    const stream = new nn.RNN(2, 3).stream()
    for (const name of ['input', 'output']) {
      expect(Reflect.set(stream, name, new Float32Array(1))).toBe(false)
    }
  })

  it('of the addon: memory that was resized or transferred is refused by each call', () => {
    const core = elmanCore({ hiddenSize: 2, bias: false })
    const parameters = [Float32Array.of(1, 1), Float32Array.of(0, 0, 0, 0)]
    const length = core.streamLength(1)
    const sizes = [length, 1, 2]
    for (const place of [0, 1, 2]) {
      for (const bytes of [0, 4 * length + 4096]) {
        const arrays = sizes.map((size) => {
          const Resizable = ArrayBuffer as unknown as new (
            size: number,
            options: object,
          ) => ArrayBuffer
          return new Float32Array(new Resizable(4 * size, { maxByteLength: 4 * length + 4096 }))
        })
        const [memory, input, output] = arrays
        const step = core.stream(1, parameters, memory, input, output)
        input[0] = 1
        step()
        expect([...output]).toEqual([Math.fround(Math.tanh(1)), Math.fround(Math.tanh(1))])
        const buffer = arrays[place].buffer as ArrayBuffer & { resize(size: number): void }
        buffer.resize(bytes)
        expect(() => step()).toThrow(RangeError)
        buffer.resize(4 * sizes[place])
        expect(() => step()).not.toThrow()
        structuredClone(buffer, { transfer: [buffer] })
        expect(() => step()).toThrow(RangeError)
      }
    }
  })

  it('of the addon: the function keeps them, and nobody can take them away', () => {
    const core = elmanCore({ hiddenSize: 2, bias: false })
    const parameters = [Float32Array.of(1, 1), Float32Array.of(0, 0, 0, 0)]
    const memory = new Float32Array(core.streamLength(1))
    const step = core.stream(1, parameters, memory, new Float32Array(1), new Float32Array(2))
    expect(Reflect.deleteProperty(step, 'arrays')).toBe(false)
    expect(Reflect.set(step, 'arrays', null)).toBe(false)
    expect(() => Object.defineProperty(step, 'arrays', { value: null })).toThrow(TypeError)
    expect(Reflect.apply(step, {}, [1, 2, 3])).toBeUndefined()
  })
})

describe('a wrong receiver', () => {
  const stream = new nn.RNN(2, 3).stream()
  const prototype = Object.getPrototypeOf(stream)
  it.each(['step', 'reset', 'input', 'output', 'toString'])('of %s is a TypeError', (name) => {
    const { value, get } = Object.getOwnPropertyDescriptor(prototype, name) ?? {}
    // What `step` uses is public, so it works on a Proxy.
    const proxies = name === 'step' ? [] : [new Proxy(stream, {})]
    for (const wrong of [{}, null, undefined, 3, Object.create(prototype), ...proxies]) {
      expect(() => Reflect.apply(value ?? get, wrong, [])).toThrow(TypeError)
    }
  })
  it('of stream is one too, and the class cannot be made', () => {
    for (const wrong of [{}, null, new nn.Linear(1, 1)]) {
      expect(() => Reflect.apply(nn.RNN.prototype.stream, wrong, [])).toThrow(TypeError)
    }
    expect(() => Reflect.construct(stream.constructor, [])).toThrow(TypeError)
    expect(() => Reflect.apply(stream.constructor, {}, [])).toThrow(TypeError)
  })
})

describe('in a process of its own', () => {
  const run = (code: string, flags: string[] = ['--expose-gc']): string => {
    const { status, stdout, stderr } = runModule(
      `import { nn, ones } from '@elman/rnn'
       ${code}`,
      { flags },
    )
    expect([status, stderr]).toEqual([0, ''])
    return stdout
  }

  it.each(['RNN', 'LSTM', 'GRU'])('100 000 steps of an %s allocate nothing', (kind) => {
    const result = JSON.parse(
      run(
        `
        const stream = new nn.${kind}(32, 32, { numLayers: 2 }).stream({ batchSize: 2 })
        const steps = (count) => {
          for (let i = 0; i < count; i++) {
            stream.input[0] = i & 1
            stream.step()
          }
        }
        const used = new Float64Array(6)
        const note = (place) => {
          const { heapUsed, external, rss } = process.memoryUsage()
          used[place] = heapUsed; used[place + 1] = external; used[place + 2] = rss
        }
        steps(20_000)
        const grown = []
        for (let i = 0; i < 4; i++) {
          gc()
          note(0)
          steps(100_000)
          note(3)
          grown.push([used[3] - used[0], used[4] - used[1], used[5] - used[2]])
        }
        console.log(JSON.stringify(grown))`,
        [
          '--expose-gc',
          '--min-semi-space-size=64', // so that no collection in between hides what was allocated
          '--max-semi-space-size=64',
        ],
      ),
    )
    // The compiler of JavaScript is at work meanwhile, so one of the rounds counts: the one that took least.
    const least = (place: number): number => Math.min(...result.map((one: number[]) => one[place]))
    const [heapUsed, external, rss] = [least(0), least(1), least(2)]
    // One number a step would be 1.2 MB at the least; the call that asks takes some hundred bytes itself.
    expect(heapUsed).toBeLessThan(300_000)
    expect(external).toBeLessThanOrEqual(0)
    expect(rss).toBeLessThan(2 ** 20)
  })

  it('arrays outlive their stream, and a stream those who made it', () => {
    const result = run(`
      let { input, output } = new nn.RNN(64, 64).stream()
      const stream = (() => new nn.RNN(64, 64, { numLayers: 2 }).stream())()
      const litter = []
      const settle = async () => {
        for (let i = 0; i < 5; i++) {
          gc()
          litter.push(new Float32Array(1 << 16).fill(7))
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
      await settle()
      input.fill(3)
      output.fill(4)
      stream.input.fill(0.5)
      for (let i = 0; i < 100; i++) stream.step()
      await settle()
      stream.step()
      console.log(input.every((v) => v === 3), output.every((v) => v === 4),
        stream.output.every((v) => Math.abs(v) < 1 && v !== 0))`)
    expect(result).toBe('true true true\n')
  })

  it('streams that are dropped leave no memory behind, even where the event loop never turns', () => {
    const grown = Number(
      run(`
        const rnn = new nn.RNN(128, 128)
        const make = (count) => {
          for (let i = 0; i < count; i++) rnn.stream().step()
          gc()
          gc()
          return process.memoryUsage().rss
        }
        const before = make(3000)
        console.log((make(3000) - before) / 2 ** 20)`),
    )
    // Their memory is 130 KB each: kept, it would be 380 MiB.
    expect(grown).toBeLessThan(40)
  })

  it('workers with streams come and go', () => {
    const result = run(`
      import { createRequire } from 'node:module'
      import { Worker } from 'node:worker_threads'
      const path = createRequire(process.cwd() + '/').resolve('@elman/rnn')
      const source = \`
        const { nn } = require(require('node:worker_threads').workerData)
        globalThis.streams = Array.from({ length: 20 }, () => new nn.RNN(300, 600).stream())
        for (const stream of streams) stream.step()
        if (Math.random() < 0.5) process.exit(0)\`
      for (let i = 0; i < 10; i++) {
        const worker = new Worker(source, { eval: true, execArgv: [], workerData: path })
        const code = await new Promise((resolve, reject) => {
          worker.on('exit', resolve)
          worker.on('error', reject)
        })
        if (code !== 0) throw new Error('exit code ' + code)
      }
      const stream = new nn.RNN(2, 3).stream()
      stream.step()
      console.log('done')`)
    expect(result).toBe('done\n')
  })
})
