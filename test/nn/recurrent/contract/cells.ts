/** What a cell has in common with the module whose step it is. */

import { type DType, manualSeed, noGrad, type Tensor, zeros } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients } from '../../../helpers/finite-differences'
import { bits, expectSameBits } from '../../../helpers/numbers'
import {
  bitsOf,
  type CellKind,
  type CellModule,
  gradsOf,
  Kind,
  leavesOf,
  lossOf,
  small,
} from './description'

export function describeSteps<Hx>(kind: CellKind<Hx>): void {
  const { label, name } = kind.description
  const whole = new Kind(kind.description.whole)

  /** The module of one layer with the parameters of a cell. */
  function moduleOf(cell: CellModule<Hx>, options: object) {
    const module = whole.make(cell.inputSize, cell.hiddenSize, options)
    const named = [...cell.stateDict()].map(([name, value]) => [`${name}_l0`, value] as const)
    module.loadStateDict(new Map(named))
    return module
  }
  /** The same states for the module, which has one for each layer. */
  const layered = (states: readonly Tensor<DType>[]): Tensor<DType>[] =>
    states.map((state) => state.reshape([1, ...state.shape]))

  it('without biases has null in their place', () => {
    expect(kind.make(3, 4, { bias: false })).toMatchObject({ bias_ih: null, bias_hh: null })
    const broken = Object.assign(kind.make(3, 4), { bias_hh: null })
    expect(() => kind.forward(broken, kind.inputs(small))).toThrow(
      new TypeError(`${name}(): argument 'bias_hh' must be Tensor, not null`),
    )
  })

  it.each([0, 4])('refuses states of %i dimensions', (rank) => {
    const states = kind.states(small).map(() => zeros(Array(rank).fill(1)))
    expect(() => kind.forward(kind.make(3, 4), kind.inputs(small), states)).toThrow(
      new RangeError(`${name}: Expected ${label} to be 1D or 2D, got ${rank}D instead`),
    )
  })

  it('refuses states of another size without a batch, and receivers that are no cell', () => {
    const cell = kind.make(3, 4)
    const alone = { ...small, batch: null }
    const [inputs, states] = [kind.inputs(alone), kind.states({ ...alone, hiddenSize: 5 })]
    expect(() => kind.forward(cell, inputs, states)).toThrow(
      new RangeError('hidden0 has inconsistent hidden_size: got 5, expected 4'),
    )
    const module = whole.make(3, 4)
    expect(() => Reflect.apply(cell.forward, module, [inputs[0]])).toThrow(TypeError)
  })

  it('carries gradients through its own last states', () => {
    manualSeed(0) // as for all finite differences
    const sizes = { ...small, batch: 3, hiddenSize: 5 }
    const cell = kind.make(3, 5, { dtype: 'float64' })
    const leaves = leavesOf([
      ...kind.inputs(sizes, { dtype: 'float64' }),
      ...kind.states(sizes, { dtype: 'float64' }),
    ])
    expectGradients(
      (x, ...states) => {
        const given = states.slice(0, leaves.length - 1)
        const { states: once } = kind.forward(cell, [x], given)
        return lossOf(kind.forward(cell, [x], once).states)
      },
      [...leaves, ...cell.parameters()],
    )
  })

  describe(`has in common with nn.${kind.description.whole.name}`, () => {
    it('the weights after the same seed, drawn by resetParameters too', () => {
      for (const dtype of ['float32', 'float64'] as const) {
        manualSeed(7)
        const module = whole.make(5, 9, { dtype })
        manualSeed(7)
        const cell = kind.make(5, 9, { dtype })
        expect(bitsOf(cell.parameters())).toEqual(bitsOf(module.parameters()))
        manualSeed(8)
        module.resetParameters()
        manualSeed(8)
        cell.resetParameters()
        expect(bitsOf(cell.parameters())).toEqual(bitsOf(module.parameters()))
      }
    })

    it('the bits of its steps, in a loop', () => {
      fc.assert(
        fc.property(kind.anyCase, fc.boolean(), (one, batched) => {
          const { module: cell, options, states } = kind.build(one)
          const sizes = { ...one, batch: batched ? one.batch : null }
          const [input] = whole.inputs(sizes, options)
          const first = batched ? states : kind.states(sizes, options)
          const module = moduleOf(cell, options)
          const expected = noGrad(() => whole.forward(module, [input], layered(first)))
          let now: readonly Tensor<DType>[] = first
          for (let t = 0; t < one.steps; t += 1) {
            now = noGrad(() => kind.forward(cell, [input.select(0, t)], now)).states
            expectSameBits(now[0], expected.output.select(0, t))
          }
          expect(bitsOf(now)).toEqual(bitsOf(expected.states.map((state) => state.select(0, 0))))
        }),
        { numRuns: 60 },
      )
    })

    it('the bits of the gradients of one step', () => {
      fc.assert(
        fc.property(kind.anyCase, (one) => {
          const { module: cell, options, inputs, states } = kind.build(one)
          const module = moduleOf(cell, options)
          const leaves = leavesOf([...inputs, ...states])
          lossOf(kind.forward(cell, leaves, leaves.slice(1)).states).backward()
          const [input, ...given] = leavesOf([...inputs, ...states])
          const { states: last } = whole.forward(
            module,
            [input.reshape([1, ...input.shape])],
            layered(given),
          )
          lossOf(last.map((state) => state.select(0, 0))).backward()
          expect(bitsOf(gradsOf([...leaves, ...cell.parameters()]))).toEqual(
            bitsOf(gradsOf([input, ...given, ...module.parameters()])),
          )
        }),
        { numRuns: 40 },
      )
    })

    it('its parameters, if they are shared', () => {
      const [cell, module] = [kind.make(3, 4), whole.make(3, 4)]
      for (const name of cell.stateDict().keys()) {
        Object.assign(cell, { [name]: Reflect.get(module, `${name}_l0`) })
      }
      const [x] = kind.inputs(small)
      const { output } = kind.forward(cell, [x])
      output.sum().backward()
      expect(module.parameters().every(({ grad }) => grad !== null)).toBe(true)
      const { output: expected } = whole.forward(module, [x.reshape([1, 2, 3])])
      expect(bits(output)).toBe(bits(expected.select(0, 0)))
    })
  })
}
