/** A single step of the GRU. */

import { checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { cellOptions, checkCellConfig, RNNCellBase, type RNNCellBaseOptions } from './cell-base'
import type { BiasParameters } from './parameters'
import { oneState } from './states'

/** Options of {@link GRUCell}. */
export interface GRUCellOptions<D extends DType = 'float32', Bias extends boolean = boolean>
  extends RNNCellBaseOptions<D, Bias> {}

const kind = {
  name: 'GRUCell',
  cell: 'gru',
  operation: 'GruBackward0',
  bare: true,
  states: oneState('hx', 'hidden', false),
}

/** The class of {@link GRUCell}. */
class GRUCellModule<D extends DType = 'float32'> extends RNNCellBase<D> {
  constructor(inputSize: number, hiddenSize: number, options?: GRUCellOptions<DType>) {
    if (arguments.length > 3) refuseExtra('GRUCell', 3, arguments)
    const given = checkOptions('GRUCell', options, cellOptions)
    super(kind, checkCellConfig(inputSize, hiddenSize, given), {})
  }
}

/** The constructor of {@link GRUCell}. */
export interface GRUCellConstructor {
  /**
   * @param inputSize I: the number of features of x.
   * @param hiddenSize H: the number of features of h.
   * @param options `bias`: whether there are b_i* and b_h*, default true; `dtype`: default `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory; TypeError for a size
   *   that is not an integer, a `bias` that is not a boolean, or an unknown option.
   */
  new <D extends DType = 'float32', Bias extends boolean = true>(
    inputSize: number,
    hiddenSize: number,
    options?: GRUCellOptions<D, Bias>,
  ): GRUCell<NoInfer<D>, NoInfer<Bias>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is GRUCellModule<DType>
}

/**
 * One step of a GRU, as `torch.nn.GRUCell`.
 *
 *     r = σ(W_ir x + b_ir + W_hr h + b_hr)
 *     z = σ(W_iz x + b_iz + W_hz h + b_hz)
 *     n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))
 *     h' = (1 - z) ⊙ n + z ⊙ h
 *
 * The cell is for a loop over time with other operations between the steps; without these, `nn.GRU` is much faster.
 *
 * | shape | where |
 * |---|---|
 * | input (B, I), or (I) unbatched | B sequences, I = `inputSize` |
 * | hx, the result (B, H), or (H) | H = `hiddenSize` |
 * | `weight_ih` (3H, I), `weight_hh` (3H, H), `bias_ih`, `bias_hh` (3H) | the rows of r, z and n |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): the same values as in torch for the same seed.
 *
 * @example
 * ```ts
 * import { nn, randn, type Tensor } from '@elman/rnn'
 *
 * const cell = new nn.GRUCell(10, 20)
 * let h: Tensor | null = null
 * for (let t = 0; t < 6; t += 1) h = cell.forward(randn([3, 10]), h)
 * console.log(h?.shape) // [ 3, 20 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
 * @class
 */
export const GRUCell = GRUCellModule as GRUCellConstructor

/** An instance of {@link GRUCell}, whose biases are null without `bias`. */
export type GRUCell<D extends DType = 'float32', Bias extends boolean = boolean> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): GRUCell<T, Bias>
} & GRUCellModule<D> &
  BiasParameters<D, Bias, 'bias_ih' | 'bias_hh'>
