/** The descriptions of the recurrent modules and cells for the contract. */

import { type DType, nn, type Tensor } from '@elman/rnn'
import type { CellDescription, Description, Options } from './description'

/** Parameters of layers of G gates: their names and shapes, P features of the state, and what follows the biases. */
function layered(
  gates: number,
  inputSize: number,
  [H, P]: readonly [number, number],
  { numLayers = 1, bidirectional = false, bias = true }: Options,
): [name: string, shape: number[]][] {
  const halves = bidirectional ? ['', '_reverse'] : ['']
  return Array.from({ length: numLayers }, (_, layer) =>
    halves.flatMap((half): [string, number[]][] => [
      [`weight_ih_l${layer}${half}`, [gates * H, layer === 0 ? inputSize : halves.length * P]],
      [`weight_hh_l${layer}${half}`, [gates * H, P]],
      ...(bias ? ['ih', 'hh'] : []).map((to): [string, number[]] => [
        `bias_${to}_l${layer}${half}`,
        [gates * H],
      ]),
      ...(P === H ? [] : [[`weight_hr_l${layer}${half}`, [P, H]] as [string, number[]]]),
    ]),
  ).flat()
}

/** nn.RNN. */
export const rnn: Description<Tensor<DType>> = {
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
  parameters: (inputSize, H, options) => layered(1, inputSize, [H, H], options),
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

/** nn.GRU. */
export const gru: Description<Tensor<DType>> = {
  ...rnn,
  name: 'GRU',
  construct: (...args) => Reflect.construct(nn.GRU, args),
  prototype: nn.GRU.prototype,
  choices: {},
  parameters: (inputSize, H, options) => layered(3, inputSize, [H, H], options),
  reprs: [
    [{}, 'GRU(3, 4)'],
    [
      { bidirectional: true, dropout: 0.5, batchFirst: true, bias: false, numLayers: 2 },
      'GRU(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)',
    ],
  ],
}

/** nn.LSTM, whose states are a pair. */
export const lstm: Description<nn.LSTMState<DType>> = {
  name: 'LSTM',
  state: 'hx[0]',
  construct: (...args) => Reflect.construct(nn.LSTM, args),
  prototype: nn.LSTM.prototype,
  stacked: true,
  choices: {},
  outputSize: (hiddenSize) => hiddenSize,
  stateSizes: (hiddenSize) => [hiddenSize, hiddenSize],
  join: ([h, c]) => [h, c],
  split: (hx) => hx,
  parameters: (inputSize, H, options) => layered(4, inputSize, [H, H], options),
  reprs: [
    [{}, 'LSTM(3, 4)'],
    [
      { bidirectional: true, dropout: 0.5, batchFirst: true, bias: false, numLayers: 2 },
      'LSTM(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)',
    ],
  ],
  wrongSize: (expected, got) =>
    `Expected hidden[0] size (${expected.join(', ')}), got [${got.join(', ')}]`,
  wrongRank: (batched, got) =>
    batched
      ? `For batched 3-D input, hx and cx should also be 3-D but got (${got}-D, ${got}-D) tensors`
      : `For unbatched 2-D input, hx and cx should also be 2-D but got (${got}-D, ${got}-D) tensors`,
}

/** P of the LSTMs with a projection: any below H; none where H is 1. */
const projSize = (hiddenSize: number): number =>
  hiddenSize > 1 ? 1 + ((hiddenSize * 7) % (hiddenSize - 1)) : 0

/** The features of h. */
const projected = (hiddenSize: number): number => projSize(hiddenSize) || hiddenSize

/** nn.LSTM with a projection. */
export const projectedLstm: Description<nn.LSTMState<DType>> = {
  ...lstm,
  construct: (inputSize, hiddenSize, options) => {
    const withProjection = typeof options === 'object' || options === undefined
    const own = { projSize: typeof hiddenSize === 'number' ? projSize(hiddenSize) : 0 }
    const given = withProjection ? { ...own, ...options } : options
    return Reflect.construct(nn.LSTM, [inputSize, hiddenSize, given])
  },
  outputSize: projected,
  stateSizes: (hiddenSize) => [projected(hiddenSize), hiddenSize],
  parameters: (inputSize, H, options) => layered(4, inputSize, [H, projected(H)], options),
  reprs: [
    [{}, 'LSTM(3, 4, proj_size=2)'],
    [
      { bidirectional: true, dropout: 0.5, batchFirst: true, bias: false, numLayers: 2 },
      'LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)',
    ],
  ],
}

/** O of the Jordan networks: sometimes more than H, sometimes less. */
const outputSize = (hiddenSize: number): number => 1 + ((hiddenSize * 7) % 20)

/** nn.JordanRNN, which feeds its own output back. */
export const jordan: Description<Tensor<DType>> = {
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
export const taughtJordan: Description<Tensor<DType>> = {
  ...jordan,
  inputs: { teacher: outputSize },
  carries: false,
}

/** The cell of one step of a module. */
function cellOf<Hx>(
  whole: Description<Hx>,
  cell: typeof nn.RNNCell | typeof nn.GRUCell | typeof nn.LSTMCell,
  own: Pick<CellDescription<Hx>, 'reprs' | 'label'>,
): CellDescription<Hx> {
  const { state, choices, stateSizes, join, split, parameters } = whole
  return {
    ...{ whole, state, choices, stateSizes, join, split, ...own },
    name: cell.name,
    construct: (...args) => Reflect.construct(cell, args),
    prototype: cell.prototype,
    parameters: (...args) =>
      parameters(...args).map(([name, shape]) => [name.replace('_l0', ''), shape]),
    wrongSize: (expected, got) =>
      expected[0] === got[0]
        ? `hidden0 has inconsistent hidden_size: got ${got[1]}, expected ${expected[1]}`
        : `Input batch size ${expected[0]} doesn't match hidden0 batch size ${got[0]}`,
    wrongRank: (batched, got) =>
      batched
        ? `For batched 2-D input, ${state} should also be 2-D but got ${got}-D tensor`
        : `For unbatched 1-D input, ${state} should also be 1-D but got ${got}-D tensor`,
  }
}

/** nn.RNNCell. */
export const rnnCell = cellOf(rnn, nn.RNNCell, {
  label: 'hidden',
  reprs: [
    [{}, 'RNNCell(3, 4)'],
    [{ bias: false, nonlinearity: 'relu' }, 'RNNCell(3, 4, bias=False, nonlinearity=relu)'],
  ],
})

/** nn.GRUCell. */
export const gruCell = cellOf(gru, nn.GRUCell, {
  label: 'hidden',
  reprs: [
    [{}, 'GRUCell(3, 4)'],
    [{ bias: false }, 'GRUCell(3, 4, bias=False)'],
  ],
})

/** nn.LSTMCell, whose states are a pair. */
export const lstmCell = cellOf(lstm, nn.LSTMCell, {
  label: 'hx[0]',
  reprs: [
    [{}, 'LSTMCell(3, 4)'],
    [{ bias: false }, 'LSTMCell(3, 4, bias=False)'],
  ],
})
