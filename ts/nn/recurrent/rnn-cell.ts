/** A single step of the Elman network. */

import { sized, type Variable } from '../../autograd/variable'
import { checkBoolean, checkDType, checkOptions, checkPositiveInteger } from '../../check'
import type { DType } from '../../dtype'
import { type Rows, rnn } from '../../ops/rnn'
import { checkTensor, type Tensor, wrap } from '../../tensor/tensor'
import { parameter, uniform } from '../init'
import { Module } from '../module'
import { checkArgumentDType } from './arguments'
import { checkNonlinearity, type Nonlinearity, type RnnConfig } from './config'
import { Cores } from './cores'
import { LayoutCache } from './layout-cache'
import { checkParameters, type ParameterSpec } from './parameters'

/** Options of {@link RNNCell}. */
export interface RNNCellOptions {
  /** Whether there are `bias_ih` and `bias_hh`. Default: true. */
  bias?: boolean | undefined
  /** `'tanh'` or `'relu'`. Default: `'tanh'`. */
  nonlinearity?: Nonlinearity | undefined
  /** Default: `'float32'`. */
  dtype?: DType | undefined
}

type CellParameterName = 'weight_ih' | 'weight_hh' | 'bias_ih' | 'bias_hh'

/**
 * One step of an Elman network, as `torch.nn.RNNCell`:
 *
 *     h' = act(W_ih x + b_ih + W_hh h + b_hh)
 *
 * For a loop over time that does something else between the steps; where it does not, `nn.RNN` is much faster.
 *
 * | shape | where |
 * |---|---|
 * | input (B, I), or (I) unbatched | B sequences, I = `inputSize` |
 * | hx, the result (B, H), or (H) | H = `hiddenSize` |
 * | `weight_ih` (H, I), `weight_hh` (H, H), `bias_ih`, `bias_hh` (H) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H), with torch's numbers.
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
 */
export class RNNCell extends Module {
  /** W_ih: (H, I). */
  weight_ih: Tensor
  /** W_hh: (H, H). */
  weight_hh: Tensor
  /** b_ih: (H), or null without biases. */
  bias_ih: Tensor | null
  /** b_hh: (H), or null without biases. */
  bias_hh: Tensor | null

  readonly #config: RnnConfig
  readonly #specs: readonly ParameterSpec<CellParameterName>[]
  readonly #cores: Cores
  readonly #rows = new LayoutCache((sequences, { batch, batched }): Rows => {
    const hN = sized(batched ? [batch, this.hiddenSize] : [this.hiddenSize])
    return { sequences, output: hN, hN } // a sequence of one step: its output is its last hidden state
  })

  /**
   * @param inputSize I: the number of features of x.
   * @param hiddenSize H: the number of features of h.
   * @param options `bias`: whether there are b_ih and b_hh, default true; `nonlinearity`: `'tanh'` (the default) or
   *   `'relu'`; `dtype`: default `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, or an unknown
   *   `nonlinearity`; TypeError for a size that is not an integer, a `bias` that is not a boolean, or an option that
   *   does not exist.
   */
  constructor(inputSize: number, hiddenSize: number, options?: RNNCellOptions) {
    super()
    this.#config = checkCellConfig(inputSize, hiddenSize, options)
    const { bias, dtype } = this.#config
    const [weightShape, squareShape, biasShape] = [
      [hiddenSize, inputSize],
      [hiddenSize, hiddenSize],
      [hiddenSize],
    ]
    this.weight_ih = parameter(weightShape, dtype)
    this.weight_hh = parameter(squareShape, dtype)
    this.bias_ih = bias ? parameter(biasShape, dtype) : null
    this.bias_hh = bias ? parameter(biasShape, dtype) : null
    const weights: ParameterSpec<CellParameterName>[] = [
      { name: 'weight_ih', shape: weightShape },
      { name: 'weight_hh', shape: squareShape },
    ]
    const biases: ParameterSpec<CellParameterName>[] = [
      { name: 'bias_ih', shape: biasShape },
      { name: 'bias_hh', shape: biasShape },
    ]
    this.#specs = bias ? [...weights, ...biases] : weights
    this.#cores = new Cores(this.#config)
    this.resetParameters()
  }

  /** I: the number of features of x. */
  get inputSize(): number {
    return this.#config.inputSize
  }

  /** H: the number of features of h. */
  get hiddenSize(): number {
    return this.#config.hiddenSize
  }

  /** The activation. */
  get nonlinearity(): Nonlinearity {
    return this.#config.nonlinearity
  }

  /** Whether there are b_ih and b_hh. */
  get bias(): boolean {
    return this.#config.bias
  }

  /** Draws every parameter anew from uniform(-1/√H, 1/√H), in the order of the state dict. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize)
    for (const { name } of this.#specs) uniform(this[name], bound)
  }

  /**
   * One step.
   *
   * @param input x: (B, I), or (I).
   * @param hx h: (B, H), or (H). Default: zeros.
   * @returns h', in the shape of hx.
   * @throws RangeError if a shape does not fit; TypeError if something is not a tensor or has another dtype than the
   *   weights.
   */
  forward(input: Tensor, hx?: Tensor | null): Tensor {
    const parameters = checkParameters(
      'RNNCell',
      this.#specs,
      this.#specs.map(({ name }) => this[name]),
    )
    const dtype = parameters[0]?.dtype ?? this.#config.dtype
    const { x, h, batch } = checkCellArguments(this.#config, dtype, input, hx)
    const batched = x.shape.length === 2
    const layout = { steps: 1, batch, batchFirst: false, batched, lengths: null }
    const [output] = rnn({
      core: this.#cores.of(dtype),
      rows: this.#rows.of(layout),
      lengths: null,
      parameters,
      input: x,
      hx: h,
      dropout: 0,
      drawSeed: () => 0,
      checkpointEvery: null,
    })
    return wrap(output)
  }

  protected override extraRepr(): string {
    const { inputSize, hiddenSize, bias, nonlinearity } = this.#config
    return [
      `${inputSize}, ${hiddenSize}`,
      ...(bias ? [] : ['bias=False']),
      ...(nonlinearity === 'tanh' ? [] : [`nonlinearity=${nonlinearity}`]),
    ].join(', ')
  }
}

/** A cell is a stack of one layer in one direction. */
function checkCellConfig(inputSize: unknown, hiddenSize: unknown, options: unknown): RnnConfig {
  const given = checkOptions('RNNCell', options, ['bias', 'nonlinearity', 'dtype'])
  return {
    nonlinearity: checkNonlinearity(given.nonlinearity ?? 'tanh'),
    bias: checkBoolean('bias', given.bias ?? true),
    inputSize: checkPositiveInteger('input_size', inputSize),
    hiddenSize: checkPositiveInteger('hidden_size', hiddenSize),
    dtype: checkDType(given.dtype ?? 'float32'),
    numLayers: 1,
    batchFirst: false,
    dropout: 0,
    bidirectional: false,
  }
}

/** Checks what a cell's forward takes, in torch's order and wording. */
function checkCellArguments(
  config: RnnConfig,
  dtype: DType,
  inputArgument: unknown,
  hxArgument: unknown,
): { x: Variable; h: Variable | null; batch: number } {
  const owner = 'RNNCell.forward'
  const x = checkTensor(owner, 'input', inputArgument)
  const h = hxArgument == null ? null : checkTensor(owner, 'hx', hxArgument)
  const rank = x.shape.length
  for (const [what, one] of [['input', x] as const, ['hidden', h] as const]) {
    const dims = one?.shape.length ?? rank
    if (dims !== 1 && dims !== 2) {
      throw new RangeError(`RNNCell: Expected ${what} to be 1D or 2D, got ${dims}D instead`)
    }
  }
  if (h !== null && h.shape.length !== rank) {
    const expected = rank === 2 ? 'For batched 2-D' : 'For unbatched 1-D'
    throw new RangeError(
      `${expected} input, hx should also be ${rank}-D but got ${h.shape.length}-D tensor`,
    )
  }
  checkArgumentDType('RNNCell', dtype, 'input', x)
  checkArgumentDType('RNNCell', dtype, 'hx', h)
  const size = x.shape.at(-1) ?? 0
  if (size !== config.inputSize) {
    throw new RangeError(
      `input has inconsistent input_size: got ${size} expected ${config.inputSize}`,
    )
  }
  const [batch = 0] = rank === 2 ? x.shape : [1]
  if (h !== null) {
    const [hidden = 0] = rank === 2 ? h.shape : [1]
    if (hidden !== batch) {
      throw new RangeError(`Input batch size ${batch} doesn't match hidden0 batch size ${hidden}`)
    }
    const hiddenSize = h.shape.at(-1) ?? 0
    if (hiddenSize !== config.hiddenSize) {
      throw new RangeError(
        `hidden0 has inconsistent hidden_size: got ${hiddenSize}, expected ${config.hiddenSize}`,
      )
    }
  }
  return { x, h, batch }
}
