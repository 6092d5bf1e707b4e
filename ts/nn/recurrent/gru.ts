/** The GRU: recurrent layers with reset and update gates, and the hidden state as the only state. */

import { checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import type { Tensor } from '../../tensor/tensor'
import { RNNBase } from './base'
import {
  baseOptions,
  checkBaseConfig,
  checkNoProjection,
  forwardOptions,
  type RNNBaseOptions,
} from './options'
import type { StackParameters } from './parameters'
import type { RNNParameterName } from './rnn'
import { oneState } from './states'

/** Options of {@link GRU}. */
export interface GRUOptions<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> extends RNNBaseOptions<D, Layers, Bias, Bidirectional> {}

/** The name of a parameter of `nn.GRU`: `weight_ih_l0`, `bias_hh_l1_reverse`, … */
export type GRUParameterName = RNNParameterName

const kind = {
  name: 'GRU',
  cell: 'gru',
  operation: 'GruBackward0',
  bare: false,
  states: oneState('hx', 'hidden', true),
  options: forwardOptions,
}

/** The class of {@link GRU}. */
class GRUModule<D extends DType = 'float32'> extends RNNBase<D> {
  /** W_ih of layer 0; the other parameters are fields, too, under torch's names: `gru.bias_hh_l1_reverse`, … */
  declare weight_ih_l0: Tensor<D>
  /** W_hh of layer 0. */
  declare weight_hh_l0: Tensor<D>;

  /** The parameters, under torch's names. */
  [name: GRUParameterName]: Tensor<D>

  constructor(inputSize: number, hiddenSize: number, options?: GRUOptions<DType>) {
    if (arguments.length > 3) refuseExtra('GRU', 3, arguments)
    checkNoProjection(options)
    const given = checkOptions('GRU', options, baseOptions)
    super(kind, checkBaseConfig(inputSize, hiddenSize, given), {})
  }
}

/** The constructor of {@link GRU}. */
export interface GRUConstructor {
  /**
   * @param inputSize I: the number of features of x_t.
   * @param hiddenSize H: the number of features of h_t.
   * @param options
   * - `numLayers`: how many layers are stacked, at most 65536. Default: 1.
   * - `bias`: whether there are b_i* and b_h*. Default: true.
   * - `batchFirst`: whether input and output are (B, T, …). Default: false.
   * - `dropout`: probability p of dropout, in training, on the output of each layer except the last; elements that stay
   *   are scaled by 1/(1-p). Default: 0.
   * - `bidirectional`: whether each layer also runs in the reverse direction. Default: false.
   * - `dtype`: `'float32'` or `'float64'`. Default: `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, or a `dropout` outside
   *   [0, 1]; TypeError for a size that is not an integer, a flag that is not a boolean, or an unknown option.
   */
  new <
    D extends DType = 'float32',
    Layers extends number = number,
    Bias extends boolean = true,
    Bidirectional extends boolean = boolean,
  >(
    inputSize: number,
    hiddenSize: number,
    options?: GRUOptions<D, Layers, Bias, Bidirectional>,
  ): GRU<NoInfer<D>, NoInfer<Layers>, NoInfer<Bias>, NoInfer<Bidirectional>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is GRUModule<DType>
}

/**
 * A stack of GRU layers over whole sequences, as `torch.nn.GRU`.
 *
 * Each layer computes, for every time step t of every sequence,
 *
 *     r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)             reset gate
 *     z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)             update gate
 *     n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn))
 *     h_t = (1 - z_t) ⊙ n_t + z_t ⊙ h_{t-1}
 *
 * where σ is the logistic sigmoid, ⊙ is the elementwise product, x_t is the input at t (in the first layer) or the
 * output of the layer before, and h_0 is `hx` or zero. With `bidirectional`, each layer also runs in the reverse
 * direction, with its own parameters; the features of its output are those of the forward direction, then those of the
 * reverse one.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | hx, hN (L·D, B, H), or (L·D, H) unbatched; never `batchFirst` | L = `numLayers`, D = 2 if bidirectional else 1, H = `hiddenSize`; layer 0 forward, layer 0 reverse, layer 1 forward, … |
 * | output (T, B, D·H), (B, T, D·H) or (T, D·H) | the last layer's h_t: forward, then reverse direction |
 * | `weight_ih_l{k}` (3H, I), or (3H, D·H) for k > 0 | k-th layer, the rows of r, z and n; `…_reverse` for the reverse direction |
 * | `weight_hh_l{k}` (3H, H); `bias_ih_l{k}`, `bias_hh_l{k}` (3H) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): after `manualSeed(s)` the values are those of torch after
 * `torch.manual_seed(s)`.
 *
 * Results are reproducible to the last bit. They do not depend on the other sequences of the batch or on the number of
 * threads, and a sequence cut in two, with hN carried over, gives the same bits as the whole.
 *
 * For the backward pass each layer and direction keeps r, z, n and W_hn h_{t-1} + b_hn, 4·H numbers a row, and the
 * outputs of the layers below the last; `checkpointEvery` reduces that.
 *
 * @example
 * ```ts
 * import { nn, randn } from '@elman/rnn'
 *
 * const gru = new nn.GRU(10, 20, { numLayers: 2 })
 * const [output, hN] = gru.forward(randn([5, 3, 10]), randn([2, 3, 20]))
 * console.log(output.shape, hN.shape) // [ 5, 3, 20 ] [ 2, 3, 20 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
 * @see K. Cho et al., "Learning phrase representations using RNN encoder–decoder for statistical machine translation",
 *   arXiv 1406.1078.
 * @class
 */
export const GRU = GRUModule as GRUConstructor

/**
 * An instance of {@link GRU}. Its parameters are fields: those of layer 0, and the others as far as `numLayers`, `bias`
 * and `bidirectional` are literals where it is made.
 */
export type GRU<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): GRU<T, Layers, Bias, Bidirectional>
} & GRUModule<D> &
  StackParameters<D, Layers, Bias, Bidirectional>
