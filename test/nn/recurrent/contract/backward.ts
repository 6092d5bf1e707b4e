/** Gradients: on the tape, by vjp, with checkpoints, and off the event loop. */

import { cat, type DType, getRngState, manualSeed, nn, noGrad, type Tensor } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients } from '../../../helpers/finite-differences'
import { bits, errorOf, expectClose } from '../../../helpers/numbers'
import {
  type AnyKind,
  type AnyModule,
  all,
  bitsOf,
  type CallOptions,
  gradsOf,
  type Kind,
  leavesOf,
  lossOf,
  type Options,
  type Result,
  small,
  swap,
  weightsOf,
} from './description'

const { packPaddedSequence } = nn.utils.rnn

/** Inputs, states and a module that have no gradients yet. */
function prepare<Hx, M extends AnyModule>(
  kind: AnyKind<Hx, M>,
  sizes = small,
  options: Options = {},
) {
  const module = kind.make(sizes.inputSize, sizes.hiddenSize, options)
  const inputs = leavesOf(kind.inputs(sizes, options))
  const states = leavesOf(kind.states(sizes, options))
  const leaves = [...inputs, ...states]
  const everything = [...leaves, ...module.parameters()]
  const clear = (): void => {
    for (const one of everything) one.grad = null
    manualSeed(3)
  }
  return { module, inputs, states, leaves, everything, clear }
}

function gradientContract<Hx, M extends AnyModule>(kind: AnyKind<Hx, M>): void {
  const { choices } = kind.description
  const double = { dtype: 'float64' } as const

  /** All values of all choices, one choice after the other. */
  const varied: Options[] = Object.entries(choices).flatMap(([name, values]) =>
    values.map((value) => ({ [name]: value })),
  )
  const deep: Options[] = [
    { numLayers: 2, bidirectional: true },
    { numLayers: 3, bias: false },
  ]
  const order: Options[] = kind.overTime ? [{ batchFirst: true }] : []
  const flags: Options[] = [{}, { bias: false }, ...order, ...varied]
  const forms: [name: string, batch: number | null, lengths: number[] | null][] = [
    ['padded', 2, null],
    ...(kind.overTime ? [['with lengths', 3, [2, 4, 1]] satisfies [string, number, number[]]] : []),
    ['unbatched', null, null],
  ]

  describe.each([...flags, ...(kind.stacked ? deep : [])])(
    'agree with finite differences: %o',
    (one) => {
      const options = { ...one, ...double }
      it.each(forms)('%s', (_, batch, lengths) => {
        manualSeed(0) // the same weights each time: relu has a kink, which no unit may come close to
        const sizes = { steps: 4, batch, inputSize: 3, hiddenSize: 5 }
        const { module, inputs, everything } = prepare(kind, sizes, options)
        expectGradients((...given) => {
          const states = given.slice(inputs.length, inputs.length + kind.stateShapes(sizes).length)
          const result = kind.forward(module, given.slice(0, inputs.length), states, { lengths })
          return cat(all(result).map((y) => y.reshape([-1])))
        }, everything)
      })
    },
  )

  it('add up over calls', () => {
    const { module, inputs, everything, clear } = prepare(kind, small, double)
    clear()
    kind.forward(module, inputs).output.sum().backward()
    const once = gradsOf(module.parameters()).map(({ data }) => data.slice())
    kind.forward(module, inputs).output.sum().backward()
    gradsOf(module.parameters()).forEach(({ data }, place) => {
      const doubled = Array.from(once[place], (value) => 2 * value)
      expectClose(data, doubled, 1e-14)
    })
    expect(everything.length).toBeGreaterThan(once.length)
  })

  it('of the output and of each state alone add up to those of all', () => {
    const options = { ...kind.deep(2, { bidirectional: true }), ...double }
    const { module, inputs, states, everything, clear } = prepare(kind, small, options)
    const of = (pick: (place: number) => boolean): number[][] => {
      clear()
      const results = all(kind.forward(module, inputs, states))
      const weights = weightsOf(results)
      const [first, ...more] = results.flatMap((y, place) =>
        pick(place) ? [y.mul(weights[place]).sum()] : [],
      )
      more.reduce((sum, one) => sum.add(one), first).backward()
      return gradsOf(everything).map(({ data }) => [...data])
    }
    const parts = [inputs[0], ...states].map((_, place) => of((one) => one === place))
    of(() => true).forEach((expected, place) => {
      const sum = expected.map((_, i) =>
        parts.reduce((total, part) => total + (part[place][i] ?? 0), 0),
      )
      expectClose(sum, expected, 1e-12)
    })
  })

  it('work for an empty batch', () => {
    const sizes = { ...small, batch: 0 }
    const options = kind.deep(2, { bidirectional: true })
    const { module, inputs, states, leaves } = prepare(kind, sizes, options)
    lossOf(all(kind.forward(module, inputs, states))).backward()
    expect(gradsOf(leaves).map(({ shape }) => shape)).toEqual(leaves.map(({ shape }) => shape))
    for (const { grad, shape } of module.parameters()) {
      expect(grad?.shape).toEqual(shape)
      expect(new Set(grad?.data)).toEqual(new Set([0]))
    }
  })

  it('are computed for what needs them only, with the same bits', () => {
    const { module, inputs, states, everything, clear } = prepare(kind, small, kind.deep(2))
    const run = (wanted: (place: number) => boolean) => {
      clear()
      everything.forEach((one, place) => {
        one.requiresGrad = wanted(place)
      })
      lossOf(all(kind.forward(module, inputs, states))).backward()
      return everything.map(({ grad }) => grad && bits(grad))
    }
    const expected = run(() => true)
    for (const only of everything.keys()) {
      expect(run((place) => place === only)).toEqual(
        expected.map((one, place) => (place === only ? one : null)),
      )
    }
    for (const one of everything) one.requiresGrad = false
    const results = all(kind.forward(module, inputs, states))
    expect(results.some(({ requiresGrad }) => requiresGrad)).toBe(false)
  })

  it('are an error for changed parameters, and for a second time', () => {
    const { module, inputs } = prepare(kind)
    const total = kind.forward(module, inputs).output.sum()
    module.resetParameters()
    expect(() => total.backward()).toThrow(/modified by an inplace operation/)
    const written = kind.forward(module, inputs).output.sum()
    module.parameters()[0].data[0] += 1
    expect(() => written.backward()).toThrow(/modified by an inplace operation/)
    expect(gradsOf(module.parameters()).every(({ shape }) => shape.length === 0)).toBe(true)
    const again = kind.forward(module, inputs).output.sum()
    again.backward()
    expect(() => again.backward()).toThrow(/a second time/)
  })
}

function vjpContract<Hx>(kind: Kind<Hx>): void {
  it.each([
    ['without', null],
    ['with', [2, 5]],
  ])(
    'gives the bits of forward and backward, as often as it is asked, %s lengths',
    (_, lengths) => {
      const options = kind.deep(2, { bidirectional: true })
      const { module, inputs, states, leaves, clear } = prepare(kind, small, options)
      clear()
      const result = kind.forward(module, inputs, states, { lengths })
      lossOf(all(result)).backward()
      const expected = bitsOf(gradsOf([...leaves, ...module.parameters()]))
      const before = bitsOf(gradsOf(module.parameters()))
      const {
        output,
        states: last,
        pullback,
      } = noGrad(() => kind.vjp(module, inputs, states, { lengths }))
      expect(bitsOf([output, ...last])).toEqual(bitsOf(all(result)))
      expect(output.requiresGrad).toBe(false)
      const [gradOutput, ...gradStates] = weightsOf([output, ...last])
      for (let time = 0; time < 2; time += 1) {
        const gradients = pullback(gradOutput, gradStates)
        expect([...gradients.parameters.keys()]).toEqual([...module.stateDict().keys()])
        expect(bitsOf([...gradients.leaves, ...gradients.parameters.values()])).toEqual(expected)
        expect(gradients.leaves.map(({ shape }) => shape)).toEqual(leaves.map(({ shape }) => shape))
      }
      expect(bitsOf(gradsOf(module.parameters()))).toEqual(before) // it adds to no grad
    },
  )

  it('takes either gradient alone, and gives that of hx also if it was left out', () => {
    const { module, inputs, leaves } = prepare(kind, small, { dtype: 'float64' })
    const { output, states, pullback } = kind.vjp(module, inputs)
    const [gradOutput, ...gradStates] = weightsOf([output, ...states])
    const [a, b, both] = [
      pullback(gradOutput, null),
      pullback(null, gradStates),
      pullback(gradOutput, gradStates),
    ]
    both.leaves.forEach((gradient, place) => {
      expectClose(a.leaves[place].add(b.leaves[place]).data, gradient.data, 1e-13)
    })
    expect(both.leaves.map(({ shape }) => shape)).toEqual(leaves.map(({ shape }) => shape))
  })

  it('refuses gradients that do not fit, none at all, and parameters that have changed', () => {
    const module = kind.make(3, 4)
    const [wide] = kind.inputs({ ...small, inputSize: 31 })
    const { output, states, pullback } = kind.vjp(module, kind.inputs(small))
    expect(() => pullback(null, null)).toThrow(RangeError)
    expect(() => pullback(wide, null)).toThrow(
      `Mismatch in shape: gradOutput has a shape of [5, 2, 31], expected [${output.shape.join(', ')}]`,
    )
    const double = kind.states(small, { dtype: 'float64' })
    expect(() => pullback(null, double)).toThrow(TypeError)
    expect(() => Reflect.apply(pullback, null, [1, null])).toThrow(TypeError)
    module.resetParameters()
    expect(() => pullback(null, states)).toThrow(/modified by an inplace operation/)
  })

  it('takes no checkpointEvery', () => {
    const { name } = kind.description
    const module = kind.make(3, 4)
    const error = errorOf(() => kind.vjp(module, kind.inputs(small), null, { checkpointEvery: 2 }))
    expect(error).toEqual(
      new TypeError(`${name}.vjp() got an unexpected keyword argument 'checkpointEvery'`),
    )
  })
}

function checkpointContract<Hx>(kind: Kind<Hx>): void {
  const { stacked } = kind.description
  const anyCall = fc.record({
    one: kind.anyCase,
    steps: fc.integer({ min: 1, max: 20 }),
    batch: fc.integer({ min: 1, max: 5 }),
    every: fc.integer({ min: 1, max: 22 }),
    layers: fc.integer({ min: 1, max: 4 }),
    form: fc.constantFrom('time first', 'batch first', 'lengths', 'packed', 'unbatched'),
    withHx: fc.boolean(),
    dropout: fc.constantFrom(0, 0.3, 1),
    lengths: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 5, maxLength: 5 }),
  })

  it('changes no bit of results and gradients', () => {
    fc.assert(
      fc.property(anyCall, (call) => {
        const { one, steps, every, layers, form, dropout } = call
        const sizes = { ...one, steps, batch: form === 'unbatched' ? null : call.batch }
        const options: Options = {
          ...one.options,
          batchFirst: form === 'batch first',
          ...(stacked
            ? { numLayers: layers, bidirectional: false, dropout: layers > 1 ? dropout : 0 }
            : {}),
        }
        const { module, inputs, states, everything, clear } = prepare(kind, sizes, options)
        const lengths = call.lengths.slice(0, call.batch).map((length) => Math.min(length, steps))
        const run = (checkpointEvery: number | null): Tensor<DType>[] => {
          const hx = call.withHx ? states : null
          if (form !== 'packed') {
            const given = form === 'lengths' ? { lengths } : {}
            return all(kind.forward(module, inputs, hx, { ...given, checkpointEvery }))
          }
          const packed = inputs.map((x) => packPaddedSequence(x, lengths, { enforceSorted: false }))
          const { output, states: last } = kind.packed(module, packed, hx, { checkpointEvery })
          return [output.data, ...last]
        }
        const step = (checkpointEvery: number | null): string[] => {
          clear()
          const result = run(checkpointEvery)
          lossOf(result).backward()
          return bitsOf([...result, ...gradsOf(everything)])
        }
        expect(step(every)).toEqual(step(null))
      }),
      { numRuns: 150 },
    )
  })

  it('works with no sequences, and where nothing is recorded', () => {
    const module = kind.make(3, 4, kind.deep(2))
    const none = leavesOf(kind.inputs({ ...small, batch: 0 }))
    kind.forward(module, none, null, { checkpointEvery: 2 }).output.sum().backward()
    expect(none[0].grad?.shape).toEqual([5, 0, 3])
    const inputs = kind.inputs(small)
    noGrad(() => {
      const expected = bitsOf(all(kind.forward(module, inputs)))
      for (const checkpointEvery of [2, undefined]) {
        const options = { checkpointEvery } as CallOptions
        expect(bitsOf(all(kind.forward(module, inputs, null, options)))).toEqual(expected)
      }
    })
  })

  it('notices that a parameter has changed before the layers run again', () => {
    const module = kind.make(3, 4, kind.deep(2))
    const { output } = kind.forward(module, kind.inputs(small), null, { checkpointEvery: 3 })
    module.parameters()[0].data[0] += 1
    expect(() => output.sum().backward()).toThrow(/modified by an inplace operation/)
  })

  it.each<[unknown, Error]>([
    [1.5, new TypeError('checkpoint_every should be of type int, got: 1.5')],
    ['2', new TypeError("checkpoint_every should be of type int, got: '2'")],
    [0, new RangeError('checkpoint_every must be greater than zero')],
    [-1, new RangeError('checkpoint_every must be greater than zero')],
  ])('refuses %o', async (value, expected) => {
    const module = kind.make(3, 4, kind.deep(2))
    const options = { checkpointEvery: value as number }
    const inputs = kind.inputs(small)
    const state = getRngState()
    const error = errorOf(() => kind.forward(module, inputs, null, options))
    expect(error).toEqual(expected)
    expect(error).toBeInstanceOf(expected.constructor)
    await expect(kind.forwardAsync(module, inputs, null, options)).rejects.toEqual(expected)
    expect(getRngState()).toEqual(state)
  })
}

function asyncContract<Hx>(kind: Kind<Hx>): void {
  const calls: [string, Options, CallOptions][] = [
    ['plain', {}, {}],
    ['deep', kind.deep(3, { bidirectional: true, dropout: 0.5 }), { lengths: [5, 3] }],
    ['batchFirst, float64', { batchFirst: true, dtype: 'float64' }, { lengths: [1, 4] }],
  ]
  if (kind.description.checkpoints ?? true) {
    calls.push(['with checkpoints', kind.deep(3), { checkpointEvery: 2 }])
  }
  it.each(calls)('has the bits of forward and backward: %s', async (_, options, call) => {
    const { module, inputs, states, everything, clear } = prepare(kind, small, options)
    clear()
    const result = kind.forward(module, inputs, states, call)
    lossOf(all(result)).backward()
    const expected = bitsOf([...all(result), ...gradsOf(everything)])
    clear()
    const other = await kind.forwardAsync(module, inputs, states, call)
    await lossOf(all(other)).backwardAsync()
    expect(bitsOf([...all(other), ...gradsOf(everything)])).toEqual(expected)
  })

  it('takes everything as it is at the call, in calls that overlap', async () => {
    const { module, inputs, states, everything } = prepare(kind, small, kind.deep(2))
    const expected: string[][] = []
    const pending: Promise<Result>[] = []
    for (let call = 0; call < 6; call += 1) {
      expected.push(bitsOf(all(noGrad(() => kind.forward(module, inputs, states)))))
      pending.push(kind.forwardAsync(module, inputs, states))
      for (const { data } of everything) {
        for (let place = 0; place < data.length; place += 1) data[place] *= 0.9
      }
    }
    const results = await Promise.all(pending)
    expect(results.map((result) => bitsOf(all(result)))).toEqual(expected)
    expect(() => results[0].output.sum().backward()).toThrow(/modified by an inplace operation/)
  })

  it('rejects with the reason of an aborted signal, and draws no random numbers', async () => {
    const module = kind.make(3, 4, kind.deep(2, { dropout: 0.5 }))
    const reason = { any: 'value' }
    const before = getRngState()
    const signal = AbortSignal.abort(reason)
    await expect(kind.forwardAsync(module, kind.inputs(small), null, { signal })).rejects.toBe(
      reason,
    )
    expect(getRngState()).toEqual(before)
  })

  it('rejects with what forward throws', async () => {
    const { name } = kind.description
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    const wrong = kind.inputs({ ...small, inputSize: 7 }).slice(0, 1)
    for (const [given, options] of [
      [[...wrong, ...inputs.slice(1)], {}],
      [inputs, { lengths: [6, 1] }],
      [inputs, { length: [1, 1] } as CallOptions],
      [inputs.map(swap).slice(0, 1), { lengths: [1.5, 1] }],
    ] as const) {
      const thrown = errorOf(() => kind.forward(module, given, null, options)) as Error
      const rejected = await kind
        .forwardAsync(module, given, null, options)
        .catch((error: unknown) => error)
      expect(Object.getPrototypeOf(rejected)).toBe(Object.getPrototypeOf(thrown))
      const text = (rejected as Error).message.replace(`${name}.forwardAsync`, `${name}.forward`)
      expect(text).toBe(thrown.message)
    }
  })
}

/** The tests that modules and cells share. */
export function describeGradients<Hx, M extends AnyModule>(kind: AnyKind<Hx, M>): void {
  describe('gradients', () => gradientContract(kind))
}

export function describeBackward<Hx>(kind: Kind<Hx>): void {
  describeGradients(kind)
  describe('vjp', () => vjpContract(kind))
  describe.runIf(kind.description.checkpoints ?? true)('checkpointEvery', () =>
    checkpointContract(kind),
  )
  describe('forwardAsync', () => asyncContract(kind))
}
