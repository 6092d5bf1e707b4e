/** The properties of every recurrent module, and the results of `forward`. */

import { cat, type DType, getNumThreads, manualSeed, nn, noGrad, setNumThreads } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bits, expectClose, expectSameBits } from '../../../helpers/numbers'
import {
  all,
  bitsOf,
  gradsOf,
  type Kind,
  leavesOf,
  lossOf,
  type Options,
  small,
  swap,
} from './description'

export function moduleContract<Hx>(kind: Kind<Hx>): void {
  const { parameters, reprs, stacked } = kind.description
  const flags: Options[] = stacked
    ? [{}, { bias: false }, { numLayers: 2, bidirectional: true }]
    : [{}, { bias: false }]

  it.each(flags)('its parameters stand in the order of the state dict: %o', (options) => {
    const module = kind.make(3, 4, options)
    const expected = parameters(3, 4, options)
    expect([...module.stateDict()].map(([name, { shape }]) => [name, shape])).toEqual(expected)
    for (const [name, parameter] of module.namedParameters()) {
      expect(Reflect.get(module, name)).toBe(parameter)
      expect([parameter.requiresGrad, parameter.dtype]).toEqual([true, 'float32'])
    }
    const groups = kind.layers(options)
    const each = expected.length / groups
    const weights = Array.from({ length: groups }, (_, place) =>
      module.parameters().slice(place * each, (place + 1) * each),
    )
    expect(module.allWeights).toEqual(weights)
    expect(module.flattenParameters()).toBeUndefined()
  })

  it('its sizes and flags can be read, and not be changed', () => {
    const module = kind.make(3, 4, { batchFirst: true, bias: false })
    const expected = { inputSize: 3, hiddenSize: 4, batchFirst: true, bias: false, training: true }
    expect(module).toMatchObject(expected)
    expect(kind.make(3, 4)).toMatchObject({ batchFirst: false, bias: true })
    expect(() => Object.assign(module, { hiddenSize: 5 })).toThrow(TypeError)
    expect(() => Object.assign(module, { batchFirst: false })).toThrow(TypeError)
  })

  it('resetParameters draws the numbers of a new module, from uniform(-1/√H, 1/√H)', () => {
    manualSeed(5)
    const module = kind.make(3, 16)
    const first = bitsOf(module.parameters())
    module.resetParameters()
    for (const [place, parameter] of module.parameters().entries()) {
      expect(bits(parameter)).not.toBe(first[place])
      for (const value of parameter.data) expect(Math.abs(value)).toBeLessThanOrEqual(0.25)
    }
    manualSeed(5)
    module.resetParameters()
    expect(bitsOf(module.parameters())).toEqual(first)
  })

  it.each(reprs)('its text, with %o', (options, text) => {
    expect(String(kind.make(3, 4, options))).toBe(text)
  })

  it('to another dtype keeps the numbers', () => {
    const module = kind.make(3, 4, kind.deep(2))
    const [inputs, double] = (['float32', 'float64'] as const).map((dtype) =>
      kind.inputs(small, { dtype }),
    )
    const copy = kind.make(3, 4, kind.deep(2))
    expect(copy.loadStateDict(module.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] })
    const single = noGrad(() => kind.forward(module, inputs))
    expect(bitsOf(all(noGrad(() => kind.forward(copy, inputs))))).toEqual(bitsOf(all(single)))
    module.to('float64')
    expect(module.parameters().every(({ dtype }) => dtype === 'float64')).toBe(true)
    for (const [place, { data }] of copy.parameters().entries()) {
      expect([...module.parameters()[place].data]).toEqual([...data])
    }
    const wide = noGrad(() => kind.forward(module, double))
    all(wide).forEach((result, place) => {
      expect(result.dtype).toBe('float64')
      expectClose(result.data, all(single)[place].data, 1e-5)
    })
    module.to('float32')
    expect(bitsOf(all(noGrad(() => kind.forward(module, inputs))))).toEqual(bitsOf(all(single)))
  })
}

export function forwardContract<Hx>(kind: Kind<Hx>): void {
  const { batchDimension, description } = kind

  it('gives the documented shapes', () => {
    const options = kind.deep(3, { bidirectional: true })
    for (const batchFirst of [false, true]) {
      const flags = { ...options, batchFirst }
      const module = kind.make(3, 4, flags)
      for (const batch of [2, 0, null, 1]) {
        const sizes = { ...small, batch }
        const inputs = kind.inputs(sizes, flags)
        const { output, states } = kind.forward(module, inputs)
        const outer = inputs[0].shape.slice(0, -1)
        expect(output.shape).toEqual([...outer, kind.features(4, flags)])
        expect(states.map(({ shape }) => shape)).toEqual(kind.stateShapes(sizes, flags))
        expect(all({ output, states }).every(({ shape }) => Object.isFrozen(shape))).toBe(true)
        for (const state of states) expect(state.data.buffer).not.toBe(output.data.buffer)
      }
    }
  })

  it('with hx left out is that with zeros', () => {
    const options = kind.deep(2, { bidirectional: true })
    const module = kind.make(3, 4, options)
    const inputs = kind.inputs(small)
    const expected = bitsOf(all(kind.forward(module, inputs)))
    const zero = kind.states(small, options).map((state) => state.mul(0).detach())
    for (const state of zero) state.data.fill(0)
    for (const states of [zero, null, undefined]) {
      expect(bitsOf(all(kind.forward(module, inputs, states)))).toEqual(expected)
    }
  })

  it('with the batch first is that with the time first', () => {
    fc.assert(
      fc.property(kind.anyCase, (one) => {
        const { module, inputs, states, options } = kind.build(one)
        const other = kind.make(one.inputSize, one.hiddenSize, { ...options, batchFirst: true })
        other.loadStateDict(module.stateDict())
        const expected = kind.forward(module, inputs, states)
        const { output, ...rest } = kind.forward(other, inputs.map(swap), states)
        expect(bitsOf(all({ output: swap(output), ...rest }))).toEqual(bitsOf(all(expected)))
      }),
      { numRuns: 40 },
    )
  })

  it('without a batch is that of a batch of one', () => {
    for (const batchFirst of [false, true]) {
      const options = { ...kind.deep(2, { bidirectional: true }), batchFirst }
      const module = kind.make(3, 4, options)
      const alone = { ...small, batch: null }
      const [inputs, states] = [kind.inputs(alone, options), kind.states(alone, options)]
      const expected = kind.forward(module, inputs, states)
      const shapes = kind.inputShapes({ ...small, batch: 1 }, options)
      const stateShapes = kind.stateShapes({ ...small, batch: 1 }, options)
      const batched = kind.forward(
        module,
        inputs.map((x, place) => x.reshape(shapes[place])),
        states.map((state, place) => state.reshape(stateShapes[place])),
      )
      expect(bitsOf(all(batched))).toEqual(bitsOf(all(expected)))
    }
  })

  it('of a batch row alone has the bits of the row in a batch', () => {
    fc.assert(
      fc.property(kind.anyCase, (one) => {
        const { module, inputs, states } = kind.build(one)
        const { output, states: last } = kind.forward(module, inputs, states)
        for (let row = 0; row < one.batch; row += 1) {
          const alone = kind.forward(
            module,
            inputs.map((x) => x.narrow(1, row, 1)),
            states.map((state) => state.narrow(batchDimension, row, 1)),
          )
          expectSameBits(alone.output, output.narrow(1, row, 1))
          alone.states.forEach((state, place) => {
            expectSameBits(state, last[place].narrow(batchDimension, row, 1))
          })
        }
      }),
      { numRuns: 40 },
    )
  })

  it.runIf(description.carries ?? true)('in parts with hN carried has the bits of one call', () => {
    fc.assert(
      fc.property(kind.anyCase, fc.nat(), (one, where) => {
        const { module, inputs, states } = kind.build(
          one,
          description.stacked ? { bidirectional: false } : {},
        )
        const cut = 1 + (where % one.steps)
        const part = (start: number, length: number) =>
          inputs.map((x) => x.narrow(0, start, length))
        const whole = kind.forward(module, inputs, states)
        const head = kind.forward(module, part(0, cut), states)
        if (cut === one.steps) {
          expect(bitsOf(head.states)).toEqual(bitsOf(whole.states))
          return
        }
        const tail = kind.forward(module, part(cut, one.steps - cut), head.states)
        expectSameBits(cat([head.output, tail.output]), whole.output)
        expect(bitsOf(tail.states)).toEqual(bitsOf(whole.states))
      }),
      { numRuns: 40 },
    )
  })

  it('does not depend on the number of threads, forward and backward', () => {
    const threads = getNumThreads()
    try {
      const options = kind.deep(2, { bidirectional: true })
      const sizes = { steps: 9, batch: 11, inputSize: 33, hiddenSize: 65 }
      const module = kind.make(33, 65, options)
      const run = (count: number): string[] => {
        setNumThreads(count)
        module.zeroGrad()
        const leaves = leavesOf([...kind.inputs(sizes), ...kind.states(sizes, options)])
        const inputs = leaves.slice(0, 1 + kind.extras.length)
        const result = all(kind.forward(module, inputs, leaves.slice(inputs.length)))
        lossOf(result).backward()
        return bitsOf([...result, ...gradsOf([...leaves, ...module.parameters()])])
      }
      const expected = run(1)
      for (const count of [2, 3, 8]) expect(run(count)).toEqual(expected)
    } finally {
      setNumThreads(threads)
    }
  })

  it('sees what is written into a parameter', () => {
    const module = kind.make(3, 4)
    const inputs = kind.inputs(small)
    const before = bits(noGrad(() => kind.forward(module, inputs)).output)
    for (const parameter of module.parameters()) {
      const [value] = parameter.data
      parameter.data[0] = value + 1
      expect(bits(noGrad(() => kind.forward(module, inputs)).output)).not.toBe(before)
      parameter.data[0] = value
      expect(bits(noGrad(() => kind.forward(module, inputs)).output)).toBe(before)
    }
  })

  it('gives calls of different sizes in a row what each takes', () => {
    const options = kind.deep(2)
    const module = kind.make(3, 4, options)
    for (const steps of [2, 7, 3]) {
      for (const lengths of [null, [steps, 1]]) {
        const sizes = { ...small, steps }
        const fresh = kind.make(3, 4, options)
        fresh.loadStateDict(module.stateDict())
        const [actual, expected] = [module, fresh].map((one) => {
          one.zeroGrad()
          const inputs = leavesOf(kind.inputs(sizes))
          const result = all(kind.forward(one, inputs, null, { lengths }))
          lossOf(result).backward()
          return bitsOf([...result, ...gradsOf([...inputs, ...one.parameters()])])
        })
        expect(actual).toEqual(expected)
      }
    }
  })

  it.runIf(description.stacked)('draws one mask of dropout a call, in training only', () => {
    const options: Options = { numLayers: 2, dropout: 0.5 }
    const module = kind.make(3, 16, options)
    const inputs = kind.inputs(small)
    const run = (): string => bits(kind.forward(module, inputs).output)
    manualSeed(1)
    const [first, second] = [run(), run()]
    expect(second).not.toBe(first)
    manualSeed(1)
    expect([run(), run()]).toEqual([first, second])
    Object.assign(module, { dropout: 0 })
    const without = run()
    Object.assign(module, { dropout: 0.5 })
    module.eval()
    expect(run()).toBe(without)
  })

  it('can be a part of a model', () => {
    class Model extends nn.Module<DType> {
      readonly recurrent = kind.make(3, 4)
    }
    const model = new Model()
    const names = [...kind.make(3, 4).stateDict().keys()]
    expect([...model.stateDict().keys()]).toEqual(names.map((name) => `recurrent.${name}`))
  })
}

export function describeForward<Hx>(kind: Kind<Hx>): void {
  describe('as a module', () => moduleContract(kind))
  describe('forward', () => forwardContract(kind))
}
