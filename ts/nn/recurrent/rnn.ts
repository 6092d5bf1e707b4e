/** The Elman network: a stack of recurrent layers over whole sequences. */

import { checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import type { Tensor } from '../../tensor/tensor'
import { setReadOnly } from '../../tools'
import { RNNBase } from './base'
import {
  baseOptions,
  checkBaseConfig,
  checkNonlinearity,
  checkNoProjection,
  forwardOptions,
  type Nonlinearity,
  type RNNBaseOptions,
} from './options'
import type { ParameterName, StackParameters } from './parameters'
import { oneState } from './states'

/** Options of {@link RNN}. */
export interface RNNOptions<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> extends RNNBaseOptions<D, Layers, Bias, Bidirectional> {
  /** `'tanh'` or `'relu'`. Default: `'tanh'`. */
  nonlinearity?: Nonlinearity | undefined
}

/** The name of a parameter of `nn.RNN`: `weight_ih_l0`, `bias_hh_l1_reverse`, … */
export type RNNParameterName = ParameterName<'weight_ih' | 'weight_hh' | 'bias_ih' | 'bias_hh'>

const kind = {
  name: 'RNN',
  cell: 'elman',
  operation: 'RnnBackward0',
  bare: false,
  states: oneState('hx', 'hidden', true),
  options: forwardOptions,
}

/** The class of {@link RNN}. */
class RNNModule<D extends DType = 'float32'> extends RNNBase<D> {
  /** W_ih of layer 0; the other parameters are fields, too, under torch's names: `rnn.bias_hh_l1_reverse`, … */
  declare weight_ih_l0: Tensor<D>
  /** W_hh of layer 0. */
  declare weight_hh_l0: Tensor<D>;

  /** The parameters, under torch's names. */
  [name: RNNParameterName]: Tensor<D>

  /** The activation. */
  declare readonly nonlinearity: Nonlinearity

  constructor(inputSize: number, hiddenSize: number, options?: RNNOptions<DType>) {
    if (arguments.length > 3) refuseExtra('RNN', 3, arguments)
    checkNoProjection(options)
    const given = checkOptions('RNN', options, ['nonlinearity', ...baseOptions])
    const nonlinearity = checkNonlinearity(given.nonlinearity ?? 'tanh')
    super(kind, checkBaseConfig(inputSize, hiddenSize, given), { nonlinearity })
    setReadOnly(this, { nonlinearity })
  }
}

/** The constructor of {@link RNN}. */
export interface RNNConstructor {
  /**
   * @param inputSize I: the number of features of x_t.
   * @param hiddenSize H: the number of features of h_t.
   * @param options
   * - `numLayers`: how many layers are stacked, at most 65536. Default: 1.
   * - `nonlinearity`: `'tanh'` or `'relu'`. Default: `'tanh'`.
   * - `bias`: whether there are b_ih and b_hh. Default: true.
   * - `batchFirst`: whether input and output are (B, T, …). Default: false.
   * - `dropout`: probability p of dropout, in training, on the output of each layer except the last; elements that stay
   *   are scaled by 1/(1-p). Default: 0.
   * - `bidirectional`: whether each layer also runs in the reverse direction. Default: false.
   * - `dtype`: `'float32'` or `'float64'`. Default: `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, a `dropout` outside
   *   [0, 1] or an unknown `nonlinearity`; TypeError for a size that is not an integer, a flag that is not a boolean,
   *   or an unknown option.
   */
  new <
    D extends DType = 'float32',
    Layers extends number = number,
    Bias extends boolean = true,
    Bidirectional extends boolean = boolean,
  >(
    inputSize: number,
    hiddenSize: number,
    options?: RNNOptions<D, Layers, Bias, Bidirectional>,
  ): RNN<NoInfer<D>, NoInfer<Layers>, NoInfer<Bias>, NoInfer<Bidirectional>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is RNNModule<DType>
}

/**
 * A stack of Elman layers over whole sequences, as `torch.nn.RNN`.
 *
 * Each layer computes, for every time step t of every sequence,
 *
 *     h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
 *
 * where act is tanh or relu, x_t is the input at t (in the first layer) or the output of the layer before, and h_0 is
 * `hx` or zero. With `bidirectional`, each layer also runs in the reverse direction, with its own parameters; the
 * features of its output are those of the forward direction, then those of the reverse one.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | hx, hN (L·D, B, H), or (L·D, H) unbatched; never `batchFirst` | L = `numLayers`, D = 2 if bidirectional else 1, H = `hiddenSize`; layer 0 forward, layer 0 reverse, layer 1 forward, … |
 * | output (T, B, D·H), (B, T, D·H) or (T, D·H) | the last layer's h_t: forward, then reverse direction |
 * | `weight_ih_l{k}` (H, I), or (H, D·H) for k > 0 | k-th layer; `…_reverse` for the reverse direction |
 * | `weight_hh_l{k}` (H, H); `bias_ih_l{k}`, `bias_hh_l{k}` (H) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): after `manualSeed(s)` the values are those of torch after
 * `torch.manual_seed(s)`.
 *
 * Results are reproducible to the last bit. They do not depend on the other sequences of the batch or on the number of
 * threads, and a sequence cut in two, with hN carried over, gives the same bits as the whole.
 *
 * @example
 * ```ts
 * import { nn, randn } from '@elman/rnn'
 *
 * const rnn = new nn.RNN(10, 20, { numLayers: 2 })
 * const input = randn([5, 3, 10])
 * const h0 = randn([2, 3, 20])
 * const [output, hN] = rnn.forward(input, h0)
 * console.log(output.shape, hN.shape) // [ 5, 3, 20 ] [ 2, 3, 20 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
 * @class
 */
export const RNN = RNNModule as RNNConstructor

/**
 * An instance of {@link RNN}. Its parameters are fields: those of layer 0, and the others as far as `numLayers`, `bias`
 * and `bidirectional` are literals where it is made.
 */
export type RNN<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): RNN<T, Layers, Bias, Bidirectional>
} & RNNModule<D> &
  StackParameters<D, Layers, Bias, Bidirectional>
