/** Objects: a wrong receiver, a class without `new` and a Proxy are TypeErrors. */

import { nn, optim, Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { addon } from '../helpers/addon'
import { elmanCore, recurrentCalls } from '../helpers/recurrent-calls'

describe('objects', () => {
  const methods = (prototype: object): [string, PropertyDescriptor][] =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(
      ([name]) => name !== 'constructor' && !name.startsWith('Symbol'),
    )
  const call = ([, { value, get }]: [string, PropertyDescriptor], receiver: unknown): unknown =>
    Reflect.apply(get ?? (value as () => unknown), receiver, [])

  /** Thrown, or what the promise of an asynchronous method is rejected with. */
  const expectTypeError = async (
    method: [string, PropertyDescriptor],
    receiver: unknown,
  ): Promise<void> => {
    const run = async (): Promise<unknown> => call(method, receiver)
    await expect(run(), method[0]).rejects.toThrow(TypeError)
  }

  const indices = tensor([1], { dtype: 'int32' })
  it.each([
    ['Tensor', Tensor.prototype, zeros([1])],
    ['IntTensor', Object.getPrototypeOf(indices), indices],
    ['Optimizer', Object.getPrototypeOf(optim.SGD.prototype), new optim.SGD([zeros([1])])],
  ])('methods of %s on a wrong receiver throw TypeErrors', async (kind, prototype, right) => {
    // The dtype of an IntTensor is the same for all.
    const own = methods(prototype).filter(([name]) => kind !== 'IntTensor' || name !== 'dtype')
    expect(own.length).toBeGreaterThan(3)
    const wrong = [{}, null, undefined, 3, Object.create(prototype), new nn.Dropout()]
    for (const method of own) {
      for (const receiver of wrong) await expectTypeError(method, receiver)
    }
    if (kind === 'Tensor') return // what its methods use is public, so they work on a Proxy
    for (const method of own) {
      if (['zeroGrad', 'toJSON'].includes(method[0])) continue // they use public fields
      await expectTypeError(method, new Proxy(right, {}))
    }
  })

  it('modules on a wrong receiver throw TypeErrors', () => {
    const words = tensor([0], { dtype: 'int32' })
    const { RNN, RNNCell, Linear, Embedding, Dropout, CrossEntropyLoss, MSELoss } = nn
    const forwards: [{ prototype: object }, unknown[]][] = [
      [RNN, [zeros([1, 1, 1])]],
      [RNNCell, [zeros([1, 1])]],
      [Linear, [zeros([1, 1])]],
      [Embedding, [words]],
      [Dropout, [zeros([1])]],
      [CrossEntropyLoss, [zeros([1, 1]), words]],
      [MSELoss, [zeros([1]), zeros([1])]],
    ]
    for (const [{ prototype }, args] of forwards) {
      for (const receiver of [{}, null, new nn.Module(), Object.create(prototype)]) {
        const forward = (): unknown =>
          Reflect.apply(Reflect.get(prototype, 'forward'), receiver, args)
        expect(forward, String(prototype.constructor)).toThrow(TypeError)
      }
    }
    expect(() => new Proxy(new RNN(1, 1), {}).forward(zeros([1, 1, 1]))).toThrow(TypeError)
    expect(() => Reflect.get(RNN.prototype, 'allWeights', {})).toThrow(TypeError)
  })

  it('classes need new, and a Proxy of a tensor is no tensor', () => {
    const { utils: _, ...classes } = nn
    for (const made of [...Object.values(classes), optim.SGD, optim.Adam, Tensor]) {
      expect(() => Reflect.apply(made as unknown as () => unknown, undefined, [2, 3])).toThrow(
        TypeError,
      )
    }
    expect(() => Reflect.construct(Tensor, [])).toThrow(TypeError)
    const proxy = new Proxy(zeros([2]), {})
    expect(() => zeros([2]).add(proxy)).toThrow(TypeError)
    expect(() => new nn.RNN(2, 1).forward(proxy)).toThrow(TypeError)
  })

  it('of the addon are told apart', () => {
    const sequences = addon.Sequences.padded(1, 1, false)
    const core = elmanCore()
    const { savedLength } = addon.RecurrentCore.prototype
    const disguised = Object.setPrototypeOf(new addon.Generator(), addon.Sequences.prototype)
    const wrong = [{}, null, 3, core, new Proxy(sequences, {}), disguised]
    for (const one of [...wrong, Object.create(addon.Sequences.prototype)]) {
      expect(() => core.savedLength(one, null, false)).toThrow(Error)
      expect(() => core.forward()(one, 0, 0, 0)).toThrow(Error)
    }
    for (const receiver of [{}, null, sequences, new Proxy(core, {}), Object.create(core)]) {
      expect(() => Reflect.apply(savedLength, receiver, [sequences, null, false])).toThrow(
        TypeError,
      )
    }
    expect(() => Reflect.construct(addon.Sequences, [])).toThrow(Error)
  })

  it('tasks of the addon, used in any order, throw errors or do nothing', async () => {
    const array = Float32Array.of(1, 2, 3)
    const fresh = new addon.Task()
    expect(() => fresh.finish()).toThrow('the task has not run')
    expect(fresh.copyBack(array, 0, 3)).toBe(false)
    expect(() => fresh.copy(array, 1, 1)).toThrow(RangeError) // the first part begins at 0
    fresh.begin()
    for (const use of [
      () => fresh.copy(array, 0, 3),
      () => fresh.start(),
      () => fresh.copyBack(array, 0, 3),
      () => fresh.begin(),
    ]) {
      expect(use).toThrow(Error)
    }
    expect(() => addon.sum(array)).toThrow('cannot run in the background')
    expect(fresh.end()).toBe(false)
    expect(addon.sum(array)).toBe(6)
    fresh.release()
    expect(() => fresh.start()).toThrow(Error)
    fresh.release()
    fresh.cancel()
    expect(new addon.Task().end()).toBe(false)

    const task = new addon.Task()
    const out = new Float32Array(3)
    task.copy(array, 0, 2)
    task.copy(array, 2, 1)
    task.begin()
    addon.mul(array, array, out)
    expect(() => addon.mulScalar(out, 2, new Float32Array(3))).toThrow('before it is there')
    expect(task.end()).toBe(true)
    array.fill(0)
    expect(() => task.copyBack(out, 0, 3)).toThrow('has not run')
    expect(() => task.copy(array, 0, 4)).toThrow(RangeError)
    await task.start()
    await task.start() // there is no more work
    expect(task.finish()).toBe(0)
    expect([...out]).toEqual([0, 0, 0])
    expect(() => task.copyBack(out, 1, 3)).toThrow(RangeError)
    expect(task.copyBack(new Float32Array(3), 0, 3)).toBe(false)
    expect(task.copyBack(out, 0, 2)).toBe(true)
    expect([...out]).toEqual([1, 4, 0])
    task.release()
    expect(() => task.copyBack(out, 2, 1)).toThrow(Error)

    // Invalid calls throw when they are recorded, or after they have run.
    const wrong = new addon.Task()
    wrong.begin()
    expect(() => addon.mul(array, array, array)).toThrow('overlaps')
    addon.mul(array, array, new Float32Array(2))
    expect(wrong.end()).toBe(true)
    await wrong.start()
    expect(() => wrong.finish()).toThrow(RangeError)
  })

  it('classes of the addon need new', () => {
    for (const [made, given] of [
      ...recurrentCalls
        .filter(({ name }) => name === 'RecurrentCore')
        .map(({ args }) => [addon.RecurrentCore, args()] as const),
      [addon.Generator, []],
      [addon.Task, []],
    ] as const) {
      const call = made as unknown as () => unknown
      for (const receiver of [{}, undefined, null, 3, addon, Object.create(null)]) {
        expect(() => Reflect.apply(call, receiver, given), made.name).toThrow(TypeError)
      }
      expect(Reflect.construct(made, given)).toBeInstanceOf(made)
    }
  })
})
