/** The Jordan network: a recurrent layer whose output, not its hidden state, goes into the next step. */

import { sized, type Variable } from '../autograd/variable'
import {
  checkBoolean,
  checkChoice,
  checkDType,
  checkOptions,
  checkPositiveInteger,
  formatShape,
  sameShape,
} from '../check'
import type { DType } from '../dtype'
import { type NativeJordanCore, native } from '../native'
import { type JordanRows, jordan } from '../ops/jordan'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { parameter, uniform } from './init'
import type { Lengths } from './lengths'
import { Module } from './module'
import { checkArgumentDType, checkBatchLengths, type PaddedLayout } from './rnn/arguments'
import { checkNonlinearity, type Nonlinearity } from './rnn/config'
import { LayoutCache } from './rnn/layout-cache'
import { checkParameters, type ParameterSpec } from './rnn/parameters'

/** The function of a {@link JordanRNN}'s output. */
export type OutputNonlinearity = 'identity' | 'tanh' | 'sigmoid'

/** Options of {@link JordanRNN}. */
export interface JordanRNNOptions {
  /** act: `'tanh'` or `'relu'`. Default: `'tanh'`. */
  nonlinearity?: Nonlinearity | undefined
  /** g: `'identity'`, `'tanh'` or `'sigmoid'`. Default: `'identity'`. */
  outputNonlinearity?: OutputNonlinearity | undefined
  /** Whether there are `bias_ih`, `bias_yh` and `bias_hy`. Default: true. */
  bias?: boolean | undefined
  /** Whether input and output are (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** Default: `'float32'`. */
  dtype?: DType | undefined
}

/** Options of {@link JordanRNN.forward}. */
export interface JordanRNNForwardOptions {
  /**
   * Outputs that are fed back in the place of the network's own: at step t it reads row t - 1 of these, at the first
   * step y0. In the shape of the output. Default: the network's own.
   */
  teacher?: Tensor | null | undefined
  /** How long each sequence of the batch is, in any order; what lies beyond is padding. Default: as long as the input. */
  lengths?: Lengths | null | undefined
}

type JordanParameterName =
  | 'weight_ih'
  | 'weight_yh'
  | 'weight_hy'
  | 'bias_ih'
  | 'bias_yh'
  | 'bias_hy'

interface JordanConfig {
  readonly inputSize: number
  readonly hiddenSize: number
  readonly outputSize: number
  readonly nonlinearity: Nonlinearity
  readonly outputNonlinearity: OutputNonlinearity
  readonly bias: boolean
  readonly batchFirst: boolean
  readonly dtype: DType
}

/**
 * A Jordan network over whole sequences: the output y of a step goes into the next step,
 *
 *     h_t = act(W_ih x_t + b_ih + W_yh y_{t-1} + b_yh)
 *     y_t = g(W_hy h_t + b_hy)
 *
 * where act is tanh or relu, g is the identity, tanh or the logistic function, and y_0 is zero unless it is given.
 *
 * Elman's network ({@link RNN}) feeds back h instead, and is the one in use: what a Jordan network knows of the past is
 * only what its last output shows, O numbers that it is trained to make equal to a target. What the target does not
 * show is forgotten, and no training can change that. In return, the output is known while one trains: with a
 * `teacher` (the targets) no step waits for the one before, all of time is computed at once in a few large products,
 * and no gradient has to go back through time. The network then learns from a past without its own mistakes, which it
 * will not have when it runs by itself.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | y0, yN (B, O), or (O) unbatched | O = `outputSize` |
 * | output, teacher (T, B, O), (B, T, O) or (T, O) | y_t of every step |
 * | `weight_ih` (H, I), `weight_yh` (H, O), `weight_hy` (O, H) | H = `hiddenSize` |
 * | `bias_ih`, `bias_yh` (H), `bias_hy` (O) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H), in the order of the state dict, which is that of the table.
 * Torch has no such module; names and habits are those of its `nn.RNN`.
 *
 * @example
 * ```ts
 * import { nn, randn } from '@elman/rnn'
 *
 * const network = new nn.JordanRNN(10, 20, 3, { outputNonlinearity: 'sigmoid' })
 * const [output, yN] = network.forward(randn([5, 2, 10]))
 * console.log(output.shape, yN.shape) // [ 5, 2, 3 ] [ 2, 3 ]
 * ```
 *
 * @see M. I. Jordan, "Serial order: A parallel distributed processing approach", ICS report 8604, University of
 *   California, San Diego (1986).
 * @see J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179–211.
 */
export class JordanRNN extends Module {
  /** W_ih: (H, I). */
  weight_ih: Tensor
  /** W_yh: (H, O). */
  weight_yh: Tensor
  /** W_hy: (O, H). */
  weight_hy: Tensor
  /** b_ih: (H), or null without biases. */
  bias_ih: Tensor | null
  /** b_yh: (H), or null without biases. */
  bias_yh: Tensor | null
  /** b_hy: (O), or null without biases. */
  bias_hy: Tensor | null

  readonly #config: JordanConfig
  readonly #specs: readonly ParameterSpec<JordanParameterName>[]
  readonly #cores = new Map<DType, NativeJordanCore>()
  readonly #rows = new LayoutCache<JordanRows>(
    (sequences, { steps, batch, batchFirst, batched }) => {
      const outer = batchFirst ? [batch, steps] : [steps, batch]
      const { outputSize } = this.#config
      const output = sized(batched ? [...outer, outputSize] : [steps, outputSize])
      return { sequences, output, yN: sized(batched ? [batch, outputSize] : [outputSize]) }
    },
  )

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
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, or an unknown function;
   *   TypeError for a size that is not an integer, a flag that is not a boolean, or an option that does not exist.
   */
  constructor(
    inputSize: number,
    hiddenSize: number,
    outputSize: number,
    options?: JordanRNNOptions,
  ) {
    super()
    this.#config = checkConfig(inputSize, hiddenSize, outputSize, options)
    this.#specs = parameterSpecs(this.#config)
    const { bias, dtype } = this.#config
    this.weight_ih = parameter([hiddenSize, inputSize], dtype)
    this.weight_yh = parameter([hiddenSize, outputSize], dtype)
    this.weight_hy = parameter([outputSize, hiddenSize], dtype)
    this.bias_ih = bias ? parameter([hiddenSize], dtype) : null
    this.bias_yh = bias ? parameter([hiddenSize], dtype) : null
    this.bias_hy = bias ? parameter([outputSize], dtype) : null
    this.resetParameters()
  }

  /** I: the number of features of x_t. */
  get inputSize(): number {
    return this.#config.inputSize
  }

  /** H: the number of features of h_t. */
  get hiddenSize(): number {
    return this.#config.hiddenSize
  }

  /** O: the number of features of y_t. */
  get outputSize(): number {
    return this.#config.outputSize
  }

  /** act: the activation of the hidden layer. */
  get nonlinearity(): Nonlinearity {
    return this.#config.nonlinearity
  }

  /** g: the function of the output. */
  get outputNonlinearity(): OutputNonlinearity {
    return this.#config.outputNonlinearity
  }

  /** Whether there are b_ih, b_yh and b_hy. */
  get bias(): boolean {
    return this.#config.bias
  }

  /** Whether input and output are (B, T, …). */
  get batchFirst(): boolean {
    return this.#config.batchFirst
  }

  /** Draws every parameter anew from uniform(-1/√H, 1/√H), in the order of the state dict. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize)
    for (const { name } of this.#specs) uniform(this[name], bound)
  }

  /**
   * Runs the network over the input.
   *
   * @param input (T, B, I), (B, T, I) with `batchFirst`, or (T, I).
   * @param y0 what is fed into the first step: (B, O), or (O). Default: zeros.
   * @param options
   * - `teacher`: outputs in the shape of the network's, which are fed back in the place of its own; all steps are then
   *   computed at once. Its last step is not read, and gradients go back to it if it requires them.
   * - `lengths`: how long each sequence is, in any order. The output is 0 beyond a sequence's end, and yN is taken there.
   * @returns `[output, yN]`: y_t of every step, and of each sequence's last one. With a teacher these are still the
   *   network's own.
   * @throws RangeError if a shape or length does not fit; TypeError if something is not a tensor, has another dtype than
   *   the weights, or an option does not exist.
   *
   * @example
   * ```ts
   * import { nn, randn } from '@elman/rnn'
   *
   * const network = new nn.JordanRNN(4, 8, 2)
   * const target = randn([6, 3, 2])
   * const [output] = network.forward(randn([6, 3, 4]), null, { teacher: target, lengths: [6, 2, 5] })
   * new nn.MSELoss().forward(output, target).backward()
   * console.log(network.weight_yh.grad?.shape) // [ 8, 2 ]
   * ```
   */
  forward(
    input: Tensor,
    y0?: Tensor | null,
    options?: JordanRNNForwardOptions,
  ): [output: Tensor, yN: Tensor] {
    const parameters = checkParameters(
      'JordanRNN',
      this.#specs,
      this.#specs.map(({ name }) => this[name]),
    )
    const dtype = parameters[0]?.dtype ?? this.#config.dtype
    const { layout, ...checked } = checkArguments(this.#config, dtype, input, y0, options)
    const [output, yN] = jordan({
      ...checked,
      rows: this.#rows.of(layout),
      core: this.#core(dtype),
      lengths: layout.lengths,
      parameters,
    })
    return [wrap(output), wrap(yN)]
  }

  protected override extraRepr(): string {
    const { inputSize, hiddenSize, outputSize, bias, batchFirst } = this.#config
    const { nonlinearity, outputNonlinearity } = this.#config
    return [
      `${inputSize}, ${hiddenSize}, ${outputSize}`,
      ...(bias ? [] : ['bias=False']),
      ...(batchFirst ? ['batch_first=True'] : []),
      ...(nonlinearity === 'tanh' ? [] : [`nonlinearity=${nonlinearity}`]),
      ...(outputNonlinearity === 'identity' ? [] : [`output_nonlinearity=${outputNonlinearity}`]),
    ].join(', ')
  }

  /** The native network, made when it is first needed, since `to` may change the dtype. */
  #core(dtype: DType): NativeJordanCore {
    const made = this.#cores.get(dtype)
    if (made !== undefined) return made
    const { inputSize, hiddenSize, outputSize, nonlinearity, outputNonlinearity, bias } =
      this.#config
    const core = new native.JordanCore(
      inputSize,
      hiddenSize,
      outputSize,
      nonlinearity,
      outputNonlinearity,
      bias,
      dtype,
    )
    this.#cores.set(dtype, core)
    return core
  }
}

function parameterSpecs(config: JordanConfig): ParameterSpec<JordanParameterName>[] {
  const { inputSize, hiddenSize, outputSize, bias } = config
  const weights: ParameterSpec<JordanParameterName>[] = [
    { name: 'weight_ih', shape: [hiddenSize, inputSize] },
    { name: 'weight_yh', shape: [hiddenSize, outputSize] },
    { name: 'weight_hy', shape: [outputSize, hiddenSize] },
  ]
  const biases: ParameterSpec<JordanParameterName>[] = [
    { name: 'bias_ih', shape: [hiddenSize] },
    { name: 'bias_yh', shape: [hiddenSize] },
    { name: 'bias_hy', shape: [outputSize] },
  ]
  return bias ? [...weights, ...biases] : weights
}

function checkConfig(
  inputSize: unknown,
  hiddenSize: unknown,
  outputSize: unknown,
  options: unknown,
): JordanConfig {
  const given = checkOptions('JordanRNN', options, [
    'nonlinearity',
    'outputNonlinearity',
    'bias',
    'batchFirst',
    'dtype',
  ])
  const outputNonlinearity = given.outputNonlinearity ?? 'identity'
  return {
    nonlinearity: checkNonlinearity(given.nonlinearity ?? 'tanh'),
    outputNonlinearity: checkChoice<OutputNonlinearity>(
      outputNonlinearity,
      ['identity', 'tanh', 'sigmoid'],
      `Unknown output_nonlinearity '${String(outputNonlinearity)}'. Select from 'identity', 'tanh' or 'sigmoid'.`,
    ),
    bias: checkBoolean('bias', given.bias ?? true),
    batchFirst: checkBoolean('batch_first', given.batchFirst ?? false),
    inputSize: checkPositiveInteger('input_size', inputSize),
    hiddenSize: checkPositiveInteger('hidden_size', hiddenSize),
    outputSize: checkPositiveInteger('output_size', outputSize),
    dtype: checkDType(given.dtype ?? 'float32'),
  }
}

/** Checks what forward takes, in the order and wording of `nn.RNN`. */
function checkArguments(
  config: JordanConfig,
  dtype: DType,
  inputArgument: unknown,
  y0Argument: unknown,
  options: unknown,
): { input: Variable; y0: Variable | null; teacher: Variable | null; layout: PaddedLayout } {
  const owner = 'JordanRNN.forward'
  const given = checkOptions(owner, options, ['teacher', 'lengths'])
  const optional = (name: string, value: unknown): Variable | null =>
    value == null ? null : checkTensor(owner, name, value)
  const input = checkTensor(owner, 'input', inputArgument)
  const y0 = optional('y0', y0Argument)
  const teacher = optional('teacher', given.teacher)
  const rank = input.shape.length
  if (rank !== 2 && rank !== 3) {
    throw new RangeError(`JordanRNN: Expected input to be 2D or 3D, got ${rank}D tensor instead`)
  }
  const batched = rank === 3
  if (y0 !== null && y0.shape.length !== rank - 1) {
    const expected = batched ? 'For batched 3-D' : 'For unbatched 2-D'
    throw new RangeError(
      `${expected} input, y0 should be ${rank - 1}-D but got ${y0.shape.length}-D tensor`,
    )
  }
  checkArgumentDType('JordanRNN', dtype, 'input', input)
  checkArgumentDType('JordanRNN', dtype, 'y0', y0)
  checkArgumentDType('JordanRNN', dtype, 'teacher', teacher)
  const { inputSize, outputSize } = config
  const size = input.shape.at(-1) ?? 0
  if (size !== inputSize) {
    throw new RangeError(
      `input.size(-1) must be equal to input_size. Expected ${inputSize}, got ${size}`,
    )
  }
  const batchFirst = batched && config.batchFirst
  const [first = 0, second = 0] = input.shape
  const [steps, batch] = batchFirst ? [second, first] : [first, batched ? second : 1]
  const y0Shape = batched ? [batch, outputSize] : [outputSize]
  if (y0 !== null && !sameShape(y0.shape, y0Shape)) {
    throw new RangeError(`Expected y0 size (${y0Shape.join(', ')}), got ${formatShape(y0.shape)}`)
  }
  const teacherShape = [...input.shape.slice(0, -1), outputSize]
  if (teacher !== null && !sameShape(teacher.shape, teacherShape)) {
    throw new RangeError(
      `Expected teacher size (${teacherShape.join(', ')}), got ${formatShape(teacher.shape)}`,
    )
  }
  if (steps === 0) {
    throw new RangeError('Expected sequence length to be larger than 0 in RNN')
  }
  const lengths =
    given.lengths == null
      ? null
      : checkBatchLengths('JordanRNN', given.lengths, steps, batch, batched)
  return { input, y0, teacher, layout: { steps, batch, batchFirst, batched, lengths } }
}
