/** Sizes of memory: what cannot be had is a RangeError that names it, and the process goes on. */

import { existsSync, readFileSync } from 'node:fs'
import { cat, manualSeed, nn, ones, rand, randn, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { addon } from '../helpers/addon'
import { runModule } from '../helpers/child'
import { bits, errorOf } from '../helpers/numbers'
import { elmanCore } from '../helpers/recurrent-calls'

describe('memory that cannot be had', () => {
  const many = 2 ** 20
  const cases: [name: string, call: () => unknown, names: string][] = [
    ['RNN', () => new nn.RNN(2 ** 40, 2 ** 40), '[1099511627776, 1099511627776]'],
    ['weights of an RNN', () => new nn.RNN(3, 2 ** 26), `${2 ** 52}`],
    ['layers of an RNN', () => new nn.RNN(1, 1, { numLayers: 1e9 }), '1000000000'],
    ['Linear', () => new nn.Linear(2 ** 30, 2 ** 30), '[1073741824, 1073741824]'],
    ['Embedding', () => new nn.Embedding(2 ** 40, 2 ** 10), `${2 ** 50}`],
    ['zeros', () => zeros([2 ** 53]), `${2 ** 53}`],
    ['zeros at the limit', () => zeros([2 ** 53 - 1]), `${2 ** 53 - 1}`],
    ['ones', () => ones([2 ** 25, 2 ** 25]), `${2 ** 50}`],
    ['rand', () => rand([2 ** 30, 2 ** 30]), '[1073741824, 1073741824]'],
    ['randn', () => randn([2 ** 50], { dtype: 'float64' }), `${2 ** 50}`],
    ['time steps times rows', () => zeros([2 ** 27, 2 ** 27, 3]), '[134217728, 134217728, 3]'],
    [
      'the output of an RNN',
      () => new nn.RNN(1, 2 ** 12).forward(zeros([2 ** 26, 1, 1])),
      `${2 ** 38}`,
    ],
    [
      'the output of a Linear',
      () => new nn.Linear(1, many).forward(zeros([many, 1])),
      `${2 ** 40}`,
    ],
    [
      'the output of an Embedding',
      () => new nn.Embedding(1, many).forward(tensor(new Int32Array(many))),
      `${2 ** 40}`,
    ],
    ['cat', () => cat(new Array(2 ** 16).fill(zeros([2 ** 24]))), `${2 ** 40}`],
    ['a size of nothing', () => cat(new Array(4).fill(zeros([0, 2 ** 52])), 1), `${2 ** 54}`],
  ]
  it.each(cases)('%s: a RangeError names the size', (_, call, names) => {
    manualSeed(5)
    const rnn = new nn.RNN(2, 3)
    const output = bits(rnn.forward(ones([2, 1, 2]))[0])
    const error = errorOf(call)
    expect(error).toBeInstanceOf(RangeError)
    expect((error as RangeError).message).toContain(names)
    expect(bits(rnn.forward(ones([2, 1, 2]))[0])).toBe(output)
  })

  it('products beyond 2^53, in the addon', () => {
    expect(() => addon.Sequences.padded(2 ** 52, 2 ** 52, false)).toThrow(RangeError)
    const wide = elmanCore({ inputSize: 2, hiddenSize: 2 ** 20, numLayers: 5 })
    const sequences = addon.Sequences.padded(2 ** 26, 2 ** 26, false)
    expect(() => wide.savedLength(sequences, null, false)).toThrow(RangeError)
    const [none, one] = [new Float32Array(0), new Float32Array(1)]
    const linear = (...sizes: [number, number, number]) => {
      addon.linearForward(none, none, null, ...sizes, one)
    }
    expect(() => linear(2 ** 27, 2 ** 27, 1)).toThrow(`${2 ** 54}`)
    expect(() => linear(2 ** 52, 1, 2 ** 52)).toThrow(RangeError)
    expect(() => addon.embeddingForward(none, new Int32Array(1), 2 ** 52, 2 ** 52, one)).toThrow(
      `[${2 ** 52}, ${2 ** 52}]`,
    )
  })
})

describe('what V8 would end the process for', () => {
  const evaluate = (code: string): unknown[] => {
    const { status, stdout, stderr } = runModule(
      `import { cat, nn, stack, tensor, zeros } from '@elman/rnn'
       const results = [${code}].map((run) => {
         try { return run() } catch (error) { return error.name + ': ' + error.message }
       })
       console.log(JSON.stringify(results))`,
      { flags: ['--max-old-space-size=200'] },
    )
    expect([status, stderr]).toEqual([0, ''])
    return JSON.parse(stdout)
  }

  it('nested arrays too large for its heap', () => {
    const tooLarge = /^RangeError: shape .* is too large for nested arrays/
    const results = evaluate(`
      () => zeros([2 ** 31, 0]).toArray(),
      () => zeros([2 ** 27]).toArray(),
      () => zeros([2 ** 25, 1]).toArray(),
      () => tensor(new Int32Array(0), { shape: [2 ** 31, 0] }).toArray(),
      () => { let twice = 1; for (let i = 0; i < 40; i++) twice = [twice, twice]; tensor(twice) },
      () => { let twice = []; for (let i = 0; i < 40; i++) twice = [twice, twice]; tensor(twice) }`)
    for (const result of results) expect(result).toMatch(tooLarge)
    expect(results).toHaveLength(6)
  })

  it('many sizes of nothing', () => {
    const steps = 2 ** 40
    const results = evaluate(`
      () => String(zeros([2 ** 31, 0])),
      () => cat([zeros([${steps}, 0]), zeros([${steps}, 0])], 1).shape,
      () => stack([zeros([${steps}, 0])], 1).shape,
      () => new nn.RNN(3, 4).forward(zeros([${steps}, 0, 3]))[0].shape,
      () => new nn.RNN(3, 4).forward(zeros([${steps}, 0, 3]), null, { lengths: [] })[0].shape,
      () => {
        const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true, batchFirst: true })
        rnn.forward(zeros([0, ${steps}, 3]), null, { lengths: [] })[0].sum().backward()
        return Math.max(...rnn.weight_ih_l0.grad.data)
      }`)
    expect(results).toEqual([
      'tensor([], size=(2147483648, 0), dtype=float32)',
      [steps, 0],
      [steps, 1, 0],
      [steps, 0, 4],
      [steps, 0, 4],
      0,
    ])
  })

  it('more lengths than an array of it holds', () => {
    const many = 2 ** 28
    const results = evaluate(
      `() => new nn.RNN(1, 1).forward(zeros([1, 1, 1]), null, { lengths: new Int32Array(${many}) })`,
    )
    expect(results).toEqual([
      `RangeError: Expected \`len(lengths)\` to be equal to batch_size, but got ${many} (batch_size=1)`,
    ])
  })

  it('a text of many edges', () => {
    expect(String(ones([7, 7, 7, 7, 7, 7, 7]))).toMatch(
      /^tensor\(\[{7}1\., 1\., 1\., {2}\.\.\., 1\./,
    )
  })
})

describe.runIf(process.platform === 'linux')('a process that is out of memory', () => {
  const limit = 4096
  /** Runs code that may call `starve(left)`, after which only so many MiB are left; gives what `attempt` gave. */
  const starved = (code: string): string[] => {
    const { status, stdout, stderr } = runModule(
      `import { readFileSync } from 'node:fs'
       import { deserializeSafetensors, nn, serializeSafetensors, zeros } from '@elman/rnn'
       const results = []
       const attempt = (run) => {
         try { results.push(String(run())) } catch (error) { results.push(String(error)) }
       }
       const used = () => Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status'))[1]) / 1024
       let taken = null
       const starve = (left) => { taken = new Uint8Array((${limit} - used() - left) * 2 ** 20) }
       ${code}
       console.log(JSON.stringify(results))`,
      { flags: ['--expose-gc'], megabytes: limit },
    )
    expect([status, stderr]).toEqual([0, ''])
    return JSON.parse(stdout)
  }

  it('gets a RangeError for a tensor', () => {
    const results = starved(`
      starve(48)
      attempt(() => zeros([2 ** 24]))
      attempt(() => zeros([2 ** 20]).numel)`)
    expect(results).toEqual([
      'RangeError: cannot allocate 16777216 elements of float32',
      `${2 ** 20}`,
    ])
  })

  it('gets a RangeError for what Rust needs, and the module can be used afterwards', () => {
    const results = starved(`
      const rnn = new nn.RNN(4, 4096)
      const input = zeros([2, 2, 4])
      starve(48)
      attempt(() => rnn.forward(input))
      attempt(() => rnn.vjp(input))
      taken = null
      while (used() > ${limit - 512}) gc() // which frees in the background
      attempt(() => rnn.forward(input)[0].shape)`)
    expect(results).toEqual([
      expect.stringMatching(/^RangeError: cannot allocate \d+ bytes of scratch memory$/),
      expect.stringMatching(/^RangeError: cannot allocate \d+ bytes of scratch memory$/),
      '2,2,4096',
    ])
  })

  // Enough is left for the bytes in Rust, but not for those of JavaScript beside them.
  it.each(['serializeSafetensors(tensors)', 'deserializeSafetensors(file)'])(
    'gets a RangeError from %s',
    (call) => {
      const results = starved(`
        const tensors = new Map([['w', zeros([2 ** 24])]])
        const file = serializeSafetensors(tensors)
        starve(96)
        attempt(() => ${call})
        attempt(() => taken.length > 0)`)
      expect(results).toEqual([expect.stringMatching(/^RangeError: /), 'true'])
    },
  )
})

/** Which C library the process has, and what it does of itself: see `src/malloc.rs`. */
const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }

describe.runIf(header.glibcVersionRuntime !== undefined)('memory of large results', () => {
  /** Page faults of one call of `step`, where the results of 64 units for `steps` steps are 16 KB a step. */
  const faults = (steps: number, step: string, env: Record<string, string> = {}): number => {
    const { status, stdout, stderr } = runModule(
      `import { nn, noGrad, randn, setNumThreads } from '@elman/rnn'
       setNumThreads(1)
       const rnn = new nn.RNN(64, 64)
       const input = randn([${steps}, 64, 64], { requiresGrad: true })
       const step = () => {
         ${step}
       }
       const found = () => process.resourceUsage().minorPageFault
       for (let i = 0; i < 10; i += 1) step()
       const before = found()
       for (let i = 0; i < 40; i += 1) step()
       console.log((found() - before) / 40)`,
      { env },
    )
    expect([status, stderr]).toEqual([0, ''])
    return Number(stdout)
  }
  const train = `
    const [output] = rnn.forward(input)
    output.sum().backward()
    for (const tensor of [input, ...rnn.parameters()]) tensor.grad = null`
  const infer = 'noGrad(() => rnn.forward(input))'

  // Where the system has large pages for all, there are few faults anyway.
  const pages = '/sys/kernel/mm/transparent_hugepage/enabled'
  const large = existsSync(pages) && readFileSync(pages, 'utf8').includes('[always]')
  it('is kept for the next ones', () => {
    expect(faults(500, train)).toBeLessThan(400)
  })

  // Those of 32 MiB and more would each be a mapping of its own, of 8600 pages here; before 2.35, glibc wants it so.
  const [major = 0, minor = 0] = (header.glibcVersionRuntime ?? '').split('.').map(Number)
  it.skipIf(large || major < 2 || (major === 2 && minor < 35))('of 34 MB too', () => {
    expect(faults(2100, infer)).toBeLessThan(4000)
  })

  it.skipIf(large)('is given back if the environment says so', () => {
    expect(faults(500, train, { MALLOC_TRIM_THRESHOLD_: '131072' })).toBeGreaterThan(2000)
    expect(faults(2100, infer, { MALLOC_MMAP_MAX_: '65536' })).toBeGreaterThan(8000)
  })
})
