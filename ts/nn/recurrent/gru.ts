/** The GRU: recurrent layers with gates, and no memory apart from the hidden state. */

import { checkOptions } from '../../check'
import type { Tensor } from '../../tensor/tensor'
import { RNNBase } from './base'
import {
  baseOptions,
  checkBaseConfig,
  checkNoProjection,
  forwardOptions,
  type RNNBaseOptions,
} from './options'
import type { RNNParameterName } from './rnn'
import { oneState } from './states'

/** Options of {@link GRU}. */
export interface GRUOptions extends RNNBaseOptions {}

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

/**
 * A stack of GRU layers over whole sequences, as `torch.nn.GRU`.
 *
 * Each layer computes, for every time step t of every sequence,
 *
 *     r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)             how much of the past n_t sees
 *     z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)             how much of the past stays
 *     n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn))
 *     h_t = (1 - z_t) ⊙ n_t + z_t ⊙ h_{t-1}
 *
 * where σ is the logistic function, ⊙ multiplies element by element, x_t is the input at t (in the first layer) or the
 * output of the layer before, and h_0 is `hx` or zero. With `bidirectional`, each layer has a second half that reads
 * the sequence from its end; its outputs stand behind those of the first half.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | hx, hN (L·D, B, H), or (L·D, H) unbatched; never `batchFirst` | L = `numLayers`, D = 2 if bidirectional else 1, H = `hiddenSize`; layer 0 forward, layer 0 reverse, layer 1 forward, … |
 * | output (T, B, D·H), (B, T, D·H) or (T, D·H) | the last layer's h_t: forward half, reverse half |
 * | `weight_ih_l{k}` (3H, I), or (3H, D·H) for k > 0 | k-th layer, the rows of r, z and n; `…_reverse` for its second half |
 * | `weight_hh_l{k}` (3H, H); `bias_ih_l{k}`, `bias_hh_l{k}` (3H) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): after `manualSeed(s)` the numbers are those of torch after
 * `torch.manual_seed(s)`. A row of a batch does not depend on the other rows, to the last bit, nor does a result
 * depend on the number of threads; a sequence cut in two, with hN carried over, gives the bits of the whole.
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
 */
export class GRU extends RNNBase {
  /** The parameters, under torch's names: `gru.weight_ih_l0`, `gru.bias_hh_l1_reverse`, … */
  [name: GRUParameterName]: Tensor

  /**
   * @param inputSize I: the number of features of x_t.
   * @param hiddenSize H: the number of features of h_t.
   * @param options
   * - `numLayers`: how many layers are stacked, at most 65536. Default: 1.
   * - `bias`: whether there are b_i* and b_h*. Default: true.
   * - `batchFirst`: whether input and output are (B, T, …). Default: false.
   * - `dropout`: probability with which, in training, an element of each layer's output but the last's becomes 0; the
   *   others are scaled by 1/(1-p). Default: 0.
   * - `bidirectional`: whether each layer has a second half that reads from the end. Default: false.
   * - `dtype`: `'float32'` or `'float64'`. Default: `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, or a `dropout` outside
   *   [0, 1]; TypeError for a size that is not an integer, a flag that is not a boolean, or an option that does not
   *   exist.
   */
  constructor(inputSize: number, hiddenSize: number, options?: GRUOptions) {
    checkNoProjection(options)
    const given = checkOptions('GRU', options, baseOptions)
    super(kind, checkBaseConfig(inputSize, hiddenSize, given), {})
  }
}
