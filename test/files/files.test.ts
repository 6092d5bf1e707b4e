/** The safetensors format and checkpoints. */

import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  deserializeSafetensors,
  getRngState,
  loadCheckpoint,
  loadSafetensors,
  nn,
  optim,
  randn,
  saveCheckpoint,
  saveSafetensors,
  serializeSafetensors,
  Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bytesForPython } from '../helpers/for-python'
import { goldenPath } from '../helpers/golden'
import { bits, filled } from '../helpers/numbers'

let folder = ''
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'elman-files-'))
})
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true })
})

type AnyTensor = ReturnType<typeof loadSafetensors> extends Map<string, infer T> ? T : never

/** A safetensors file made of a header and data. */
function file(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, Uint8Array.from(data)])
}

const entry = (dtype: string, shape: number[], start: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [start, end],
})

describe('safetensors', () => {
  it('keeps names, shapes, dtypes and every bit', () => {
    const special = [Number.NaN, -0, 2 ** -149, Number.POSITIVE_INFINITY]
    const tensors = new Map<string, AnyTensor>([
      ['double', filled([2, 3], 1, { dtype: 'float64' })],
      ['single', tensor(special)],
      ['scalar', tensor(1.5)],
      ['empty', zeros([0, 4])],
      ['indices', tensor([[1, -2, 2 ** 31 - 1]], { dtype: 'int32' })],
      ['__proto__', tensor([1])],
      ['naïve.名', tensor([2])],
    ])
    const loaded = deserializeSafetensors(serializeSafetensors(tensors))
    expect(new Set(loaded.keys())).toEqual(new Set(tensors.keys()))
    for (const [name, value] of tensors) {
      const same = loaded.get(name)
      expect([same?.dtype, same?.shape], name).toEqual([value.dtype, value.shape])
      if (same === undefined) throw new Error(`${name} is missing`)
      expect(bits(same), name).toBe(bits(value))
    }
    expect(deserializeSafetensors(serializeSafetensors(new Map())).size).toBe(0)
  })

  it('writes a file that carries metadata, in place of an old one', () => {
    const path = join(folder, 'model.safetensors')
    fs.writeFileSync(path, 'old')
    const rnn = new nn.RNN(3, 4)
    saveSafetensors(rnn.stateDict(), path, { metadata: { format: 'pt', note: 'größer' } })
    expect(fs.readdirSync(folder)).toEqual(['model.safetensors'])
    const bytes = fs.readFileSync(path)
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString())
    expect(header.__metadata__).toEqual({ format: 'pt', note: 'größer' })
    expect(header.weight_hh_l0).toMatchObject({ dtype: 'F32', shape: [4, 4] })
    const other = new nn.RNN(3, 4)
    other.loadStateDict(loadSafetensors(path))
    expect(bits(other.weight_hh_l0)).toBe(bits(rnn.weight_hh_l0))
  })

  it.each([
    ['nn.LSTM', () => new nn.LSTM(3, 5, { numLayers: 2, bidirectional: true, projSize: 2 })],
    ['nn.GRU', () => new nn.GRU(3, 5, { numLayers: 2, bidirectional: true })],
    ['nn.LSTMCell', () => new nn.LSTMCell(3, 5)],
    ['nn.GRUCell', () => new nn.GRUCell(3, 5)],
  ])('gives an %s its parameters back, under the names of torch', (_, make) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const path = join(folder, 'gated.safetensors')
      const module = make().to(dtype)
      saveSafetensors(module.stateDict(), path)
      const loaded = loadSafetensors(path)
      expect(new Set(loaded.keys())).toEqual(new Set(module.stateDict().keys()))
      const other = make().to(dtype)
      other.loadStateDict(loaded)
      expect(other.parameters().map(bits)).toEqual(module.parameters().map(bits))
    }
  })

  it('keeps a symbolic link one', () => {
    const target = join(folder, 'target.safetensors')
    const link = join(folder, 'link.safetensors')
    fs.writeFileSync(target, 'old')
    fs.symlinkSync(target, link)
    saveSafetensors(new Map([['x', tensor([1])]]), link)
    expect(fs.lstatSync(link).isSymbolicLink()).toBe(true)
    expect(loadSafetensors(target).get('x')?.toArray()).toEqual([1])
  })

  it('leaves the old file, and nothing else, if it cannot write', () => {
    const path = join(folder, 'kept')
    fs.mkdirSync(path)
    expect(() => saveSafetensors(new Map(), path)).toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/)
    expect(fs.statSync(path).isDirectory()).toBe(true)
    expect(fs.readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
    expect(() => saveSafetensors(new Map(), join(folder, 'no', 'such', 'folder'))).toThrow(/ENOENT/)
    expect(() => loadSafetensors(join(folder, 'absent'))).toThrow(/ENOENT/)
  })

  it('widens the short kinds', () => {
    const loaded = deserializeSafetensors(
      file(
        {
          half: entry('F16', [4], 0, 8),
          brain: entry('BF16', [2], 8, 12),
          long: entry('I64', [1], 12, 20),
        },
        // 1.5, -2, the smallest denormal, infinity; 1.5, -2; -3
        [
          0x00, 0x3e, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c, 0xc0, 0x3f, 0x00, 0xc0, 0xfd, 0xff, 0xff,
          0xff, 0xff, 0xff, 0xff, 0xff,
        ],
      ),
    )
    expect(loaded.get('half')?.dtype).toBe('float32')
    expect(loaded.get('half')?.toArray()).toEqual([1.5, -2, 2 ** -24, Number.POSITIVE_INFINITY])
    expect(loaded.get('brain')?.toArray()).toEqual([1.5, -2])
    expect(loaded.get('long')?.dtype).toBe('int32')
    expect(loaded.get('long')?.toArray()).toEqual([-3])
    expect(loaded.get('long')).not.toBeInstanceOf(Tensor)
  })

  describe('is the format of Python', () => {
    const json = <Value>(name: string): Value =>
      JSON.parse(fs.readFileSync(goldenPath(name), 'utf8')) as Value
    interface Told {
      name: string
      dtype?: string
      shape: number[]
      /** Numbers that JSON lacks are strings. */
      values: (number | string)[]
    }

    it('reads every kind that Python wrote', () => {
      const loaded = loadSafetensors(goldenPath('python-kinds.safetensors'))
      const told = json<Told[]>('python-kinds.json')
      expect(new Set(loaded.keys())).toEqual(new Set(told.map(({ name }) => name)))
      const dtypes = { double: 'float64', long: 'int32', int: 'int32', scalar: 'int32' }
      for (const { name, shape, values } of told) {
        const value = loaded.get(name)
        expect([name, value?.dtype, value?.shape]).toEqual([
          name,
          Object.hasOwn(dtypes, name) ? Reflect.get(dtypes, name) : 'float32',
          shape,
        ])
        expect(Array.from<number>(value?.data ?? []), name).toEqual(values.map(Number))
      }
    })

    it('writes the very bytes that Python writes', () => {
      const path = goldenPath('python-native.safetensors')
      const again = serializeSafetensors(loadSafetensors(path), { metadata: { format: 'pt' } })
      expect(Buffer.from(again).equals(fs.readFileSync(path))).toBe(true)
    })

    it('is read by Python as it was meant', () => {
      const bytes = bytesForPython()
      expect(Buffer.from(bytes).equals(fs.readFileSync(goldenPath('written.safetensors')))).toBe(
        true,
      )
      const [{ metadata }, ...told] = json<[{ metadata: object }, ...Told[]]>('written.json')
      expect(metadata).toEqual({ format: 'pt', note: 'größer' })
      const meant = deserializeSafetensors(bytes)
      expect(told.map(({ name }) => name)).toEqual([...meant.keys()].sort())
      for (const { name, dtype, shape, values } of told) {
        const value = meant.get(name)
        expect([value?.dtype, value?.shape], name).toEqual([dtype, shape])
        expect(Array.from<number>(value?.data ?? []), name).toEqual(values.map(Number))
      }
    })
  })

  const good = { x: entry('F32', [1], 0, 4) }
  const malformed: [name: string, bytes: Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['less than a length', new Uint8Array(7)],
    ['a header that is longer than the file', file(good).subarray(0, 20)],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128)],
    ['a header that is no JSON', file('{"x":', [0, 0, 0, 0])],
    ['a header that is no object', file([])],
    ['a header that is no UTF-8', file('\u{fffd}').fill(0xff, 8)],
    ['truncated data', file(good, [0, 0, 0])],
    ['trailing bytes', file(good, [0, 0, 0, 0, 0])],
    ['a hole', file({ x: entry('F32', [1], 4, 8) }, new Array(8).fill(0))],
    [
      'an overlap',
      file({ x: entry('F32', [2], 0, 8), y: entry('F32', [2], 4, 12) }, new Array(12).fill(0)),
    ],
    ['a shape that does not fit', file({ x: entry('F32', [2], 0, 4) }, [0, 0, 0, 0])],
    [
      'a shape whose product overflows',
      file({ x: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, [0, 0, 0, 0]),
    ],
    ['offsets that go back', file({ x: entry('F32', [1], 4, 0) }, [0, 0, 0, 0])],
    ['a negative size', file({ x: entry('F32', [-1], 0, 4) }, [0, 0, 0, 0])],
    [
      'the same name twice',
      file(
        '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        new Array(8).fill(0),
      ),
    ],
    ['the same metadata key twice', file('{"__metadata__":{"a":"1","a":"2"}}')],
    [
      'the same name twice, once escaped',
      file(
        '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0078":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        new Array(8).fill(0),
      ),
    ],
    [
      'offsets beyond every file',
      file('{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}'),
    ],
    ['a fraction of a size', file({ x: entry('F32', [1.5], 0, 6) }, new Array(6).fill(0))],
    ['an entry without a shape', file({ x: { dtype: 'F32', data_offsets: [0, 4] } }, [0, 0, 0, 0])],
    [
      'a field that does not exist',
      file({ x: { ...entry('F32', [1], 0, 4), more: 1 } }, [0, 0, 0, 0]),
    ],
    ['deep JSON', file('['.repeat(100_000))],
    ['deep JSON in a field', file(`{"x":{"dtype":${'['.repeat(100_000)}`)],
    ['deep JSON of objects', file('{"x":'.repeat(100_000))],
    [
      'an integer that does not fit',
      file({ x: entry('I64', [1], 0, 8) }, [0, 0, 0, 0, 1, 0, 0, 0]),
    ],
  ]
  it.each(malformed)('refuses %s', (_, bytes) => {
    expect(() => deserializeSafetensors(bytes)).toThrow(RangeError)
  })

  it('keeps `__proto__` an ordinary name, in tensors and in metadata', () => {
    const bytes = file(
      '{"__metadata__":{"__proto__":"polluted"},"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      [0, 0, 0x80, 0x3f],
    )
    const loaded = deserializeSafetensors(bytes)
    expect([...loaded.keys()]).toEqual(['__proto__'])
    expect(loaded.get('__proto__')?.toArray()).toEqual([1])
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    const again = serializeSafetensors(loaded, {
      metadata: Object.fromEntries([['__proto__', 'kept']]),
    })
    expect(Buffer.from(again).toString('latin1')).toContain('"__proto__":"kept"')
  })

  it.each(malformed)('leaves a model as it was if it is loaded from %s', (_, bytes) => {
    const path = join(folder, 'malformed.safetensors')
    fs.writeFileSync(path, bytes)
    const model = new nn.Linear(2, 1)
    const before = [...model.parameters().map(bits), getRngState()]
    expect(() => model.loadStateDict(loadSafetensors(path))).toThrow(RangeError)
    expect(() => loadCheckpoint(path, { model })).toThrow(RangeError)
    expect([...model.parameters().map(bits), getRngState()]).toEqual(before)
  })

  it('names tensor and kind of what it cannot hold', () => {
    const bytes = file({ mask: entry('BOOL', [4], 0, 4) }, [0, 1, 0, 1])
    expect(() => deserializeSafetensors(bytes)).toThrow(/mask.*BOOL/s)
  })

  it('refuses other arguments', () => {
    // @ts-expect-error: not bytes
    expect(() => deserializeSafetensors('x')).toThrow(TypeError)
    // @ts-expect-error: not a map
    expect(() => serializeSafetensors({ x: tensor([1]) })).toThrow(TypeError)
    // @ts-expect-error: not a tensor
    expect(() => serializeSafetensors(new Map([['x', [1]]]))).toThrow(TypeError)
    // @ts-expect-error: not a string
    expect(() => serializeSafetensors(new Map([[1, tensor([1])]]))).toThrow(TypeError)
    // @ts-expect-error: not a string
    expect(() => serializeSafetensors(new Map(), { metadata: { epoch: 3 } })).toThrow(TypeError)
    // @ts-expect-error: not a path
    expect(() => saveSafetensors(new Map(), 3)).toThrow(TypeError)
    // @ts-expect-error: the other order
    expect(() => saveSafetensors(join(folder, 'x'), new Map())).toThrow(TypeError)
  })

  it('leaves a model as it was if a file does not fit', () => {
    const rnn = new nn.RNN(3, 4)
    const before = rnn.parameters().map(bits)
    const tensors = deserializeSafetensors(serializeSafetensors(new nn.RNN(3, 5).stateDict()))
    expect(() => rnn.loadStateDict(tensors)).toThrow(RangeError)
    expect(rnn.parameters().map(bits)).toEqual(before)
  })
})

class Model extends nn.Module {
  rnn = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
  drop = new nn.Dropout(0.3)
  head = new nn.Linear(4, 2)

  loss(input: Tensor): Tensor {
    const [output] = this.rnn.forward(input)
    const y = this.head.forward(this.drop.forward(output))
    return y.mul(y).mean()
  }
}

type AnyOptimizer = optim.SGD | optim.Adam

function train(model: Model, optimizer: AnyOptimizer, steps: number): void {
  for (let step = 0; step < steps; step += 1) {
    optimizer.zeroGrad()
    model.loss(randn([5, 2, 3])).backward()
    optimizer.step()
  }
}

// That training continues bit for bit is in resume.test.ts.
describe('checkpoints', () => {
  it('give back what the caller put in', () => {
    const path = join(folder, 'extra.safetensors')
    const model = new Model()
    const extra = { epoch: 3, best: 0.1, name: 'größe', list: [1, null, true] }
    saveCheckpoint({ model, extra }, path)
    expect(loadCheckpoint(path, { model })).toEqual(extra)
  })

  it('keep a schedule, infinities included', () => {
    const path = join(folder, 'schedule.safetensors')
    const model = new Model()
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 })
    const make = (): optim.lrScheduler.ReduceLROnPlateau =>
      new optim.lrScheduler.ReduceLROnPlateau(optimizer, { patience: 0, cooldown: 3 })
    const fresh = make().stateDict()
    expect(fresh.best).toBe(Number.POSITIVE_INFINITY)
    saveCheckpoint({ model, optimizer, scheduler: make() }, path)
    const scheduler = make()
    for (const metric of [2, 3]) scheduler.step(metric)
    expect([scheduler.stateDict().cooldownCounter, optimizer.paramGroups[0].lr]).toEqual([3, 0.05])
    loadCheckpoint(path, { model, optimizer, scheduler })
    expect(scheduler.stateDict()).toEqual(fresh)
    expect(optimizer.paramGroups[0].lr).toBe(0.5)
  })

  it('can be loaded without the optimizer, and are safetensors files', () => {
    const path = join(folder, 'plain.safetensors')
    const model = new Model()
    saveCheckpoint({ model, optimizer: new optim.Adam(model.parameters()) }, path)
    const other = new Model()
    expect(loadCheckpoint(path, { model: other })).toBeNull()
    expect(other.parameters().map(bits)).toEqual(model.parameters().map(bits))
    expect(loadSafetensors(path).get('model.head.weight')?.shape).toEqual([2, 4])
  })

  it('refuse what does not fit, and change nothing', () => {
    const path = join(folder, 'refused.safetensors')
    const model = new Model()
    const adam = new optim.Adam(model.parameters(), { lr: 0.5 })
    const scheduler = new optim.lrScheduler.StepLR(adam, 2)
    train(model, adam, 1)
    saveCheckpoint({ model, optimizer: adam, scheduler }, path)
    const modelOnly = join(folder, 'model-only.safetensors')
    saveCheckpoint({ model }, modelOnly)
    const weights = join(folder, 'weights.safetensors')
    saveSafetensors(model.stateDict(), weights)
    const half = new optim.Adam(model.parameters().slice(1))
    const sgd = new optim.SGD(model.parameters())
    const other = new nn.Linear(2, 2)
    const cosine = new optim.lrScheduler.CosineAnnealingLR(adam, 5)
    const twoGroups = new optim.lrScheduler.StepLR(
      new optim.SGD([{ params: [model.head.weight] }, { params: [model.rnn.weight_ih_l0] }]),
      2,
    )

    train(model, adam, 1)
    scheduler.step()
    const state = (): unknown => [
      scheduler.stateDict(),
      twoGroups.stateDict(),
      model.parameters().map(bits),
      getRngState(),
      adam.paramGroups[0].lr,
      [...adam.stateDict().state.values()].map(({ step }) => step),
    ]
    const before = state()
    const refused: [() => unknown, RegExp][] = [
      [() => loadCheckpoint(path, { model: other }), /Error\(s\) in loading/],
      [() => loadCheckpoint(path, { model, optimizer: sgd }), /state of Adam, expected SGD/],
      [() => loadCheckpoint(path, { model, optimizer: half }), /parameter group/],
      [() => loadCheckpoint(modelOnly, { model, optimizer: adam }), /holds no optimizer/],
      [() => loadCheckpoint(weights, { model }), /is not a checkpoint/],
      [
        () => loadCheckpoint(path, { model, optimizer: adam, scheduler: cosine }),
        /state of StepLR, expected CosineAnnealingLR/,
      ],
      [
        () => loadCheckpoint(path, { model, optimizer: adam, scheduler: twoGroups }),
        /baseLrs in the state of StepLR should have one number for each of the 2 groups, got 1/,
      ],
      [() => loadCheckpoint(modelOnly, { model, scheduler }), /holds no scheduler/],
    ]
    for (const [call, message] of refused) {
      expect(call).toThrow(RangeError)
      expect(call).toThrow(message)
    }
    expect(state()).toEqual(before)
    const bytes = fs.readFileSync(path)
    fs.writeFileSync(path, bytes.subarray(0, bytes.length - 4))
    expect(() => loadCheckpoint(path, { model, optimizer: adam })).toThrow(RangeError)
    expect(state()).toEqual(before)
  })

  describe("compare the names of the optimizer's parameters", () => {
    const pair = (reversed = false): nn.Module & Record<'first' | 'second', nn.Linear> => {
      const [first, second] = [new nn.Linear(2, 2), new nn.Linear(2, 2)]
      return Object.assign(new nn.Module(), reversed ? { second, first } : { first, second })
    }
    const trained = (model: nn.Module, parameters = model.parameters()): optim.Adam => {
      const optimizer = new optim.Adam(parameters, { lr: 0.5 })
      parameters.forEach((parameter, place) => {
        parameter.grad = filled(parameter.shape, place)
      })
      optimizer.step()
      return optimizer
    }

    it('and refuse another order, with both names', () => {
      const path = join(folder, 'order.safetensors')
      const model = pair()
      saveCheckpoint({ model, optimizer: trained(model) }, path)
      const reversed = pair(true)
      const optimizer = trained(reversed)
      const state = (): unknown => [
        reversed.parameters().map(bits),
        [...optimizer.stateDict().state.values()].map(({ expAvg }) => bits(expAvg as Tensor)),
        getRngState(),
      ]
      const before = state()
      expect(() => loadCheckpoint(path, { model: reversed, optimizer })).toThrow(
        new RangeError(
          `${path} holds the optimizer's state of 'first.weight' at place 0, where this optimizer has ` +
            "'second.weight': expected the same parameters in the same order",
        ),
      )
      expect(state()).toEqual(before)
      // In the order of the file.
      const ordered = [reversed.first, reversed.second].flatMap((layer) => layer.parameters())
      loadCheckpoint(path, { model: reversed, optimizer: new optim.Adam(ordered) })
      expect(bits(reversed.first.weight)).toBe(bits(model.first.weight))
    })

    it("and refuse others than the model's", () => {
      const path = join(folder, 'others.safetensors')
      const [model, other] = [pair(), pair()]
      saveCheckpoint({ model, optimizer: trained(model) }, path)
      expect(() => loadCheckpoint(path, { model, optimizer: trained(other) })).toThrow(
        /of 'first\.weight' at place 0, where this optimizer has a parameter that is not in the model/,
      )
      saveCheckpoint({ model, optimizer: trained(other) }, path)
      expect(() => loadCheckpoint(path, { model, optimizer: trained(model) })).toThrow(
        /of a parameter that is not in the model at place 0, where this optimizer has 'first\.weight'/,
      )
      loadCheckpoint(path, { model, optimizer: trained(other) })
    })

    it('any of them for a shared one', () => {
      const path = join(folder, 'shared.safetensors')
      const [model, reversed] = [pair(), pair(true)]
      for (const { first, second } of [model, reversed]) Object.assign(second, first)
      saveCheckpoint({ model, optimizer: trained(model) }, path)
      expect(loadCheckpoint(path, { model: reversed, optimizer: trained(reversed) })).toBeNull()
    })

    it('but not of a file without them', () => {
      const path = join(folder, 'nameless.safetensors')
      const model = pair()
      const optimizer = trained(model)
      saveCheckpoint({ model, optimizer }, path)
      const bytes = fs.readFileSync(path)
      const end = 8 + Number(bytes.readBigUInt64LE())
      const header = JSON.parse(bytes.toString('utf8', 8, end)) as {
        __metadata__: Record<string, string>
      }
      const write = (change: object): void => {
        const record = JSON.parse(header.__metadata__['elman.optimizer'] ?? '') as object
        const changed = JSON.stringify({ ...record, ...change })
        const __metadata__ = { ...header.__metadata__, 'elman.optimizer': changed }
        fs.writeFileSync(path, file({ ...header, __metadata__ }, bytes.subarray(end)))
      }
      write({ names: undefined })
      expect(loadCheckpoint(path, { model, optimizer })).toBeNull()
      for (const names of [5, [5, 5, 5, 5], [['first.weight']]]) {
        write({ names })
        expect(() => loadCheckpoint(path, { model, optimizer })).toThrow(/malformed: optimizer/)
      }
    })
  })

  it('refuse other arguments', () => {
    const path = join(folder, 'x')
    const model = new Model()
    // @ts-expect-error: not a module
    expect(() => saveCheckpoint({ model: {} }, path)).toThrow(TypeError)
    // @ts-expect-error: no model
    expect(() => saveCheckpoint({}, path)).toThrow(TypeError)
    // @ts-expect-error: not an optimizer
    expect(() => saveCheckpoint({ model, optimizer: {} }, path)).toThrow(TypeError)
    // @ts-expect-error: not a schedule
    expect(() => saveCheckpoint({ model, scheduler: {} }, path)).toThrow(TypeError)
    // @ts-expect-error: no such option
    expect(() => saveCheckpoint({ model, epoch: 3 }, path)).toThrow(TypeError)
    for (const extra of [Number.NaN, new Date(0), new Map(), 1n, { a: [undefined] }]) {
      const call = (): unknown => Reflect.apply(saveCheckpoint, null, [{ model, extra }, path])
      expect(call).toThrow(TypeError)
    }
    const circle: unknown[] = []
    circle.push(circle)
    expect(() => Reflect.apply(saveCheckpoint, null, [{ model, extra: circle }, path])).toThrow(
      TypeError,
    )
    expect(fs.existsSync(path)).toBe(false)
    // @ts-expect-error: the other order
    expect(() => loadCheckpoint({ model }, path)).toThrow(TypeError)
  })
})
