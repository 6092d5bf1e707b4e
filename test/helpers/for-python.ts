/** The file whose content Python has read and stored. */

import { type loadSafetensors, serializeSafetensors, tensor, zeros } from '@elman/rnn'

type Tensors = ReturnType<typeof loadSafetensors>
type AnyTensor = Tensors extends Map<string, infer Value> ? Value : never

/** Every dtype, a scalar, an empty tensor, names beyond ASCII, and an order that is not the alphabet's. */
export function bytesForPython(): Uint8Array {
  return serializeSafetensors(
    new Map<string, AnyTensor>([
      [
        'weight_hh_l0',
        tensor([
          [0.1, -0],
          [2 ** -149, -3e38],
        ]),
      ],
      ['bias', tensor([0.1, Number.NEGATIVE_INFINITY, Number.NaN], { dtype: 'float64' })],
      ['indices', tensor([-1, 2 ** 31 - 1, -(2 ** 31)], { dtype: 'int32' })],
      ['scalar', tensor(2.5)],
      ['empty', zeros([0, 4])],
      ['naïve.名', tensor([[[1], [2]]], { dtype: 'float64' })],
    ]),
    { metadata: { format: 'pt', note: 'größer' } },
  )
}
