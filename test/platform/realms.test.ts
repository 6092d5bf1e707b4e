/** The package in a context of its own, as in Jest and in the vm pools of Vitest: all that it makes is of that realm. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { types } from 'node:util'
import type { Tensor } from '@elman/rnn'
import { afterAll, describe, expect, it } from 'vitest'
import { newRealm } from '../helpers/copies'

const { api, run } = newRealm()
const { nn, optim, tensor, zeros } = api
const realm = run('({ Object, Promise, Error, RangeError, TypeError, Float32Array })') as {
  Object: ObjectConstructor
  Promise: PromiseConstructor
  Error: ErrorConstructor
  RangeError: ErrorConstructor
  TypeError: ErrorConstructor
  Float32Array: Float32ArrayConstructor
}

const folder = mkdtempSync(join(tmpdir(), 'elman-realm-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The places in values that hold an object of another realm; a list of this test's own is not one of them. */
function foreigners(value: unknown, place: string, seen = new Set<unknown>()): string[] {
  if (Array.isArray(value) && Object.getPrototypeOf(value) === Array.prototype) {
    return value.flatMap((item: unknown) => foreigners(item, place, seen))
  }
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return []
  if (seen.has(value)) return []
  seen.add(value)
  const inside: [string, unknown][] = types.isMap(value)
    ? [...value].map(([key, item]): [string, unknown] => [String(key), item])
    : types.isTypedArray(value)
      ? [['buffer', value.buffer]]
      : Object.entries(value)
  if (value instanceof api.Tensor) {
    inside.push(['data', value.data], ['shape', value.shape], ['grad', value.grad])
  }
  return [
    ...(value instanceof realm.Object ? [] : [place]),
    ...inside.flatMap(([name, item]) => foreigners(item, `${place}.${name}`, seen)),
  ]
}

function thrown(fn: () => unknown): unknown {
  try {
    fn()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

const large = (): Tensor => zeros([100, 100, 64])

describe('in a context of its own', () => {
  it('is the package, on the addon that this realm has too', () => {
    expect(realm.RangeError).not.toBe(RangeError)
    expect(api.backendInfo().version).not.toBe('')
    api.manualSeed(0)
    expect(api.rand([1]).item()).toBeCloseTo(0.4963, 4)
  })

  it.each<[string, () => unknown]>([
    ['new tensors', () => [zeros([2, 3]), tensor([1], { dtype: 'float64' }), api.rand([3])]],
    ['class indices', () => tensor([1, 2], { dtype: 'int32' }).data],
    ['nested arrays', () => zeros([2, 3]).toArray()],
    ['backendInfo', () => api.backendInfo()],
    ['the state of the random numbers', () => api.getRngState()],
    ['a module', () => [new nn.LSTM(3, 4), new nn.LSTM(3, 4).stateDict()]],
    ['small results', () => new nn.RNN(3, 4).forward(zeros([2, 1, 3]))],
    ['large results', () => new nn.RNN(64, 128).forward(large())],
    [
      'large gradients',
      () => {
        const x = large()
        x.requiresGrad = true
        const rnn = new nn.RNN(64, 16)
        rnn.forward(x)[0].sum().backward()
        return [x, rnn]
      },
    ],
    [
      'vjp',
      () => {
        const { output, hN, pullback } = new nn.GRU(3, 4).vjp(zeros([2, 1, 3]))
        return [output, hN, pullback(output, null)]
      },
    ],
    [
      'a stream',
      () => {
        const stream = new nn.RNN(3, 4).stream()
        stream.step()
        return [stream.input, stream.output, stream.hidden, thrown(() => stream.reset(zeros([9])))]
      },
    ],
    [
      'packed sequences',
      () => {
        const packed = nn.utils.rnn.packSequence([zeros([3, 2]), zeros([1, 2])])
        const [padded, lengths] = nn.utils.rnn.padPackedSequence(packed)
        return [packed.data, packed.batchSizes.data, padded, lengths.data]
      },
    ],
    [
      'an optimizer and a schedule',
      () => {
        const linear = new nn.Linear(2, 2)
        linear
          .forward(zeros([1, 2]))
          .sum()
          .backward()
        const optimizer = new optim.Adam(linear.parameters())
        optimizer.step()
        const schedule = new optim.lrScheduler.StepLR(optimizer, 2)
        return [optimizer.stateDict(), schedule.stateDict(), schedule.getLastLr()]
      },
    ],
    [
      'files',
      () => {
        const model = new nn.RNN(3, 4)
        const path = join(folder, 'file')
        const extra = { epoch: [1] }
        api.saveCheckpoint({ model, extra }, path)
        const bytes = api.serializeSafetensors(model.stateDict())
        return [
          api.loadCheckpoint(path, { model }),
          api.loadSafetensors(path),
          bytes,
          api.deserializeSafetensors(bytes),
          api.exportOnnx(model),
        ]
      },
    ],
  ])('%s are of its realm', (name, make) => {
    expect(foreigners(make(), name)).toEqual([])
  })

  it('promises and what they give are of its realm', async () => {
    const rnn = new nn.RNN(64, 64)
    const call = rnn.forwardAsync(large())
    expect(call).toBeInstanceOf(realm.Promise)
    const result = await call
    const backward = result[0].sum().backwardAsync()
    expect(backward).toBeInstanceOf(realm.Promise)
    await backward
    expect(foreigners([result, rnn], 'result')).toEqual([])
  })

  const modified = (): Tensor => {
    const rnn = new nn.RNN(64, 64)
    const [output] = rnn.forward(large())
    output.data[0] = 7
    return output
  }

  it.each<[string, keyof typeof realm, () => unknown]>([
    ['a check in TypeScript', 'RangeError', () => zeros([-1])],
    ['a state that is none', 'RangeError', () => api.setRngState(new Uint8Array(3))],
    ['bytes that are no file', 'RangeError', () => api.deserializeSafetensors(new Uint8Array(3))],
    [
      "an index in torch's words",
      'RangeError',
      () => new nn.Embedding(3, 2).forward(tensor([7], { dtype: 'int32' })),
    ],
    ['a module without memory', 'RangeError', () => new nn.RNN(2 ** 30, 2 ** 30)],
    ['a changed value', 'Error', () => modified().sum().backward()],
    [
      'a stream without memory',
      'RangeError',
      () => {
        const stream = new nn.RNN(3, 4).stream()
        structuredClone(stream.input.buffer, { transfer: [stream.input.buffer as ArrayBuffer] })
        stream.step()
      },
    ],
    ['a file that is not there', 'Error', () => api.loadSafetensors(join(folder, 'none'))],
    ['a folder', 'Error', () => api.saveSafetensors(new Map(), folder)],
  ])('the error of %s is of its realm: %s', (_, kind, fn) => {
    const error = thrown(fn) as Error
    expect(error).toBeInstanceOf(realm[kind])
    expect(error).toBeInstanceOf(realm.Error)
    expect(error.constructor).toBe(realm[kind])
    expect(error.stack).toContain(error.message)
    expect(error.stack).toContain('realms.test.ts')
  })

  it('an error of Node keeps its code', () => {
    expect(thrown(() => api.loadSafetensors(join(folder, 'none')))).toMatchObject({
      code: 'ENOENT',
      syscall: 'open',
      message: expect.stringMatching(/^ENOENT: no such file or directory, open/),
    })
  })

  it('rejections are of its realm', async () => {
    await expect(new nn.RNN(3, 4).forwardAsync(zeros([1]))).rejects.toBeInstanceOf(realm.RangeError)
    await expect(modified().sum().backwardAsync()).rejects.toBeInstanceOf(realm.Error)
    const reason = run('new RangeError("enough")')
    const signal = AbortSignal.abort(reason)
    await expect(new nn.RNN(3, 4).forwardAsync(zeros([1, 1, 3]), null, { signal })).rejects.toBe(
      reason,
    )
  })

  it('arrays of this realm are taken as they are', () => {
    const values = Float32Array.of(1, 2)
    expect(tensor(values).data).toBe(values)
    const own = new realm.Float32Array(2)
    expect(tensor(own).data).toBe(own)
    const state = new Map(new nn.RNN(3, 4).stateDict())
    expect(new nn.RNN(3, 4).loadStateDict(state).missingKeys).toEqual([])
  })
})
