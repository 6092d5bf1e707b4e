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

/** O of the Jordan networks: sometimes more than H, sometimes less. */
const outputSize = (hiddenSize: number): number => 1 + ((hiddenSize * 7) % 20)

/** nn.JordanRNN, which feeds its own output back. */
export const jordan: Description<Tensor> = {
  name: 'JordanRNN',
  state: 'y0',
  construct: (inputSize, hiddenSize, options) =>
    Reflect.construct(nn.JordanRNN, [
      inputSize,
      hiddenSize,
      typeof hiddenSize === 'number' ? outputSize(hiddenSize) : 1,
      options,
    ]),
  prototype: nn.JordanRNN.prototype,
  stacked: false,
  choices: {
    nonlinearity: ['tanh', 'relu'],
    outputNonlinearity: ['identity', 'tanh', 'sigmoid'],
  },
  outputSize,
  stateSizes: (hiddenSize) => [outputSize(hiddenSize)],
  join: ([y0]) => y0,
  split: (yN) => [yN],
  parameters: (inputSize, H, { bias = true }) => [
    ['weight_ih', [H, inputSize]],
    ['weight_yh', [H, outputSize(H)]],
    ['weight_hy', [outputSize(H), H]],
    ...(bias
      ? ([
          ['bias_ih', [H]],
          ['bias_yh', [H]],
          ['bias_hy', [outputSize(H)]],
        ] as [string, number[]][])
      : []),
  ],
  reprs: [
    [{}, 'JordanRNN(3, 4, 9)'],
    [
      { outputNonlinearity: 'sigmoid', nonlinearity: 'relu', batchFirst: true, bias: false },
      'JordanRNN(3, 4, 9, bias=False, batch_first=True, nonlinearity=relu, output_nonlinearity=sigmoid)',
    ],
  ],
  wrongSize: (expected, got) =>
    `Expected y0 size (${expected.join(', ')}), got [${got.join(', ')}]`,
  wrongRank: (batched, got) =>
    batched
      ? `For batched 3-D input, y0 should be 2-D but got ${got}-D tensor`
      : `For unbatched 2-D input, y0 should be 1-D but got ${got}-D tensor`,
}

/** nn.JordanRNN with a teacher, whose last row and not yN is where a sequence goes on. */
export const taughtJordan: Description<Tensor> = {
  ...jordan,
  inputs: { teacher: outputSize },
  carries: false,
}
