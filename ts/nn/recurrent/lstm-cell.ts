/** A single step of the LSTM. */

import { checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { cellOptions, checkCellConfig, RNNCellBase, type RNNCellBaseOptions } from './cell-base'
import type { BiasParameters } from './parameters'
import { type LSTMState, twoStates } from './states'

/** Options of {@link LSTMCell}. */
export interface LSTMCellOptions<D extends DType = 'float32', Bias extends boolean = boolean>
  extends RNNCellBaseOptions<D, Bias> {}

const kind = {
  name: 'LSTMCell',
  cell: 'lstm',
  operation: 'LstmBackward0',
  bare: true,
  states: twoStates('lstm_cell', ['hx[0]', 'hx[1]'], false),
}

/** The class of {@link LSTMCell}. */
class LSTMCellModule<D extends DType = 'float32'> extends RNNCellBase<D, LSTMState<D>> {
  constructor(inputSize: number, hiddenSize: number, options?: LSTMCellOptions<DType>) {
    if (arguments.length > 3) refuseExtra('LSTMCell', 3, arguments)
    const given = checkOptions('LSTMCell', options, cellOptions)
    super(kind, checkCellConfig(inputSize, hiddenSize, given), { projSize: 0 })
  }
}

/** The constructor of {@link LSTMCell}. */
export interface LSTMCellConstructor {
  /**
   * @param inputSize I: the number of features of x.
   * @param hiddenSize H: the number of features of h and c.
   * @param options `bias`: whether there are b_i* and b_h*, default true; `dtype`: default `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory; TypeError for a size
   *   that is not an integer, a `bias` that is not a boolean, or an unknown option.
   */
  new <D extends DType = 'float32', Bias extends boolean = true>(
    inputSize: number,
    hiddenSize: number,
    options?: LSTMCellOptions<D, Bias>,
  ): LSTMCell<NoInfer<D>, NoInfer<Bias>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is LSTMCellModule<DType>
}

/**
 * One step of an LSTM, as `torch.nn.LSTMCell`.
 *
 *     i = σ(W_ii x + b_ii + W_hi h + b_hi)
 *     f = σ(W_if x + b_if + W_hf h + b_hf)
 *     g = tanh(W_ig x + b_ig + W_hg h + b_hg)
 *     o = σ(W_io x + b_io + W_ho h + b_ho)
 *     c' = f ⊙ c + i ⊙ g
 *     h' = o ⊙ tanh(c')
 *
 * The cell is for a loop over time with other operations between the steps; without these, `nn.LSTM` is much faster.
 * The states are a pair: `forward(x, [h, c])` gives `[h', c']`.
 *
 * | shape | where |
 * |---|---|
 * | input (B, I), or (I) unbatched | B sequences, I = `inputSize` |
 * | h, c, h', c' (B, H), or (H) | H = `hiddenSize` |
 * | `weight_ih` (4H, I), `weight_hh` (4H, H), `bias_ih`, `bias_hh` (4H) | the rows of i, f, g and o |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): the same values as in torch for the same seed.
 *
 * @example
 * ```ts
 * import { nn, randn, type Tensor } from '@elman/rnn'
 *
 * const cell = new nn.LSTMCell(10, 20)
 * let state: [h: Tensor, c: Tensor] | null = null
 * for (let t = 0; t < 6; t += 1) state = cell.forward(randn([3, 10]), state)
 * console.log(state?.[0].shape) // [ 3, 20 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
 * @class
 */
export const LSTMCell = LSTMCellModule as LSTMCellConstructor

/** An instance of {@link LSTMCell}, whose biases are null without `bias`. */
export type LSTMCell<D extends DType = 'float32', Bias extends boolean = boolean> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): LSTMCell<T, Bias>
} & LSTMCellModule<D> &
  BiasParameters<D, Bias, 'bias_ih' | 'bias_hh'>
