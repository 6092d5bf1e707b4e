/** The LSTM: recurrent layers with a cell state behind input, forget and output gates. */

import { checkInteger, checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import type { Tensor } from '../../tensor/tensor'
import { setReadOnly } from '../../tools'
import { RNNBase } from './base'
import { baseOptions, checkBaseConfig, forwardOptions, type RNNBaseOptions } from './options'
import type { ParameterName, StackParameters } from './parameters'
import { type LSTMState, twoStates } from './states'

/** Options of {@link LSTM}. */
export interface LSTMOptions<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> extends RNNBaseOptions<D, Layers, Bias, Bidirectional> {
  /** P: the features of the projection of h, below `hiddenSize`; 0 for none. Default: 0. */
  projSize?: number | undefined
}

/** The name of a parameter of `nn.LSTM`: `weight_ih_l0`, `bias_hh_l1_reverse`, `weight_hr_l0`, … */
export type LSTMParameterName = ParameterName<
  'weight_ih' | 'weight_hh' | 'bias_ih' | 'bias_hh' | 'weight_hr'
>

const kind = {
  name: 'LSTM',
  cell: 'lstm',
  operation: 'LstmBackward0',
  bare: false,
  states: twoStates('lstm', ['hidden[0]', 'hidden[1]'], true),
  options: forwardOptions,
}

/** The class of {@link LSTM}. */
class LSTMModule<D extends DType = 'float32'> extends RNNBase<D, LSTMState<D>> {
  /** W_ih of layer 0; the other parameters are fields, too, under torch's names: `lstm.bias_hh_l1_reverse`, … */
  declare weight_ih_l0: Tensor<D>
  /** W_hh of layer 0. */
  declare weight_hh_l0: Tensor<D>;

  /** The parameters, under torch's names. */
  [name: LSTMParameterName]: Tensor<D>

  /** P: the number of features of h_t if it is projected, 0 if not. */
  declare readonly projSize: number

  constructor(inputSize: number, hiddenSize: number, options?: LSTMOptions<DType>) {
    if (arguments.length > 3) refuseExtra('LSTM', 3, arguments)
    const given = checkOptions('LSTM', options, ['projSize', ...baseOptions])
    const config = checkBaseConfig(inputSize, hiddenSize, given)
    const projSize = checkProjSize(given.projSize ?? 0, config.hiddenSize)
    super(kind, config, { projSize })
    setReadOnly(this, { projSize })
  }

  protected override sizesRepr(): string[] {
    const { projSize } = this
    return [...super.sizesRepr(), ...(projSize === 0 ? [] : [`proj_size=${projSize}`])]
  }
}

/** The constructor of {@link LSTM}. */
export interface LSTMConstructor {
  /**
   * @param inputSize I: the number of features of x_t.
   * @param hiddenSize H: the number of features of c_t, and of h_t without a projection.
   * @param options
   * - `numLayers`: how many layers are stacked, at most 65536. Default: 1.
   * - `bias`: whether there are b_i* and b_h*. Default: true.
   * - `batchFirst`: whether input and output are (B, T, …). Default: false.
   * - `dropout`: probability p of dropout, in training, on the output of each layer except the last; elements that stay
   *   are scaled by 1/(1-p). Default: 0.
   * - `bidirectional`: whether each layer also runs in the reverse direction. Default: false.
   * - `projSize`: P, the number of features of h_t if it is projected, below `hiddenSize`; 0 for none. Default: 0.
   * - `dtype`: `'float32'` or `'float64'`. Default: `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, a `projSize` that is
   *   negative or not below `hiddenSize`, or a `dropout` outside [0, 1]; TypeError for a size that is not an integer, a
   *   flag that is not a boolean, or an unknown option.
   */
  new <
    D extends DType = 'float32',
    Layers extends number = number,
    Bias extends boolean = true,
    Bidirectional extends boolean = boolean,
  >(
    inputSize: number,
    hiddenSize: number,
    options?: LSTMOptions<D, Layers, Bias, Bidirectional>,
  ): LSTM<NoInfer<D>, NoInfer<Layers>, NoInfer<Bias>, NoInfer<Bidirectional>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is LSTMModule<DType>
}

/**
 * A stack of LSTM layers over whole sequences, as `torch.nn.LSTM`.
 *
 * Each layer computes, for every time step t of every sequence,
 *
 *     i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)      input gate
 *     f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)      forget gate
 *     g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)   candidate
 *     o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)      output gate
 *     c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
 *     h_t = o_t ⊙ tanh(c_t)
 *
 * where σ is the logistic sigmoid, ⊙ is the elementwise product, x_t is the input at t (in the first layer) or the
 * output of the layer before, and h_0 and c_0 are `hx` or zero. With `projSize` P, h_t is W_hr (o_t ⊙ tanh(c_t)), of P
 * features (Sak et al., arXiv 1402.1128). With `bidirectional`, each layer also runs in the reverse direction, with its
 * own parameters; the features of its output are those of the forward direction, then those of the reverse one.
 *
 * The states are a pair: `hx` is `[h0, c0]` and hN is `[hN, cN]`, in every call.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | h0, hN (L·D, B, P), or (L·D, P) unbatched; never `batchFirst` | L = `numLayers`, D = 2 if bidirectional else 1, P = `projSize`, or H if that is 0; layer 0 forward, layer 0 reverse, layer 1 forward, … |
 * | c0, cN (L·D, B, H), or (L·D, H) unbatched | H = `hiddenSize` |
 * | output (T, B, D·P), (B, T, D·P) or (T, D·P) | the last layer's h_t: forward, then reverse direction |
 * | `weight_ih_l{k}` (4H, I), or (4H, D·P) for k > 0 | k-th layer, the rows of i, f, g and o; `…_reverse` for the reverse direction |
 * | `weight_hh_l{k}` (4H, P); `bias_ih_l{k}`, `bias_hh_l{k}` (4H) | |
 * | `weight_hr_l{k}` (P, H) | with `projSize` only |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): after `manualSeed(s)` the values are those of torch after
 * `torch.manual_seed(s)`.
 *
 * Results are reproducible to the last bit. They do not depend on the other sequences of the batch or on the number of
 * threads, and a sequence cut in two, with the states carried over, gives the same bits as the whole.
 *
 * For the backward pass each layer and direction keeps i, f, g, o and c_{t-1}, 5·H numbers a row, and the outputs of
 * the layers below the last; `checkpointEvery` reduces that.
 *
 * @example
 * ```ts
 * import { nn, randn } from '@elman/rnn'
 *
 * const lstm = new nn.LSTM(10, 20, { numLayers: 2 })
 * const input = randn([5, 3, 10])
 * const [output, [hN, cN]] = lstm.forward(input, [randn([2, 3, 20]), randn([2, 3, 20])])
 * console.log(output.shape, hN.shape, cN.shape) // [ 5, 3, 20 ] [ 2, 3, 20 ] [ 2, 3, 20 ]
 *
 * const { pullback } = lstm.vjp(input)
 * const { hx } = pullback(null, [null, cN]) // of a loss on the last c alone
 * console.log(hx.length) // 2
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
 * @see S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997) 1735–1780.
 * @class
 */
export const LSTM = LSTMModule as LSTMConstructor

/**
 * An instance of {@link LSTM}. Its parameters are fields: those of layer 0, and the others as far as `numLayers`, `bias`
 * and `bidirectional` are literals where it is made.
 */
export type LSTM<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): LSTM<T, Layers, Bias, Bidirectional>
} & LSTMModule<D> &
  StackParameters<D, Layers, Bias, Bidirectional>

function checkProjSize(value: unknown, hiddenSize: number): number {
  const projSize = checkInteger('proj_size', value)
  if (projSize < 0) {
    throw new RangeError('proj_size should be a positive integer or zero to disable projections')
  }
  if (projSize >= hiddenSize) {
    throw new RangeError('proj_size has to be smaller than hidden_size')
  }
  return projSize
}
