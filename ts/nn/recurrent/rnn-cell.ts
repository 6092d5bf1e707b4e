/** A single step of the Elman network. */

import { checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { setReadOnly } from '../../tools'
import { cellOptions, checkCellConfig, RNNCellBase, type RNNCellBaseOptions } from './cell-base'
import { checkNonlinearity, type Nonlinearity } from './options'
import type { BiasParameters } from './parameters'
import { oneState } from './states'

/** Options of {@link RNNCell}. */
export interface RNNCellOptions<D extends DType = 'float32', Bias extends boolean = boolean>
  extends RNNCellBaseOptions<D, Bias> {
  /** `'tanh'` or `'relu'`. Default: `'tanh'`. */
  nonlinearity?: Nonlinearity | undefined
}

const kind = {
  name: 'RNNCell',
  cell: 'elman',
  operation: 'RnnBackward0',
  bare: true,
  states: oneState('hx', 'hidden', false),
}

/** The class of {@link RNNCell}. */
class RNNCellModule<D extends DType = 'float32'> extends RNNCellBase<D> {
  /** The activation. */
  declare readonly nonlinearity: Nonlinearity

  constructor(inputSize: number, hiddenSize: number, options?: RNNCellOptions<DType>) {
    if (arguments.length > 3) refuseExtra('RNNCell', 3, arguments)
    const given = checkOptions('RNNCell', options, ['nonlinearity', ...cellOptions])
    const nonlinearity = checkNonlinearity(given.nonlinearity ?? 'tanh')
    super(kind, checkCellConfig(inputSize, hiddenSize, given), { nonlinearity })
    setReadOnly(this, { nonlinearity })
  }

  protected override extraRepr(): string {
    const { nonlinearity } = this
    return super.extraRepr() + (nonlinearity === 'tanh' ? '' : `, nonlinearity=${nonlinearity}`)
  }
}

/** The constructor of {@link RNNCell}. */
export interface RNNCellConstructor {
  /**
   * @param inputSize I: the number of features of x.
   * @param hiddenSize H: the number of features of h.
   * @param options `bias`: whether there are b_ih and b_hh, default true; `nonlinearity`: `'tanh'` (the default) or
   *   `'relu'`; `dtype`: default `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, or an unknown
   *   `nonlinearity`; TypeError for a size that is not an integer, a `bias` that is not a boolean, or an unknown
   *   option.
   */
  new <D extends DType = 'float32', Bias extends boolean = true>(
    inputSize: number,
    hiddenSize: number,
    options?: RNNCellOptions<D, Bias>,
  ): RNNCell<NoInfer<D>, NoInfer<Bias>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is RNNCellModule<DType>
}

/**
 * One step of an Elman network, as `torch.nn.RNNCell`.
 *
 *     h' = act(W_ih x + b_ih + W_hh h + b_hh)
 *
 * The cell is for a loop over time with other operations between the steps; without these, `nn.RNN` is much faster.
 *
 * | shape | where |
 * |---|---|
 * | input (B, I), or (I) unbatched | B sequences, I = `inputSize` |
 * | hx, the result (B, H), or (H) | H = `hiddenSize` |
 * | `weight_ih` (H, I), `weight_hh` (H, H), `bias_ih`, `bias_hh` (H) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): the same values as in torch for the same seed.
 *
 * @example
 * ```ts
 * import { nn, randn, type Tensor } from '@elman/rnn'
 *
 * const cell = new nn.RNNCell(10, 20)
 * let h: Tensor | null = null
 * for (let t = 0; t < 6; t += 1) h = cell.forward(randn([3, 10]), h)
 * console.log(h?.shape) // [ 3, 20 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
 * @class
 */
export const RNNCell = RNNCellModule as RNNCellConstructor

/** An instance of {@link RNNCell}, whose biases are null without `bias`. */
export type RNNCell<D extends DType = 'float32', Bias extends boolean = boolean> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): RNNCell<T, Bias>
} & RNNCellModule<D> &
  BiasParameters<D, Bias, 'bias_ih' | 'bias_hh'>
