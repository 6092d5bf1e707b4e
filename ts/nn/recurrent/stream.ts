/** One time step at a time, through weights that are laid out once. */

import type { Variable } from '../../autograd/variable'
import { checkOptions, checkPositiveInteger } from '../../check'
import { allocate, type DType } from '../../dtype'
import { showAsText } from '../../inspect'
import type { Floats, NativeRnnCore } from '../../native'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { checkArgumentDType, checkHiddenSize, checkOneDirection } from './arguments'
import type { RnnConfig } from './config'

/** Options of `stream`. */
export interface RNNStreamOptions {
  /** B: how many sequences go on side by side. Default: 1. */
  batchSize?: number | undefined
  /** h_0 of each layer: (L, B, H). Default: zeros. */
  hx?: Tensor | null | undefined
}

/** What a module is made of, checked. */
export interface RNNParts {
  readonly core: NativeRnnCore
  readonly config: RnnConfig
  readonly dtype: DType
  readonly parameters: readonly Variable[]
}

// Only `streamOf` makes streams.
let make: (parts: RNNParts, batchSize: number) => RNNStream

/**
 * A stack of recurrent layers that goes on by one time step at each call, as `nn.RNN`'s `stream` makes it.
 *
 *     h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
 *
 * | shape | where |
 * |---|---|
 * | input (B, I) | `input`, which the caller fills with x_t before each step; B = `batchSize`, I = `inputSize` |
 * | output (B, H) | `output`, the last layer's h_t, which each step writes anew; H = `hiddenSize` |
 *
 * Both are plain typed arrays, row-major, and the same ones for the whole life of the stream: neither JavaScript nor
 * Rust allocates anything in a step. The numbers are those of `forward` over the whole sequence in `eval()`, to the
 * last bit; there is no dropout and no tape.
 *
 * The weights are those of the moment at which the stream was made: later changes of the module do not reach it.
 *
 * @example
 * ```ts
 * import { nn } from '@elman/rnn'
 *
 * const rnn = new nn.RNN(2, 3)
 * const stream = rnn.stream()
 * for (const x of [[1, 0], [0, 1]]) {
 *   stream.input.set(x)
 *   stream.step()
 * }
 * console.log(stream.output.length) // 3
 * ```
 */
export class RNNStream {
  readonly #config: RnnConfig
  readonly #dtype: DType
  readonly #batchSize: number
  readonly #core: NativeRnnCore
  readonly #input: Floats
  readonly #output: Floats
  /** Weights and states as the kernels want them. Nobody else sees this array. */
  readonly #memory: Floats
  readonly #step: () => void

  private constructor({ core, config, dtype, parameters }: RNNParts, batchSize: number) {
    this.#config = config
    this.#dtype = dtype
    this.#batchSize = batchSize
    this.#core = core
    const length = core.streamLength(batchSize)
    this.#input = allocate(dtype, batchSize * config.inputSize)
    this.#output = allocate(dtype, batchSize * config.hiddenSize)
    this.#memory = allocate(dtype, length)
    this.#step = core.stream(
      batchSize,
      parameters.map((parameter) => parameter.values()),
      this.#memory,
      this.#input,
      this.#output,
    )
  }

  static {
    showAsText(RNNStream.prototype)
    make = (parts, batchSize) => new RNNStream(parts, batchSize)
  }

  /** x_t, (B, I): to be written before each step. Zeros at first. */
  get input(): Float32Array | Float64Array {
    return this.#input
  }

  /** The last layer's h_t, (B, H): written by each step. Zeros before the first one; `reset` leaves it as it is. */
  get output(): Float32Array | Float64Array {
    return this.#output
  }

  /**
   * Goes on by one time step: reads `input`, writes `output`.
   *
   * @throws RangeError if the buffer of `input` or `output` was transferred to somewhere else.
   */
  step(): void {
    this.#step()
  }

  /**
   * Begins a new sequence.
   *
   * @param hx h_0 of each layer: (L, B, H). Default: zeros.
   * @throws RangeError if its shape does not fit; TypeError if it is not a tensor or has another dtype.
   *
   * @example
   * ```ts
   * import { nn, ones } from '@elman/rnn'
   *
   * const stream = new nn.RNN(2, 3).stream()
   * stream.step()
   * stream.reset(ones([1, 1, 3]))
   * ```
   */
  reset(hx?: Tensor | null): void {
    const state = checkState(this.#config, this.#dtype, this.#batchSize, hx)
    this.#core.resetStream(this.#batchSize, this.#memory, state?.values() ?? null)
  }

  /** `RNNStream(64, 64, batchSize=1)`. */
  toString(): string {
    const { inputSize, hiddenSize } = this.#config
    return `RNNStream(${inputSize}, ${hiddenSize}, batchSize=${this.#batchSize})`
  }
}

/** Checks the options and makes a stream. */
export function streamOf(parts: RNNParts, optionsArgument: unknown): RNNStream {
  const { config, dtype } = parts
  const options = checkOptions('RNN.stream', optionsArgument, ['batchSize', 'hx'])
  const batchSize = checkPositiveInteger('batch_size', options.batchSize ?? 1)
  checkOneDirection('stream', config)
  const hx = checkState(config, dtype, batchSize, options.hx)
  const stream = make(parts, batchSize)
  if (hx !== null) stream.reset(options.hx as Tensor)
  return stream
}

/** hx is exactly (L, B, H), as for batched input. */
function checkState(
  config: RnnConfig,
  dtype: DType,
  batchSize: number,
  argument: unknown,
): Variable | null {
  if (argument == null) return null
  const hx = checkTensor('RNN.stream', 'hx', argument)
  checkArgumentDType('RNN', dtype, 'hx', hx)
  checkHiddenSize(config, hx.shape, batchSize)
  return hx
}
