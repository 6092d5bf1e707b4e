/** The recurrent modules, as the contract sees them. */

import { nn, type Tensor } from '@elman/rnn'
import type { Description } from './description'

/** nn.RNN. */
export const rnn: Description<Tensor> = {
  name: 'RNN',
  state: 'hx',
  construct: (...args) => Reflect.construct(nn.RNN, args),
  prototype: nn.RNN.prototype,
  stacked: true,
  choices: { nonlinearity: ['tanh', 'relu'] },
  outputSize: (hiddenSize) => hiddenSize,
  stateSizes: (hiddenSize) => [hiddenSize],
  join: ([hx]) => hx,
  split: (hx) => [hx],
  parameters: (inputSize, H, { numLayers = 1, bidirectional = false, bias = true }) => {
    const halves = bidirectional ? ['', '_reverse'] : ['']
    return Array.from({ length: numLayers }, (_, layer) =>
      halves.flatMap((half): [string, number[]][] => [
        [`weight_ih_l${layer}${half}`, [H, layer === 0 ? inputSize : halves.length * H]],
        [`weight_hh_l${layer}${half}`, [H, H]],
        ...(bias ? ['ih', 'hh'] : []).map((to): [string, number[]] => [
          `bias_${to}_l${layer}${half}`,
          [H],
        ]),
      ]),
    ).flat()
  },
  reprs: [
    [{}, 'RNN(3, 4)'],
    [{ nonlinearity: 'relu' }, 'RNN(3, 4)'],
    [
      { bidirectional: true, dropout: 0.5, batchFirst: true, bias: false, numLayers: 2 },
      'RNN(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)',
    ],
  ],
  wrongSize: (expected, got) =>
    `Expected hidden size (${expected.join(', ')}), got [${got.join(', ')}]`,
  wrongRank: (batched, got) =>
    batched
      ? `For batched 3-D input, hx should also be 3-D but got ${got}-D tensor`
      : `For unbatched 2-D input, hx should also be 2-D but got ${got}-D tensor`,
}
