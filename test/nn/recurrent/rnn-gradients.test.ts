/** All gradients of nn.RNN against finite differences in float64. */

import { cat, type DType, manualSeed, nn, type Tensor, tensor } from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../../helpers/finite-differences'

type Options = NonNullable<ConstructorParameters<typeof nn.RNN>[2]>

interface Shape {
  steps: number
  batch: number | null
  inputSize: number
  hiddenSize: number
}

/** Compares the gradients of input, hx and every parameter. */
function check(
  { steps, batch, inputSize, hiddenSize }: Shape,
  options: Options,
  { hx = true, lengths = null as number[] | null } = {},
): void {
  manualSeed(0) // the same weights each time: relu has a kink, which no unit may come close to
  const rnn = new nn.RNN(inputSize, hiddenSize, { ...options, dtype: 'float64' })
  const layers = rnn.numLayers * (rnn.bidirectional ? 2 : 1)
  const rows = batch === null ? [] : [batch]
  const shape =
    rnn.batchFirst && batch !== null ? [batch, steps, inputSize] : [steps, ...rows, inputSize]
  const inputs = [leaf(shape, 1)]
  if (hx) inputs.push(leaf([layers, ...rows, hiddenSize], 2))
  const run = (input: Tensor<'float64'>, h0?: Tensor<'float64'>): Tensor<'float64'> => {
    const [output, hN] = rnn.forward(input, h0, lengths === null ? {} : { lengths })
    return cat([output.reshape([-1]), hN.reshape([-1])])
  }
  // The parameters are inputs too: they are written in place, and forward uses the new values.
  expectGradients(
    (input, second) => run(input, hx ? second : undefined),
    [...inputs, ...rnn.parameters()],
  )
}

describe('finite differences agree', () => {
  const flags = [false, true]
  for (const nonlinearity of ['tanh', 'relu'] as const) {
    for (const bidirectional of flags) {
      for (const bias of flags) {
        for (const numLayers of [1, 2, 3]) {
          it(`${nonlinearity}, ${numLayers} layers, bidirectional ${bidirectional}, bias ${bias}`, () => {
            const shape = { steps: 4, batch: 2, inputSize: 3, hiddenSize: 5 }
            check(shape, { nonlinearity, bidirectional, bias, numLayers })
          })
        }
      }
    }
  }

  it('with the batch first, unbatched, and without hx', () => {
    const shape = { steps: 4, batch: 2, inputSize: 3, hiddenSize: 5 }
    check(shape, { batchFirst: true, bidirectional: true, numLayers: 2 })
    check({ ...shape, batch: null }, { bidirectional: true, numLayers: 2 })
    check(shape, { numLayers: 2 }, { hx: false })
  })

  it('with lengths', () => {
    const shape = { steps: 4, batch: 3, inputSize: 3, hiddenSize: 5 }
    for (const batchFirst of flags) {
      const options = { bidirectional: true, numLayers: 2, batchFirst }
      check(shape, options, { lengths: [2, 4, 1] })
    }
  })

  it('for any shape', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(7, 8, 9, 16, 17))
    const shapes = fc.record({
      steps: fc.integer({ min: 1, max: 4 }),
      batch: fc.integer({ min: 0, max: 5 }),
      inputSize: size,
      hiddenSize: size,
    })
    const options = fc.record({
      numLayers: fc.integer({ min: 1, max: 2 }),
      bidirectional: fc.boolean(),
    })
    fc.assert(
      fc.property(shapes, options, (shape, some) => {
        check(shape, some)
      }),
      { numRuns: 12 },
    )
  })

  it('through a whole model, down to the embedding', () => {
    class Model extends nn.Module<DType> {
      embedding = new nn.Embedding(5, 3, { dtype: 'float64' })
      rnn = new nn.RNN(3, 4, { numLayers: 2, dtype: 'float64' })
      head = new nn.Linear(4, 5, { dtype: 'float64' })
      loss = new nn.CrossEntropyLoss()
    }
    const model = new Model()
    const words = tensor(
      [
        [0, 3],
        [4, 3],
        [1, 0],
      ],
      { dtype: 'int32' },
    )
    const next = tensor(
      [
        [3, 1],
        [1, 0],
        [2, 2],
      ],
      { dtype: 'int32' },
    )
    expectGradients(() => {
      const [output] = model.rnn.forward(model.embedding.forward(words))
      return model.loss.forward(model.head.forward(output), next)
    }, model.parameters())
    expect(model.parameters()).toHaveLength(11)
  })
})
