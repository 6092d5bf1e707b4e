/** Recurrent modules and inputs of any shape, for property tests. */

import { nn, type Tensor } from '@elman/rnn'
import fc from 'fast-check'
import { filled } from './numbers'

type Options = NonNullable<ConstructorParameters<typeof nn.RNN>[2]>

/** Sizes around the widths of vectors and tiles, and 1. */
const size = fc.oneof(
  fc.integer({ min: 1, max: 9 }),
  fc.constantFrom(15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65),
)

/** The sizes and options of a module, and of an input for it. */
export const anyCase = fc.record({
  steps: fc.integer({ min: 1, max: 6 }),
  batch: fc.integer({ min: 0, max: 9 }),
  inputSize: size,
  hiddenSize: size,
  options: fc.record({
    numLayers: fc.integer({ min: 1, max: 3 }),
    nonlinearity: fc.constantFrom('tanh', 'relu'),
    bias: fc.boolean(),
    bidirectional: fc.boolean(),
    dtype: fc.constantFrom('float32', 'float64'),
  }) as fc.Arbitrary<Options>,
  seed: fc.nat(1000),
})

export type Case = typeof anyCase extends fc.Arbitrary<infer T> ? T : never

/** The module and its input. */
export function build({ steps, batch, inputSize, hiddenSize, options, seed }: Case): {
  rnn: nn.RNN
  input: Tensor
  hx: Tensor
} {
  const { dtype = 'float32', numLayers = 1, bidirectional = false } = options
  const layers = numLayers * (bidirectional ? 2 : 1)
  return {
    rnn: new nn.RNN(inputSize, hiddenSize, options),
    input: filled([steps, batch, inputSize], seed, { dtype }),
    hx: filled([layers, batch, hiddenSize], seed + 1, { dtype }),
  }
}

/** The first two dimensions exchanged: (T, B, …) ↔ (B, T, …). */
export const swap = (x: Tensor): Tensor => x.transpose(0, 1)
