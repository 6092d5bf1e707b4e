/** The Jordan network: a recurrent layer that feeds back its output instead of its hidden state. */

import { checkChoice, checkOptions, checkPositiveInteger, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import type { Tensor } from '../../tensor/tensor'
import { setReadOnly } from '../../tools'
import { RNNBase } from './base'
import {
  checkBaseConfig,
  checkNonlinearity,
  forwardOptions,
  type Nonlinearity,
  type RNNForwardOptions,
} from './options'
import type { BiasParameters } from './parameters'
import { oneState } from './states'

/** The activation of a {@link JordanRNN}'s output. */
export type OutputNonlinearity = 'identity' | 'tanh' | 'sigmoid'

/** Options of {@link JordanRNN}. */
export interface JordanRNNOptions<D extends DType = 'float32', Bias extends boolean = boolean> {
  /** act: `'tanh'` or `'relu'`. Default: `'tanh'`. */
  nonlinearity?: Nonlinearity | undefined
  /** g: `'identity'`, `'tanh'` or `'sigmoid'`. Default: `'identity'`. */
  outputNonlinearity?: OutputNonlinearity | undefined
  /** Whether there are `bias_ih`, `bias_yh` and `bias_hy`. Default: true. */
  bias?: Bias | undefined
  /** Whether input and output are (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** Default: `'float32'`. */
  dtype?: D | undefined
}

/** Options of a {@link JordanRNN}'s `forward`. */
export interface JordanRNNForwardOptions<D extends DType = 'float32'> extends RNNForwardOptions {
  /**
   * Teacher forcing: values that are fed back instead of the network's own outputs, in the shape of the output; with
   * packed input, packed like it. Step t reads row t - 1 of them, the first step y0; the last row is not read. All
   * steps are computed at once. Gradients flow to the teacher if it requires them. Default: the network's own outputs.
   */
  teacher?: Tensor<D> | null | undefined
}

const kind = {
  name: 'JordanRNN',
  cell: 'jordan',
  operation: 'JordanBackward0',
  bare: true,
  states: oneState('y0', 'y0', false),
  options: ['teacher', ...forwardOptions],
}

const optionNames = ['nonlinearity', 'outputNonlinearity', 'bias', 'batchFirst', 'dtype']

/** The class of {@link JordanRNN}. */
class JordanRNNModule<D extends DType = 'float32'> extends RNNBase<
  D,
  Tensor<D>,
  JordanRNNForwardOptions<D>
> {
  /** W_ih: (H, I). */
  declare weight_ih: Tensor<D>
  /** W_yh: (H, O). */
  declare weight_yh: Tensor<D>
  /** W_hy: (O, H). */
  declare weight_hy: Tensor<D>
  /** b_ih: (H), or null without biases. */
  declare bias_ih: Tensor<D> | null
  /** b_yh: (H), or null without biases. */
  declare bias_yh: Tensor<D> | null
  /** b_hy: (O), or null without biases. */
  declare bias_hy: Tensor<D> | null

  /** O: the number of features of y_t. */
  declare readonly outputSize: number
  /** act: the activation of the hidden layer. */
  declare readonly nonlinearity: Nonlinearity
  /** g: the activation of the output. */
  declare readonly outputNonlinearity: OutputNonlinearity

  constructor(
    inputSize: number,
    hiddenSize: number,
    outputSize: number,
    options?: JordanRNNOptions<DType>,
  ) {
    if (arguments.length > 4) refuseExtra('JordanRNN', 4, arguments)
    const given = checkOptions('JordanRNN', options, optionNames)
    const nonlinearity = checkNonlinearity(given.nonlinearity ?? 'tanh')
    const outputNonlinearity = checkOutputNonlinearity(given.outputNonlinearity ?? 'identity')
    const config = checkBaseConfig(inputSize, hiddenSize, given)
    checkPositiveInteger('output_size', outputSize)
    super(kind, config, { outputSize, nonlinearity, outputNonlinearity })
    setReadOnly(this, { outputSize, nonlinearity, outputNonlinearity })
    if (!this.bias) Object.assign(this, { bias_ih: null, bias_yh: null, bias_hy: null })
  }

  protected override extraRepr(): string {
    const { inputSize, hiddenSize, outputSize, bias, batchFirst } = this
    const { nonlinearity, outputNonlinearity } = this
    return [
      `${inputSize}, ${hiddenSize}, ${outputSize}`,
      ...(bias ? [] : ['bias=False']),
      ...(batchFirst ? ['batch_first=True'] : []),
      ...(nonlinearity === 'tanh' ? [] : [`nonlinearity=${nonlinearity}`]),
      ...(outputNonlinearity === 'identity' ? [] : [`output_nonlinearity=${outputNonlinearity}`]),
    ].join(', ')
  }
}

/** The constructor of {@link JordanRNN}. */
export interface JordanRNNConstructor {
  /**
   * @param inputSize I: the number of features of x_t.
   * @param hiddenSize H: the number of features of h_t.
   * @param outputSize O: the number of features of y_t.
   * @param options
   * - `nonlinearity`: act, `'tanh'` or `'relu'`. Default: `'tanh'`.
   * - `outputNonlinearity`: g, `'identity'`, `'tanh'` or `'sigmoid'`. Default: `'identity'`.
   * - `bias`: whether there are b_ih, b_yh and b_hy. Default: true.
   * - `batchFirst`: whether input and output are (B, T, …). Default: false.
   * - `dtype`: `'float32'` or `'float64'`. Default: `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, or an unknown
   *   activation; TypeError for a size that is not an integer, a flag that is not a boolean, or an unknown option.
   */
  new <D extends DType = 'float32', Bias extends boolean = true>(
    inputSize: number,
    hiddenSize: number,
    outputSize: number,
    options?: JordanRNNOptions<D, Bias>,
  ): JordanRNN<NoInfer<D>, NoInfer<Bias>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is JordanRNNModule<DType>
}

/**
 * A Jordan network over whole sequences: the output of each step is fed back into the next.
 *
 *     h_t = act(W_ih x_t + b_ih + W_yh y_{t-1} + b_yh)
 *     y_t = g(W_hy h_t + b_hy)
 *
 * where act is tanh or relu, g is the identity, tanh or the logistic sigmoid, and y_0 is `hx` or zero.
 *
 * An Elman network ({@link RNN}) feeds back h instead, and is the usual choice. The state of a Jordan network is only
 * its last output: O numbers that training fits to a target, so information that is not in the target is lost.
 *
 * In return, a Jordan network can be trained with teacher forcing. With a `teacher` (the targets), no step depends on
 * the one before: all time steps are computed at once in a few large GEMMs, and no gradient goes back through time. The
 * cost is exposure bias: in training the network sees a past without its own errors, at inference one with them.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | y0, yN (B, O), or (O) unbatched | O = `outputSize` |
 * | output, teacher (T, B, O), (B, T, O) or (T, O) | y_t of every step |
 * | `weight_ih` (H, I), `weight_yh` (H, O), `weight_hy` (O, H) | H = `hiddenSize` |
 * | `bias_ih`, `bias_yh` (H), `bias_hy` (O) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H), in the order of the state dict, which is that of the table. Torch
 * has no such module; names and conventions are those of its `nn.RNN`. The states `hx` and `hN` are y0 and yN here.
 *
 * @example
 * ```ts
 * import { nn, rand, randn } from '@elman/rnn'
 *
 * const network = new nn.JordanRNN(10, 20, 3, { outputNonlinearity: 'sigmoid' })
 * const [output, yN] = network.forward(randn([5, 2, 10]))
 * console.log(output.shape, yN.shape) // [ 5, 2, 3 ] [ 2, 3 ]
 *
 * const teacher = rand([5, 2, 3])
 * const [taught] = network.forward(randn([5, 2, 10]), null, { teacher, lengths: [5, 3] })
 * new nn.MSELoss().forward(taught, teacher).backward()
 * ```
 *
 * @see M. I. Jordan, "Serial order: A parallel distributed processing approach", ICS report 8604, University of
 *   California, San Diego (1986).
 * @see J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179–211.
 * @class
 */
export const JordanRNN = JordanRNNModule as JordanRNNConstructor

/** An instance of {@link JordanRNN}, whose biases are null without `bias`. */
export type JordanRNN<D extends DType = 'float32', Bias extends boolean = boolean> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): JordanRNN<T, Bias>
} & JordanRNNModule<D> &
  BiasParameters<D, Bias, 'bias_ih' | 'bias_yh' | 'bias_hy'>

function checkOutputNonlinearity(value: unknown): OutputNonlinearity {
  return checkChoice<OutputNonlinearity>(
    value,
    ['identity', 'tanh', 'sigmoid'],
    `Unknown output_nonlinearity '${String(value)}'. Select from 'identity', 'tanh' or 'sigmoid'.`,
  )
}
