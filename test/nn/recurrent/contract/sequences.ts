/** Sequences of different lengths, padded and packed; and one step at a time. */

import {
  cat,
  type DType,
  manualSeed,
  nn,
  noGrad,
  setNumThreads,
  type Tensor,
  tensor,
} from '@elman/rnn'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { bits, errorOf, expectClose, expectSameBits, filled } from '../../../helpers/numbers'
import {
  all,
  bitsOf,
  gradsOf,
  type Kind,
  leavesOf,
  lossOf,
  type RecurrentModule,
  small,
  swap,
} from './description'

const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence } = nn.utils.rnn

/** Writes NaN beyond the end of each sequence of (T, B, …). */
function spoil(
  { data, shape: [steps = 0, batch = 0, features = 0] }: Tensor<DType>,
  lengths: number[],
): void {
  lengths.forEach((length, row) => {
    for (let step = length; step < steps; step += 1) {
      const start = (step * batch + row) * features
      data.fill(Number.NaN, start, start + features)
    }
  })
}

function lengthsContract<Hx>(kind: Kind<Hx>): void {
  const { batchDimension } = kind

  it('give what each sequence gives alone, whatever lies in the padding', () => {
    fc.assert(
      fc.property(kind.anyLengths, fc.boolean(), ([one, lengths], batchFirst) => {
        const { module, options } = kind.build(one, { batchFirst })
        const order = batchFirst ? swap : (x: Tensor<DType>): Tensor<DType> => x
        const inputs = kind.inputs(one, { ...options, batchFirst: false }, one.seed)
        const states = kind.states(one, options)
        for (const x of inputs) spoil(x, lengths)
        const result = kind.forward(module, inputs.map(order), states, { lengths })
        const output = order(result.output)
        lengths.forEach((length, row) => {
          const alone = kind.forward(
            module,
            inputs.map((x) => order(x.narrow(1, row, 1).narrow(0, 0, length))),
            states.map((state) => state.narrow(batchDimension, row, 1)),
          )
          const column = output.narrow(1, row, 1)
          expectSameBits(column.narrow(0, 0, length), order(alone.output))
          const padding = column.narrow(0, length, one.steps - length).data
          expect(padding.every((value) => value === 0)).toBe(true)
          alone.states.forEach((state, place) => {
            expectSameBits(result.states[place].narrow(batchDimension, row, 1), state)
          })
        })
      }),
      { numRuns: 60 },
    )
  })

  it('give padding no gradient, and the rest that of each sequence alone', () => {
    const options = { ...kind.deep(2, { bidirectional: true }), dtype: 'float64' } as const
    const module = kind.make(3, 4, options)
    const lengths = [2, 5, 1, 5]
    const sizes = { ...small, batch: 4 }
    const values = kind.inputs(sizes, options)
    for (const x of values) spoil(x, lengths)
    const inputs = leavesOf(values)
    const weights = filled([5, 4, kind.features(4, options)], 2, { dtype: 'float64' })
    const { output, states } = kind.forward(module, inputs, null, { lengths })
    const total = states.reduce((sum, state) => sum.add(state.sum()), output.mul(weights).sum())
    total.backward()
    const together = gradsOf(module.parameters()).map(({ data }) => [...data])

    module.zeroGrad()
    const gradients = gradsOf(inputs)
    lengths.forEach((length, row) => {
      const own = leavesOf(values.map((x) => x.narrow(1, row, 1).narrow(0, 0, length)))
      const alone = kind.forward(module, own)
      const weight = weights.narrow(1, row, 1).narrow(0, 0, length)
      alone.states
        .reduce((sum, state) => sum.add(state.sum()), alone.output.mul(weight).sum())
        .backward()
      gradients.forEach((gradient, place) => {
        const column = gradient.narrow(1, row, 1)
        expectClose(column.narrow(0, 0, length).data, gradsOf(own)[place].data, 1e-13)
        expect(column.narrow(0, length, 5 - length).data.every((value) => value === 0)).toBe(true)
      })
    })
    gradsOf(module.parameters()).forEach(({ data }, place) => {
      expectClose(together[place], data, 1e-12)
    })
  })

  it('may come as an array, an Int32Array or an IntTensor, and are copied', () => {
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    const lengths = Int32Array.of(3, 5)
    const run = (given: NonNullable<nn.RNNForwardOptions['lengths']>): Tensor<DType> =>
      kind.forward(module, inputs, null, { lengths: given }).output
    const expected = run([3, 5])
    const output = run(lengths)
    lengths[0] = 1
    expectSameBits(output, expected)
    expect(bits(run(lengths))).not.toBe(bits(expected))
    expectSameBits(run(tensor([3, 5], { dtype: 'int32' })), expected)
    output.sum().backward()
    expect(module.parameters()[0].grad).not.toBeNull()
  })

  it('that are all full change nothing', () => {
    const options = kind.deep(1, { bidirectional: true })
    const module = kind.make(3, 4, options)
    const inputs = kind.inputs(small)
    const full = all(kind.forward(module, inputs, null, { lengths: [5, 5] }))
    expect(bitsOf(full)).toEqual(bitsOf(all(kind.forward(module, inputs))))
    const none = kind.inputs({ ...small, batch: 0 })
    const { output } = kind.forward(module, none, null, { lengths: [] })
    expect(output.shape).toEqual([5, 0, kind.features(4, options)])
  })
}

function packedContract<Hx>(kind: Kind<Hx>): void {
  const { stacked } = kind.description

  it('gives the bits that lengths give, forward and backward, dropout included', () => {
    const some = kind.anyLengths.filter(([{ batch }]) => batch > 0)
    fc.assert(
      fc.property(some, fc.boolean(), ([one, lengths], dropping) => {
        const { numLayers = 1 } = one.options
        const dropout = stacked && numLayers > 1 && dropping ? { dropout: 0.5 } : {}
        const { module, inputs, states } = kind.build(one, dropout)
        const run = (
          forward: (x: Tensor<DType>[], h: Tensor<DType>[]) => Tensor<DType>[],
        ): string[] => {
          module.zeroGrad()
          manualSeed(3)
          const leaves = leavesOf([...inputs, ...states])
          const results = forward(leaves.slice(0, inputs.length), leaves.slice(inputs.length))
          lossOf(results).backward()
          return bitsOf([...results, ...gradsOf([...leaves, ...module.parameters()])])
        }
        const expected = run((x, h) => all(kind.forward(module, x, h, { lengths })))
        const actual = run((x, h) => {
          const packed = x.map((y) => packPaddedSequence(y, lengths, { enforceSorted: false }))
          const { output, states: last } = kind.packed(module, packed, h)
          return [padPackedSequence(output, { totalLength: one.steps })[0], ...last]
        })
        expect(actual).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('gives a packed output that shares its numbers, and hN in the order of hx', () => {
    const options = kind.deep(2, { bidirectional: true })
    const module = kind.make(3, 4, options)
    const lengths = [2, 4, 1, 4]
    const sizes = { ...small, batch: 4 }
    const lists = lengths.map((steps, b) => kind.inputs({ ...small, steps, batch: null }, {}, b))
    const packed = kind.inputShapes(small).map((_, place) =>
      packSequence(
        lists.map((list) => list[place]),
        { enforceSorted: false },
      ),
    )
    const states = kind.states(sizes, options)
    const { output, states: last } = kind.packed(module, packed, states)
    expect(output).toBeInstanceOf(PackedSequence)
    expect(output.data.shape).toEqual([11, kind.features(4, options)])
    expect(output.batchSizes).toBe(packed[0].batchSizes)
    expect(output.sortedIndices).toBe(packed[0].sortedIndices)
    expect(output.unsortedIndices).toBe(packed[0].unsortedIndices)
    const [padded, found] = padPackedSequence(output)
    expect(found.toArray()).toEqual(lengths)
    lists.forEach((list, b) => {
      const own = states.map((state) => state.select(kind.batchDimension, b))
      const alone = kind.forward(module, list, own)
      expectSameBits(padded.select(1, b).narrow(0, 0, lengths[b]), alone.output)
      alone.states.forEach((state, place) => {
        expectSameBits(last[place].select(kind.batchDimension, b), state)
      })
    })
  })

  it('is the same with batchFirst, which says nothing about packed sequences', () => {
    const [one, other] = [false, true].map((batchFirst) => kind.make(3, 4, { batchFirst }))
    other.loadStateDict(one.stateDict())
    const packed = kind.inputs(small).map((x) => packPaddedSequence(x, [5, 2]))
    const states = kind.states(small)
    const [a, b] = [one, other].map((module) => kind.packed(module, packed, states))
    expect(bitsOf([b.output.data, ...b.states])).toEqual(bitsOf([a.output.data, ...a.states]))
  })

  it('works off the event loop', async () => {
    const module = kind.make(3, 4)
    const packed = kind.inputs(small).map((x) => packPaddedSequence(x, [5, 2]))
    const expected = kind.packed(module, packed)
    const [output, hN] = await module.forwardAsync(packed[0], null, kind.call(packed))
    expect(bitsOf([output.data, ...kind.description.split(hN)])).toEqual(
      bitsOf([expected.output.data, ...expected.states]),
    )
  })

  it('takes no lengths, and is refused by vjp', () => {
    const { name } = kind.description
    const module = kind.make(3, 4)
    const packed = kind.inputs(small).map((x) => packPaddedSequence(x, [5, 2]))
    const error = errorOf(() => kind.packed(module, packed, null, { lengths: [5, 2] }))
    const refused = `${name}.forward(): argument 'lengths' is for padded input, but got a PackedSequence`
    expect(error).toEqual(new TypeError(refused))
    expect(errorOf(() => Reflect.apply(module.vjp, module, [packed[0]]))).toEqual(
      new TypeError(`${name}.vjp(): argument 'input' must be Tensor, not PackedSequence`),
    )
  })
}

function streamContract<Hx>(kind: Kind<Hx>): void {
  const { stacked } = kind.description

  /** The outputs of a stream over (T, B, I), as (T, B, O). */
  function through(stream: ReturnType<typeof kind.stream>, input: Tensor<DType>): Tensor<DType> {
    const [steps = 0, batch = 0] = input.shape
    const outputs = Array.from({ length: steps }, (_, t) => {
      stream.input.set(input.select(0, t).data)
      stream.step()
      return [...stream.output]
    })
    const shape = [steps, batch, stream.output.length / batch]
    return tensor(outputs.flat(), { shape, dtype: input.dtype })
  }
  const whole = (
    module: RecurrentModule<Hx>,
    inputs: Tensor<DType>[],
    states?: Tensor<DType>[],
  ): Tensor<DType> => noGrad(() => kind.forward(module, inputs, states)).output

  const last = (module: RecurrentModule<Hx>, inputs: Tensor<DType>[], states?: Tensor<DType>[]) =>
    noGrad(() => kind.forward(module, inputs, states)).states
  const hiddenOf = ({ hidden }: ReturnType<typeof kind.stream>) => kind.description.split(hidden)

  it('has the bits of forward, whatever the module is', () => {
    fc.assert(
      fc.property(kind.anyCase, fc.boolean(), ({ batch, ...rest }, withStates) => {
        const one = { ...rest, batch: batch + 1 }
        const { module, inputs, states } = kind.build(one, stacked ? { bidirectional: false } : {})
        const stream = kind.stream(module, one.batch, withStates ? states : null)
        expect(stream.input.length).toBe(one.batch * one.inputSize)
        expect(stream.output.length).toBe(one.batch * kind.features(one.hiddenSize))
        expect(stream.input.constructor).toBe(inputs[0].data.constructor)
        const expected = whole(module, inputs, withStates ? states : undefined)
        expectSameBits(through(stream, inputs[0]), expected)
        // Again from zeros, and from the given state.
        stream.reset()
        expectSameBits(through(stream, inputs[0]), whole(module, inputs))
        stream.reset(kind.description.join(states))
        expectSameBits(through(stream, inputs[0]), whole(module, inputs, states))
        expect(bitsOf(hiddenOf(stream))).toEqual(bitsOf(last(module, inputs, states)))
      }),
      { numRuns: 60 },
    )
  })

  it.each([1, 2, 3])('has them where a team shares the work, of %i threads', (threads) => {
    setNumThreads(threads)
    for (const [batch, hiddenSize] of [
      [1, 800],
      [48, 120],
    ] as const) {
      const module = kind.make(200, hiddenSize, kind.deep(2))
      const inputs = kind.inputs({ steps: 3, batch, inputSize: 200, hiddenSize })
      expectSameBits(through(kind.stream(module, batch, null), inputs[0]), whole(module, inputs))
    }
  })
  afterEach(() => setNumThreads(2))

  it('goes on where forward ended', () => {
    const module = kind.make(3, 4, kind.deep(2))
    const inputs = kind.inputs({ ...small, steps: 6 })
    const part = (start: number, length: number) => inputs.map((x) => x.narrow(0, start, length))
    const first = noGrad(() => kind.forward(module, part(0, 2)))
    const rest = through(kind.stream(module, 2, [...first.states]), part(2, 4)[0])
    expectSameBits(cat([first.output, rest]), whole(module, inputs))
  })

  it('shows its states, as copies that a stream can go on from', () => {
    const options = kind.deep(2)
    const module = kind.make(3, 4, options)
    const states = kind.states(small, options)
    const stream = kind.stream(module, 2, states)
    expect(bitsOf(hiddenOf(stream))).toEqual(bitsOf(states))
    expect(hiddenOf(stream).map(({ shape }) => shape)).toEqual(kind.stateShapes(small, options))
    stream.input.fill(0.5)
    stream.step()
    const { hidden } = stream
    const before = bitsOf(kind.description.split(hidden))
    stream.step()
    const [next, output] = [bitsOf(hiddenOf(stream)), [...stream.output]]
    expect(bitsOf(kind.description.split(hidden))).toEqual(before)
    for (const { data } of hiddenOf(stream)) data.fill(7) // a copy
    expect(bitsOf(hiddenOf(stream))).toEqual(next)
    const other = kind.stream(module, 2, null)
    for (const again of [stream, other]) {
      again.reset(hidden)
      again.input.fill(0.5)
      again.step()
      expect([...again.output]).toEqual(output)
    }
    stream.reset()
    for (const { data } of hiddenOf(stream)) expect(new Set(data)).toEqual(new Set([0]))
  })

  it('takes the weights as they are when it is made', () => {
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    const before = whole(module, inputs)
    const old = kind.stream(module, 2, null)
    for (const parameter of module.parameters()) parameter.data.fill(0.25)
    const now = kind.stream(module, 2, null)
    expectSameBits(through(old, inputs[0]), before)
    expectSameBits(through(now, inputs[0]), whole(module, inputs))
    module.to('float64')
    const wide = kind.stream(module, 2, null)
    expect(wide.input).toBeInstanceOf(Float64Array)
    const double = kind.inputs(small, { dtype: 'float64' })
    expectSameBits(through(wide, double[0]), whole(module, double))
  })

  it('has no dropout, and is for batchFirst modules as for others', () => {
    const options = { ...kind.deep(2, { dropout: 0.5 }), batchFirst: true }
    const module = kind.make(3, 4, options)
    const inputs = kind.inputs(small, options)
    const outputs = through(kind.stream(module, 2, null), swap(inputs[0]))
    expectSameBits(outputs, swap(whole(module.eval(), inputs)))
  })

  it('keeps to itself beside others', () => {
    const module = kind.make(3, 4)
    const inputs = [1, 2].map((seed) => kind.inputs(small, {}, seed))
    const streams = inputs.map(() => kind.stream(module, 2, null))
    const outputs: number[][] = [[], []]
    for (let t = 0; t < small.steps; t += 1) {
      for (const [place, stream] of streams.entries()) {
        stream.input.set(inputs[place][0].select(0, t).data)
        stream.step()
        outputs[place].push(...stream.output)
      }
    }
    for (const [place, given] of inputs.entries()) {
      expect(outputs[place]).toEqual([...whole(module, given).data])
    }
  })

  it('begins with zeros, and reset leaves its arrays alone', () => {
    const stream = kind.make(3, 4).stream()
    expect(new Set([...stream.input, ...stream.output])).toEqual(new Set([0]))
    stream.input.fill(1)
    stream.step()
    const { input, output } = stream
    const before = [...output]
    expect(before).not.toEqual([...output].fill(0))
    stream.reset()
    expect(stream.input).toBe(input)
    expect(stream.output).toBe(output)
    expect(new Set(input)).toEqual(new Set([1]))
    expect([...stream.output]).toEqual(before)
    expect(String(stream)).toBe(`RNNStream(3, ${kind.features(4)}, batchSize=1)`)
  })

  it('refuses what does not fit, and leaves the state as it is', () => {
    const { name, wrongSize } = kind.description
    const module = kind.make(3, 4, kind.deep(2))
    const wrong = kind.states({ ...small, batch: 3 }, kind.deep(2))
    const made = (options: unknown) => () => Reflect.apply(module.stream, module, [options])
    for (const [options, kindOfError, message] of [
      [{ batchSize: 1.5 }, TypeError, 'batch_size should be of type int, got: 1.5'],
      [{ batchSize: 0 }, RangeError, 'batch_size must be greater than zero'],
      [{ batchSize: 2 ** 40 }, RangeError, 'cannot allocate'],
      [{ batch: 2 }, TypeError, "got an unexpected keyword argument 'batch'"],
      [3, TypeError, `${name}.stream() expected an object of options, got: 3`],
      [
        { batchSize: 2, hx: kind.hx(wrong) },
        RangeError,
        wrongSize(kind.stateShapes(small, kind.deep(2))[0], wrong[0].shape),
      ],
    ] as const) {
      expect(made(options), message).toThrow(kindOfError)
      expect(made(options)).toThrow(message)
    }
    const states = kind.states(small, kind.deep(2))
    const [one, twin] = [0, 1].map(() => kind.stream(module, 2, states))
    expect(() => one.reset(kind.description.join(wrong))).toThrow(RangeError)
    one.step()
    twin.step()
    expect([...one.output]).toEqual([...twin.output])
  })

  it.runIf(stacked)('a module in both directions is refused', () => {
    const both = kind.make(3, 4, { bidirectional: true })
    expect(() => both.stream()).toThrow('expected a module with bidirectional=false')
  })
}

export function describeSequences<Hx>(kind: Kind<Hx>): void {
  describe('lengths', () => lengthsContract(kind))
  describe('a packed input', () => packedContract(kind))
  describe.runIf(kind.description.carries ?? true)('a stream', () => streamContract(kind))
}
