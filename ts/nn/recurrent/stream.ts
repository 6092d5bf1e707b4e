/** One time step at a time, through weights that are laid out once. */

import { sized } from '../../autograd/storage'
import { Variable } from '../../autograd/variable'
import { checkOptions, checkPositiveInteger, refuseExtra } from '../../check'
import { allocate, type DType, type FloatArrays } from '../../dtype'
import { showAsText } from '../../inspect'
import type { Floats, NativeRecurrentCore } from '../../native'
import type { Tensor } from '../../tensor/tensor'
import { notCloneable, refuseCopies } from '../../tools'
import { checkBatchStates, checkOneDirection, type Signature, stateShape } from './arguments'
import type { Parts } from './module'
import type { StateForm } from './states'

/** Options of `stream`. */
export interface RNNStreamOptions<State = Tensor> {
  /** B: the number of sequences. Default: 1. */
  batchSize?: number | undefined
  /**
   * The initial states of each layer, with a batch dimension: for `nn.RNN` h_0, (L, B, H); for `nn.LSTM` `[h0, c0]`.
   * Default: zeros.
   */
  hx?: State | null | undefined
}

const streamsNotCloneable = notCloneable(
  'an RNNStream',
  'send serializeSafetensors(module.stateDict()) and the data of hidden',
)

// Only `streamOf` makes streams.
let make: <D extends DType, State>(
  signature: Signature,
  form: StateForm<State>,
  parts: Parts,
  batchSize: number,
) => RNNStream<D, State>

/**
 * Recurrent layers that run one time step at a time, created by a module's `stream`.
 *
 * | shape | where |
 * |---|---|
 * | input (B, I) | `input`, which the caller fills with x_t before each step; B = `batchSize`, I = `inputSize` |
 * | output (B, H) | `output`, the last layer's h_t, which each step writes anew; H = `hiddenSize`, or `outputSize` of an `nn.JordanRNN`, or `projSize` of an `nn.LSTM` that has one |
 *
 * Both are row-major typed arrays, and the same objects for the life of the stream; a step allocates nothing. The
 * numbers are those of `forward` over the whole sequence in `eval()`, to the last bit; there is no dropout and no tape.
 *
 * The stream has a copy of the weights: later changes of the module have no effect on it.
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
export class RNNStream<D extends DType = 'float32', State = Tensor<D>> {
  /** @internal */
  readonly structuredClone: symbol = streamsNotCloneable
  /** @internal A stream runs on, so it equals only itself: tools compare functions by identity. */
  readonly run: () => void
  readonly #signature: Signature
  readonly #form: StateForm<State>
  readonly #core: NativeRecurrentCore
  readonly #dtype: DType
  readonly #batchSize: number
  readonly #input: Floats
  readonly #output: Floats
  /** Weights and states in the layout of the kernels. Nothing else uses this array. */
  readonly #memory: Floats

  private constructor(
    signature: Signature,
    form: StateForm<State>,
    parts: Parts,
    batchSize: number,
  ) {
    const { core, dtype, parameters } = parts
    this.#signature = signature
    this.#form = form
    this.#core = core
    this.#dtype = dtype
    this.#batchSize = batchSize
    const length = core.streamLength(batchSize)
    this.#input = allocate(dtype, batchSize * signature.config.inputSize)
    this.#output = allocate(dtype, batchSize * signature.outputSize)
    this.#memory = allocate(dtype, length)
    this.run = core.stream(
      batchSize,
      parameters.map((parameter) => parameter.values()),
      this.#memory,
      this.#input,
      this.#output,
    )
  }

  static {
    showAsText(RNNStream.prototype)
    refuseCopies(RNNStream.prototype, 'a stream has one state')
    make = (signature, form, parts, batchSize) => new RNNStream(signature, form, parts, batchSize)
  }

  /** x_t, (B, I): to be written before each step. Zeros at first. */
  get input(): FloatArrays[D] {
    return this.#input as FloatArrays[D]
  }

  /** The last layer's output, (B, H): written by each step. Zeros before the first one; `reset` leaves it as it is. */
  get output(): FloatArrays[D] {
    return this.#output as FloatArrays[D]
  }

  /**
   * The states of all layers after the last step, as `forward` gives them in hN: for `nn.RNN` (L, B, H), for `nn.LSTM`
   * `[h, c]`. Each access returns a new copy, which later steps do not change; `reset` accepts it.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * const stream = new nn.LSTM(2, 3).stream()
   * stream.step()
   * const [h, c] = stream.hidden
   * console.log(h.shape, c.shape) // [ 1, 1, 3 ] [ 1, 1, 3 ]
   * stream.reset([h, c]) // again from there
   * ```
   */
  get hidden(): State {
    const signature = this.#signature
    const states = signature.stateSizes.map((size) => {
      const of = sized(stateShape(signature, size, this.#batchSize))
      return Variable.made(of, allocate(this.#dtype, of.numel))
    })
    const values = states.map((state) => state.values())
    this.#core.streamStates(this.#batchSize, this.#memory, values)
    return this.#form.join(states)
  }

  /**
   * Runs one time step: reads `input`, writes `output`.
   *
   * @throws RangeError if the buffer of `input` or `output` was transferred.
   */
  step(): void {
    if (arguments.length > 0) refuseExtra('RNNStream.step', 0, arguments)
    this.run()
  }

  /**
   * Begins a new sequence.
   *
   * @param hx the initial states of each layer, with a batch dimension: for `nn.RNN` h_0, (L, B, H); for `nn.LSTM`
   *   `[h0, c0]`. Default: zeros.
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
  reset(hx?: State | null): void {
    if (arguments.length > 1) refuseExtra('RNNStream.reset', 1, arguments)
    const signature = this.#signature
    const owner = `${signature.name}.stream`
    const states = checkBatchStates(owner, signature, this.#dtype, hx, this.#batchSize)
    const values = states.map((state) => state?.values() ?? null)
    this.#core.resetStream(this.#batchSize, this.#memory, values)
  }

  /** `RNNStream(64, 64, batchSize=1)`: features of input and output. */
  toString(): string {
    if (arguments.length > 0) refuseExtra('RNNStream.toString', 0, arguments)
    const { config, outputSize } = this.#signature
    return `RNNStream(${config.inputSize}, ${outputSize}, batchSize=${this.#batchSize})`
  }
}

/** Checks the options and makes a stream. */
export function streamOf<D extends DType, State>(
  signature: Signature,
  form: StateForm<State>,
  parts: Parts,
  optionsArgument: unknown,
): RNNStream<D, State> {
  const owner = `${signature.name}.stream`
  const options = checkOptions(owner, optionsArgument, ['batchSize', 'hx'])
  const batchSize = checkPositiveInteger('batch_size', options.batchSize ?? 1)
  checkOneDirection('stream', signature.config)
  checkBatchStates(owner, signature, parts.dtype, options.hx, batchSize)
  const stream = make<D, State>(signature, form, parts, batchSize)
  if (options.hx != null) stream.reset(options.hx as State)
  return stream
}
