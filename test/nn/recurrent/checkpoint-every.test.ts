/** `checkpointEvery`, mostly of nn.RNN: the same bits, less memory between forward and backward, and errors. */

import { getRngState, manualSeed, nn, type Tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { addon } from '../../helpers/addon'
import { runModule } from '../../helpers/child'
import { bits, errorOf, expectSameBits, filled } from '../../helpers/numbers'

const { packPaddedSequence } = nn.utils.rnn

/** A loss with another weight for each element. */
function lossOf(results: readonly Tensor[]): Tensor {
  const [first, second] = results.map((one, place) =>
    one.mul(filled(one.shape, 7 + place, { dtype: one.dtype })).sum(),
  )
  return first.add(second)
}

/** Results and all gradients. */
function gradientsOf(rnn: nn.RNN, leaves: readonly Tensor[], results: readonly Tensor[]): Tensor[] {
  lossOf(results).backward()
  const grads = [...leaves, ...rnn.parameters()].map(({ grad }) => grad ?? zeros([]))
  rnn.zeroGrad()
  for (const leaf of leaves) leaf.grad = null
  return [...results, ...grads]
}

describe('checkpointEvery', () => {
  it('changes no bit where threads share the work and sums are cut into chunks', () => {
    const rnn = new nn.RNN(40, 96, { numLayers: 3, dropout: 0.2 })
    const input = filled([700, 4, 40], 1, { requiresGrad: true })
    const step = (checkpointEvery: number | null): Tensor[] => {
      manualSeed(3)
      return gradientsOf(rnn, [input], rnn.forward(input, null, { checkpointEvery }))
    }
    const expected = step(null)
    for (const every of [1, 26, 27, 350, 700, 701, Number.MAX_SAFE_INTEGER]) {
      step(every).forEach((result, place) => {
        expectSameBits(result, expected[place])
      })
    }
  })

  it('changes no bit off the event loop either', async () => {
    const rnn = new nn.RNN(3, 17, { numLayers: 3, dropout: 0.5, batchFirst: true })
    const input = filled([4, 30, 3], 1, { requiresGrad: true })
    const lengths = [7, 30, 1, 12]
    const step = async (checkpointEvery: number | null): Promise<Tensor[]> => {
      manualSeed(3)
      const results = await rnn.forwardAsync(input, null, { lengths, checkpointEvery })
      await lossOf(results).backwardAsync()
      const grads = [input, ...rnn.parameters()].map(({ grad }) => grad ?? zeros([]))
      rnn.zeroGrad()
      input.grad = null
      return [...results, ...grads]
    }
    const expected = await step(null)
    const actual = await step(6)
    actual.forEach((result, place) => {
      expectSameBits(result, expected[place])
    })
    const packed = packPaddedSequence(input, lengths, { batchFirst: true, enforceSorted: false })
    manualSeed(3)
    const [, hN] = await rnn.forwardAsync(packed, null, { checkpointEvery: 6 })
    expectSameBits(hN, expected[1])
  })
})

describe('memory between forward and backward', () => {
  // Long sequences. An array of T·B·H numbers is above 32 MiB, so that malloc gives it back when it is freed, as the
  // environment says here: what malloc keeps is not the question.
  const env = { MALLOC_MMAP_THRESHOLD_: `${32 << 20}` }
  const [steps, batch, hidden, layers] = [10_000, 8, 112, 3]

  /**
   * Bytes that the third step holds beyond its output: in array buffers, and resident above the time before all steps. Small
   * results like hN lie in a buffer that may be there before.
   */
  function held(checkpointEvery: number | null): { buffers: number; resident: number } {
    const { status, stdout, stderr } = runModule(
      `import { setTimeout } from 'node:timers/promises'
       import { nn, ones, rand } from '@elman/rnn'
       const rnn = new nn.RNN(2, ${hidden}, { numLayers: ${layers} })
       const gradient = ones([${steps}, ${batch}, ${hidden}])
       const now = async () => {
         for (let time = 0; time < 3; time += 1) {
           globalThis.gc()
           await setTimeout(20) // array buffers are freed on another thread
         }
         const { arrayBuffers, rss } = process.memoryUsage()
         return { buffers: arrayBuffers, resident: rss }
       }
       const step = async (T) => {
         const input = rand([T, ${batch}, 2])
         const before = await now()
         const [output] = rnn.forward(input, null, { checkpointEvery: ${checkpointEvery} })
         const after = await now()
         output.backward(T === ${steps} ? gradient : ones(output.shape))
         return { before, after, results: output.data.byteLength }
       }
       await step(2) // loads everything
       const start = await now()
       await step(${steps})
       await step(${steps})
       const { before, after, results } = await step(${steps})
       console.log(JSON.stringify({
         buffers: after.buffers - before.buffers - results,
         resident: after.resident - start.resident - results,
       }))`,
      { flags: ['--expose-gc'], env },
    )
    expect([status, stderr]).toEqual([0, ''])
    return JSON.parse(stdout)
  }

  it('is at least 10 times less with about √T', () => {
    const outputs = (layers - 1) * steps * batch * hidden * 4
    const states = (layers - 1) * 99 * batch * hidden * 4
    const [plain, checkpointed] = [held(null), held(100)]
    expect(plain.buffers).toBeGreaterThanOrEqual(outputs)
    expect(checkpointed.buffers).toBeGreaterThanOrEqual(states)
    expect(checkpointed.buffers).toBeLessThan(1.5 * states)
    expect(plain.buffers / checkpointed.buffers).toBeGreaterThan(10)
    // The addon does not keep the work memory of earlier backward passes either.
    expect(plain.resident).toBeGreaterThanOrEqual(outputs)
    expect(checkpointed.resident).toBeLessThan(outputs / 4)
  })
})

describe('refuses, and draws no random numbers:', () => {
  const rnn = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
  const both = new nn.RNN(3, 4, { bidirectional: true })
  const input = filled([5, 2, 3], 1)
  const int = (got: string) => new TypeError(`checkpoint_every should be of type int, got: ${got}`)
  const positive = new RangeError('checkpoint_every must be greater than zero')
  const bidirectional = new RangeError(
    'checkpointEvery goes forward in time: expected a module with bidirectional=false, got bidirectional=true, whose second half begins at the end of the sequence',
  )
  const cases: [name: string, module: nn.RNN, value: unknown, expected: Error][] = [
    ['NaN', rnn, Number.NaN, int('NaN')],
    ['fractions', rnn, 1.5, int('1.5')],
    ['infinity', rnn, Number.POSITIVE_INFINITY, int('Infinity')],
    ['strings', rnn, '2', int("'2'")],
    ['bigints', rnn, 2n, int('2n')],
    ['booleans', rnn, true, int('true')],
    ['zero', rnn, 0, positive],
    ['negative numbers', rnn, -1, positive],
    [
      'numbers beyond 2^53',
      rnn,
      2 ** 53,
      new RangeError(`checkpoint_every should be at most 2^53 - 1 in size, got: ${2 ** 53}`),
    ],
    ['bidirectional modules', both, 2, bidirectional],
  ]

  it.each(cases)('%s', async (_, module, value, expected) => {
    const options = { checkpointEvery: value as number }
    const packed = packPaddedSequence(input, [5, 2])
    const before = Buffer.from(getRngState()).toString('hex')
    const weights = module.parameters().map(bits)
    for (const given of [input, packed] as [Tensor, typeof packed]) {
      const error = errorOf(() => module.forward(given as Tensor, null, options))
      expect(error).toEqual(expected)
      expect(error).toBeInstanceOf(expected.constructor)
      await expect(module.forwardAsync(given as Tensor, null, options)).rejects.toEqual(expected)
    }
    expect(Buffer.from(getRngState()).toString('hex')).toBe(before)
    expect(module.parameters().map(bits)).toEqual(weights)
  })

  it('vjp, whose pullback may be called many times', () => {
    // @ts-expect-error: it is no option of vjp
    expect(errorOf(() => rnn.vjp(input, null, { checkpointEvery: 2 }))).toEqual(
      new TypeError("RNN.vjp() got an unexpected keyword argument 'checkpointEvery'"),
    )
  })
})

describe('what LSTM and GRU keep for the backward pass', () => {
  const sequences = addon.Sequences.padded(100, 8, false)
  const sizes = { inputSize: 3, hiddenSize: 32, numLayers: 1, bidirectional: false }
  const flags = { bias: true, bare: false }
  const kept = (cell: string, config: object, every: number | null = null): number =>
    new addon.RecurrentCore(
      cell,
      { ...sizes, ...flags, ...config },
      'float32',
      'a test',
    ).savedLength(sequences, null, false, every)

  it('is what the docs say', () => {
    const rows = 100 * 8
    const two = { numLayers: 2 }
    expect(kept('lstm', { projSize: 0 })).toBe(rows * 5 * 32)
    expect(kept('lstm', { projSize: 8 })).toBe(rows * 5 * 32)
    expect(kept('gru', {})).toBe(rows * 4 * 32)
    expect(kept('lstm', { projSize: 8, ...two })).toBe(rows * (2 * 5 * 32 + 8))
    expect(kept('gru', two)).toBe(rows * (2 * 4 * 32 + 32))
  })

  it('is less with checkpointEvery, also of one layer', () => {
    // The states before each segment but the first.
    expect(kept('lstm', { projSize: 0 }, 10)).toBe(9 * 8 * 2 * 32)
    expect(kept('gru', {}, 10)).toBe(9 * 8 * 32)
  })
})
