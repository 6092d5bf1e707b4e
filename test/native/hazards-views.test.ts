/** Views of memory: offsets of arrays are respected, and other views are refused. */

import {
  type DType,
  deserializeSafetensors,
  getRngState,
  nn,
  ones,
  optim,
  serializeSafetensors,
  setRngState,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { addon, arrayAt, arrayPlaces, bytesOf, calls, replaced } from '../helpers/addon'
import { runModule } from '../helpers/child'
import { bits, errorOf, expectSameBits, filled, gradOf } from '../helpers/numbers'

type Resizable = ArrayBuffer & { resize(length: number): void }

/** A buffer whose length may change: Node 20 has them, its types do not. */
function resizable(length: number, maxByteLength: number): Resizable {
  return Reflect.construct(ArrayBuffer, [length, { maxByteLength }]) as Resizable
}

function detach({ buffer }: { readonly buffer: ArrayBufferLike }): void {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
}

const withArrays = calls
  .filter(({ args }) => arrayPlaces(args()).length > 0)
  .map((call) => [call.name, call] as const)

/** The kind of an array, which makes another one. */
type Kind = new (buffer: ArrayBufferLike, byteOffset?: number, length?: number) => Float32Array
const kindOf = (array: object): Kind => array.constructor as Kind

/** A copy in memory of another kind. */
function copy(
  array: ReturnType<typeof arrayAt>,
  buffer: ArrayBufferLike,
  offset = 0,
): Float32Array {
  const view = new (kindOf(array))(buffer, offset, array.length)
  view.set(array)
  return view
}

describe('the addon, for each array of each call,', () => {
  it.each(withArrays)('%s: honours byteOffset, and writes nowhere else', (_, { args, run }) => {
    const plain = args()
    run(plain)
    const expected = bytesOf(plain)
    const fresh = args()
    const guard = 16
    let moved = fresh
    const buffers: Uint8Array[] = []
    for (const place of arrayPlaces(fresh)) {
      const array = arrayAt(fresh, place)
      const bytes = new Uint8Array(array.byteLength + 2 * guard).fill(0xa5)
      moved = replaced(moved, place, copy(array, bytes.buffer, guard))
      buffers.push(bytes)
    }
    run(moved)
    expect(bytesOf(moved)).toEqual(expected)
    for (const bytes of buffers) {
      const around = [...bytes.subarray(0, guard), ...bytes.subarray(-guard)]
      expect(around).toEqual(new Array(2 * guard).fill(0xa5))
    }
  })

  const alone = ['sum', 'clip', 'fill', 'fingerprint', 'Generator#uniform', 'Generator#normal']
  // Arrays other than those of the fingerprint are another error, and a task takes any array.
  const others = ['verify', 'Task#copy', 'Task#copyBack']
  it.each(withArrays)('%s: refuses what is no such array', (name, { args, run }) => {
    for (const place of arrayPlaces(args())) {
      const array = arrayAt(args(), place)
      const { length, byteLength } = array
      const other = array instanceof Int32Array ? Float32Array : Int32Array
      const gone = array.slice()
      detach(gone)
      const shared = copy(array, new SharedArrayBuffer(byteLength))
      const wrong: [string, unknown][] = [
        ['integers for floats, or the other way round', new other(length)],
        ['shared memory', shared],
        ['a DataView', new DataView(new ArrayBuffer(byteLength))],
        ['an ArrayBuffer', new ArrayBuffer(byteLength)],
        ['a list', Array.from(array)],
        ['a Proxy', new Proxy(array, {})],
        ['an object', { length }],
        ['a number', 3],
      ]
      // An array that is alone in its call may be of either precision.
      if (!alone.includes(name) && !others.includes(name))
        wrong.push([
          'another precision',
          array instanceof Float64Array ? new Float32Array(length) : new Float64Array(length),
        ])
      const refuses = (value: unknown, kind: ErrorConstructor, what: string): void => {
        const given = args()
        const before = bytesOf(given)
        const error = errorOf(() => run(replaced(given, place, value)))
        expect(error, `${what} at ${place} of ${name}`).toBeInstanceOf(kind)
        expect(bytesOf(given), `${what} at ${place} of ${name}`).toEqual(before)
      }
      for (const [what, value] of wrong) refuses(value, TypeError, what)
      // A detached array is a RangeError, not a TypeError.
      refuses(gone, RangeError, 'detached memory')
    }
  })

  const strided = ['copyStrided', 'addStrided']
  it.each(withArrays)('%s: refuses another length', (name, { args, run }) => {
    // Any length is right for an array that is alone, and those of packed sequences are told by one another.
    if (
      [...alone, ...others, 'gradNorm', 'deserializeSafetensors', 'Sequences.packed'].includes(name)
    )
      return
    for (const place of arrayPlaces(args())) {
      const array = arrayAt(args(), place)
      const { byteLength, BYTES_PER_ELEMENT } = array
      const buffer = resizable(byteLength, byteLength + 8)
      const tracking = new (kindOf(array))(buffer)
      tracking.set(array)
      expect(() => run(replaced(args(), place, tracking))).not.toThrow()
      const lengths = [byteLength - BYTES_PER_ELEMENT, 0]
      // A strided view may be one of a longer array.
      if (!(strided.includes(name) && place[0] === 0)) lengths.unshift(byteLength + 8)
      for (const length of lengths) {
        buffer.resize(length)
        const given = args()
        const before = bytesOf(given)
        const error = errorOf(() => run(replaced(given, place, tracking)))
        expect(error, `${length} bytes at ${place} of ${name}`).toBeInstanceOf(RangeError)
        expect(bytesOf(given), `${length} bytes at ${place} of ${name}`).toEqual(before)
      }
    }
  })

  const writing = withArrays.filter(([, { written }]) => written.length > 0)
  it.each(writing)('%s: refuses an output that overlaps another array', (name, call) => {
    for (const place of call.written) {
      for (const other of arrayPlaces(call.args())) {
        if (String(other) === String(place)) continue
        const given = call.args()
        const [output, array] = [arrayAt(given, place), arrayAt(given, other)]
        if (array.length === 0 || output.length === 0) continue
        // The numbers of a call are read before anything is written.
        if (array instanceof Float64Array) continue
        // One element in common: the last of one and the first of the other.
        const bytes = new ArrayBuffer(output.byteLength + array.byteLength - 4)
        const both = replaced(
          replaced(given, place, copy(output, bytes)),
          other,
          copy(array, bytes, output.byteLength - 4),
        )
        const before = bytesOf(both)
        const error = errorOf(() => call.run(both))
        expect(error, `${place} and ${other} of ${name}`).toBeInstanceOf(RangeError)
        expect((error as Error).message).toContain('overlaps')
        expect(bytesOf(both)).toEqual(before)
      }
    }
  })

  it('mulScalar may write where it reads, and nothing overlaps an empty array', () => {
    const x = Float32Array.of(1, 2, 3)
    addon.mulScalar(x, 2, x)
    expect([...x]).toEqual([2, 4, 6])
    expect(() => addon.mulScalar(x.subarray(0, 2), 2, x.subarray(1, 3))).toThrow('overlaps')
    addon.add(x.subarray(1, 1), x.subarray(1, 1), x.subarray(1, 1))
    expect(addon.sum(new Float32Array(0))).toBe(0)
    expect(addon.gradNorm([new Float64Array(0)], 2)).toBe(0)
    expect(addon.serializeSafetensors([], null).length).toBeGreaterThan(8)
  })

  // Reading a list or an object can run the caller's code, which may detach memory that was checked before.
  const snatching = {
    'a list': 'addon.gradNorm(list(memory, 2 ** 22), 2)',
    options: `addon.sgdStep(memory, new Float32Array(2 ** 22), null, false, {
      get lr() { buffer.resize(0); return 1 },
      momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false,
    })`,
    'an entry of a file': `addon.serializeSafetensors([
      { name: 'a', dtype: 'float32', shape: [2 ** 22], data: memory },
      { get name() { buffer.resize(0); return 'b' }, dtype: 'float32', shape: [1], data: new Float32Array(1) },
    ])`,
    'a list of a recurrent call': `core.forward()(
      addon.Sequences.padded(2 ** 22, 1, false), 0, 0, 0,
      null, memory, null, null, list(new Float32Array(1), null), new Float32Array(2 ** 22), null, new Float32Array(1),
    )`,
  }
  it.each(Object.entries(snatching))('reads memory after %s', (_, call) => {
    const { status, signal, stdout } = runModule(`
      import { createRequire } from 'node:module'
      const addon = createRequire(process.cwd() + '/')('./index.js')
      const buffer = new ArrayBuffer(2 ** 24, { maxByteLength: 2 ** 24 })
      const memory = new Float32Array(buffer)
      const core = new addon.RecurrentCore('elman', {
        inputSize: 1, hiddenSize: 1, numLayers: 1, nonlinearity: 'tanh',
        bias: false, bidirectional: false, bare: false,
      }, 'float32', 'a test')
      const list = (...items) => Object.defineProperty(items, 1, {
        get() { buffer.resize(0); return new Float32Array(1) },
      })
      try { ${call} } catch (error) { console.log(error.name) }
      console.log('goes on')`)
    expect([status, signal]).toEqual([0, null])
    expect(stdout).toMatch(/^(RangeError\n)?goes on\n$/)
  })
})

describe('tensors', () => {
  it('whose memory is gone are refused with the same kind of error by compiled code', () => {
    // After the use of resizable buffers, compiled code of Node 20 and 22 returns the old `data.length` of a detached
    // array: the check in TypeScript passes, the check in the addon does not.
    const { status, stdout } = runModule(`
      import { nn, tensor, zeros } from '@elman/rnn'
      const rnn = new nn.RNN(3, 4)
      const resizable = new Float32Array(new ArrayBuffer(120, { maxByteLength: 240 }))
      const inputs = [zeros([5, 2, 3]), tensor(resizable, { shape: [5, 2, 3] })]
      for (let i = 0; i < 20_000; i++) rnn.forward(inputs[i % 2])
      const gone = zeros([5, 2, 3])
      structuredClone(gone.data.buffer, { transfer: [gone.data.buffer] })
      try { rnn.forward(gone) } catch ({ name, message }) { console.log(name, message) }`)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^RangeError the data of this tensor was detached or resized/)
  })

  const rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true })
  const x = filled([5, 2, 3], 1)
  const hx = filled([4, 2, 4], 2)
  const loss = new nn.CrossEntropyLoss()

  it('over a part of a buffer give the same bits', () => {
    const part = ({ data, shape }: Tensor): Tensor => {
      const room = new Float32Array(data.length + 7).fill(Number.NaN)
      room.set(data, 3)
      return tensor(room.subarray(3, 3 + data.length), { shape, requiresGrad: true })
    }
    const train = (input: Tensor, state: Tensor): Tensor[] => {
      rnn.zeroGrad()
      const [output, hN] = rnn.forward(input, state)
      output.backward(ones(output.shape))
      return [output, hN, ...rnn.parameters().map(({ grad }) => grad ?? zeros([]))]
    }
    const expected = train(x, hx)
    train(part(x), part(hx)).forEach((one, place) => {
      expectSameBits(one, expected[place])
    })
  })

  it('whose memory is gone or has another size are refused, and work when it is back', () => {
    const buffer = resizable(x.data.byteLength, 2 * x.data.byteLength)
    const data = new Float32Array(buffer)
    data.set(x.data)
    const input = tensor(data, { shape: x.shape })
    const expected = bits(rnn.forward(input)[0])
    const uses: (() => unknown)[] = [
      () => rnn.forward(input),
      () => rnn.vjp(input),
      () => input.add(1),
      () => input.mul(input),
      () => input.tanh(),
      () => input.sum(),
      () => input.transpose(0, 1),
      () => input.narrow(0, 0, 1),
      () => input.reshape([-1]),
      () => input.toArray(),
      () => String(input),
      () => serializeSafetensors(new Map([['x', input]])),
      () => rnn.loadStateDict(new Map([['weight_ih_l0', input]]), { strict: false }),
    ]
    for (const length of [0, data.byteLength - 4, 2 * data.byteLength]) {
      buffer.resize(length)
      for (const use of uses) expect(errorOf(use), String(use)).toBeInstanceOf(RangeError)
    }
    buffer.resize(x.data.byteLength)
    data.set(x.data)
    expect(bits(rnn.forward(input)[0])).toBe(expected)
  })

  it('of indices whose memory is gone are refused', () => {
    const words = tensor(Int32Array.of(1, 0))
    detach(words.data)
    const table = new nn.Embedding(3, 2)
    expect(() => table.forward(words)).toThrow(RangeError)
    expect(() => loss.forward(zeros([2, 3]), words)).toThrow(RangeError)
    expect(() => rnn.forward(x, hx, { lengths: words })).toThrow(RangeError)
    expect(() => words.toArray()).toThrow(RangeError)
    expect(() => String(words)).toThrow(RangeError)
    expect(() => serializeSafetensors(new Map([['w', words]]))).toThrow(RangeError)
  })

  it('in the middle of training: an error changes nothing', () => {
    const model = new nn.RNN(2, 2)
    const optimizer = new optim.Adam(model.parameters())
    const before = (): string =>
      JSON.stringify(model.parameters().map((one) => [bits(one), one.grad]))
    const [output] = model.forward(ones([2, 1, 2]))
    detach(output.data)
    const state = before()
    expect(() => output.sum()).toThrow(RangeError)
    const [again] = model.forward(ones([2, 1, 2]))
    const total = again.sum()
    detach(again.data)
    expect(() => total.backward()).toThrow(RangeError)
    expect(before()).toBe(state)

    model
      .forward(ones([2, 1, 2]))[0]
      .sum()
      .backward()
    const { grad } = model.bias_hh_l0
    detach(grad?.data ?? new Float32Array(1))
    const weights = model.parameters().map(bits)
    expect(() => optimizer.step()).toThrow(RangeError)
    expect(() => nn.utils.clipGradNorm_(model.parameters(), 0.1)).toThrow(RangeError)
    expect(model.parameters().map(bits)).toEqual(weights)
    expect(optimizer.stateDict().state.size).toBe(0)
  })

  it('are never over shared memory', () => {
    const memory = new SharedArrayBuffer(16)
    expect(() => tensor(new Float32Array(memory))).toThrow(TypeError)
    expect(() => tensor(new Float64Array(memory))).toThrow(TypeError)
    expect(() => tensor(new Int32Array(memory))).toThrow(TypeError)
    expect(() => tensor(new Uint8Array(memory))).toThrow(TypeError)
    const state = getRngState()
    const shared = new Uint8Array(new SharedArrayBuffer(state.length))
    shared.set(state)
    expect(() => setRngState(shared)).toThrow(TypeError)
    expect(() => deserializeSafetensors(shared)).toThrow(TypeError)
    const lengths = new Int32Array(new SharedArrayBuffer(8)).fill(5)
    expect(() => rnn.forward(x, hx, { lengths })).toThrow(TypeError)
  })

  it('may share memory with their gradients', () => {
    const a = tensor([1, 2], { requiresGrad: true })
    const b = tensor([3, 4], { requiresGrad: true })
    a.grad = ones([2])
    b.grad = zeros([2])
    a.add(b).backward(a.grad)
    expect([a.grad.toArray(), b.grad.toArray()]).toEqual([
      [2, 2],
      [1, 1],
    ])
    for (const optimizer of [
      new optim.SGD([a], { lr: 0.5 }),
      new optim.SGD([a], { lr: 0.5, momentum: 0.9 }),
    ]) {
      a.data.set([1, 2])
      a.grad = a.detach()
      optimizer.step()
      expect(a.toArray()).toEqual([0.5, 1])
    }
    const optimizer = new optim.SGD([a], { lr: 1, momentum: 0.5 })
    a.data.set([0, 0])
    a.grad = ones([2])
    optimizer.step()
    const buffer = optimizer.stateDict().state.get(0)?.momentumBuffer as Tensor | undefined
    if (!buffer) throw new Error('no momentum')
    a.grad = buffer
    optimizer.step() // v = 0.5 v + v
    expect([buffer.toArray(), a.toArray()]).toEqual([
      [1.5, 1.5],
      [-2.5, -2.5],
    ])
  })
})

describe('small results of training, which share buffers,', () => {
  /** What a pass over each kind of layer leaves, and a call of `vjp` with its pullback. */
  function results(): Tensor<DType>[] {
    const layers = [
      new nn.RNN(3, 4, { dtype: 'float64' }),
      new nn.RNN(4, 5, { numLayers: 2, bidirectional: true, dtype: 'float64' }),
      new nn.JordanRNN(10, 4, 3, { dtype: 'float64' }),
    ]
    const last = new nn.Linear(3, 2, { dtype: 'float64' })
    const x = filled([6, 2, 3], 1, { dtype: 'float64', requiresGrad: true })
    let y = x
    for (const layer of layers) [y] = layer.forward(y)
    last.forward(y).sum().backward()
    const rnn = new nn.RNN(3, 4)
    const { output, hN, pullback } = rnn.vjp(filled([6, 2, 3], 2))
    const { input, hx, parameters } = pullback(ones([6, 2, 4]), null)
    const leaves = [x, ...[...layers, last].flatMap((layer) => [...layer.parameters()])]
    return [
      ...leaves.map((leaf) => gradOf<DType>(leaf)),
      ...[output, hN, input, hx, ...parameters.values()],
      ...rnn.forward(filled([6, 2, 3], 2)),
    ]
  }

  it('are alone in theirs where a program sees them', () => {
    const all = results()
    const before = all.map((result) => result.toArray())
    for (const [place, result] of all.entries()) {
      const { data } = result
      expect(data.buffer.byteLength).toBe(data.byteLength)
      expect(result.data).toBe(data)
      expect(result.detach().data).toBe(data)
      expect(result.toArray()).toEqual(before[place])
    }
    expect(new Set(all.map(({ data }) => data.buffer)).size).toBe(all.length)
  })

  it('stay as they are while calls after theirs fill their buffer and others', () => {
    const rnn = new nn.RNN(8, 12, { numLayers: 2, dtype: 'float64' })
    const kept = Array.from({ length: 120 }, (_, call) => {
      const { output, hN, pullback } = rnn.vjp(filled([3, 2, 8], call, { dtype: 'float64' }))
      const { input, hx, parameters } = pullback(
        null,
        filled([2, 2, 12], call, { dtype: 'float64' }),
      )
      return [output, hN, input, hx, ...parameters.values()].map((result) => ({
        result,
        before: result.toArray(),
      }))
    })
    for (const { result, before } of kept.flat()) expect(result.toArray()).toEqual(before)
  })

  it('stay when the memory of one is transferred', () => {
    const [first, ...rest] = results()
    const before = rest.map((result) => result.toArray())
    if (first) detach(first.data)
    expect(first?.data.length).toBe(0)
    expect(rest.map((result) => result.toArray())).toEqual(before)
  })

  it('are what a program has written into them, wherever they are read', () => {
    const layer = new nn.Linear(3, 2)
    const { weight } = layer
    const before = [...weight.data]
    const pass = (): void =>
      layer
        .forward(ones([1, 3]))
        .sum()
        .backward()
    pass()
    const gradient = gradOf(weight)
    const shared = [gradient.detach(), gradient.reshape([3, 2])]
    gradient.data.fill(8)
    for (const one of shared) expect([...one.data]).toEqual(new Array(6).fill(8))
    pass()
    expect([...gradient.data]).toEqual(new Array(6).fill(9))
    new optim.SGD([weight], { lr: 1 }).step()
    expect([...weight.data]).toEqual(before.map((value) => Math.fround(value - 9)))
  })
})
