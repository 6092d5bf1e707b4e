/** The Elman network: a stack of recurrent layers over whole sequences. */

import { sized, type Variable } from '../../autograd/variable'
import { checkSignal } from '../../background'
import { checkOptions } from '../../check'
import type { DType } from '../../dtype'
import type { NativeSequences } from '../../native'
import { type RnnCall, type Rows, rnn, rnnAsync } from '../../ops/rnn'
import { generator } from '../../random'
import { type Tensor, wrap } from '../../tensor/tensor'
import { parameter, uniform } from '../init'
import { Module } from '../module'
import { isPackedSequence, type PackedSequence, withData } from '../utils/rnn/packed-sequence'
import {
  checkForwardArguments,
  checkPackedArguments,
  type ForwardArguments,
  layersTimesDirections,
  type PaddedLayout,
} from './arguments'
import {
  checkDropout,
  checkRnnConfig,
  type Nonlinearity,
  type RNNOptions,
  type RnnConfig,
} from './config'
import { Cores } from './cores'
import {
  forwardOptions,
  type RNNForwardAsyncOptions,
  type RNNForwardOptions,
} from './forward-options'
import { LayoutCache } from './layout-cache'
import {
  checkParameters,
  type ParameterSpec,
  parameterGroups,
  type RNNParameterName,
} from './parameters'
import { type RNNParts, type RNNStream, type RNNStreamOptions, streamOf } from './stream'
import { type RNNVjp, vjp, vjpOptions } from './vjp'

/** What a module is made of, for those who do more with it than the class itself; null if it is no {@link RNN}. */
export let partsOf: (rnn: unknown) => RNNParts | null

/**
 * A stack of Elman layers over whole sequences, as `torch.nn.RNN`.
 *
 * Each layer computes, for every time step t of every sequence,
 *
 *     h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
 *
 * where act is tanh or relu, x_t is the input at t (in the first layer) or the output of the layer before, and h_0 is
 * `hx` or zero. With `bidirectional`, each layer has a second half that reads the sequence from its end; its outputs
 * stand behind those of the first half.
 *
 * | shape | where |
 * |---|---|
 * | input (T, B, I), (B, T, I) with `batchFirst`, or (T, I) unbatched | T time steps, B sequences, I = `inputSize` |
 * | hx, hN (L·D, B, H), or (L·D, H) unbatched; never `batchFirst` | L = `numLayers`, D = 2 if bidirectional else 1, H = `hiddenSize`; layer 0 forward, layer 0 reverse, layer 1 forward, … |
 * | output (T, B, D·H), (B, T, D·H) or (T, D·H) | the last layer's h_t: forward half, reverse half |
 * | `weight_ih_l{k}` (H, I), or (H, D·H) for k > 0 | k-th layer; `…_reverse` for its second half |
 * | `weight_hh_l{k}` (H, H); `bias_ih_l{k}`, `bias_hh_l{k}` (H) | |
 *
 * Every parameter is drawn from uniform(-1/√H, 1/√H): after `manualSeed(s)` the numbers are those of torch after
 * `torch.manual_seed(s)`. A row of a batch does not depend on the other rows, to the last bit, nor does a result
 * depend on the number of threads; a sequence cut in two, with hN carried over, gives the bits of the whole.
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
 */
export class RNN extends Module {
  /** The parameters, under torch's names: `rnn.weight_ih_l0`, `rnn.bias_hh_l1_reverse`, … */
  [name: RNNParameterName]: Tensor

  /** Probability of dropout between layers; may be changed between calls. */
  dropout: number

  readonly #config: RnnConfig
  readonly #groups: readonly (readonly ParameterSpec[])[]
  /** Those of all groups, in the order of the state dict. */
  readonly #specs: readonly ParameterSpec[]
  readonly #rows = new LayoutCache((sequences, layout): Rows => this.#padded(sequences, layout))
  readonly #cores: Cores

  /**
   * @param inputSize I: the number of features of x_t.
   * @param hiddenSize H: the number of features of h_t.
   * @param options
   * - `numLayers`: how many layers are stacked, at most 65536. Default: 1.
   * - `nonlinearity`: `'tanh'` or `'relu'`. Default: `'tanh'`.
   * - `bias`: whether there are b_ih and b_hh. Default: true.
   * - `batchFirst`: whether input and output are (B, T, …). Default: false.
   * - `dropout`: probability with which, in training, an element of each layer's output but the last's becomes 0; the
   *   others are scaled by 1/(1-p). Default: 0.
   * - `bidirectional`: whether each layer has a second half that reads from the end. Default: false.
   * - `dtype`: `'float32'` or `'float64'`. Default: `'float32'`.
   * @throws RangeError for a size that is not greater than zero or for which there is no memory, a `dropout` outside
   *   [0, 1] or an unknown `nonlinearity`; TypeError for a size that is not an integer, a flag that is not a boolean, or
   *   an option that does not exist.
   */
  constructor(inputSize: number, hiddenSize: number, options?: RNNOptions) {
    super()
    this.#config = checkRnnConfig(inputSize, hiddenSize, options)
    this.dropout = this.#config.dropout
    this.#groups = parameterGroups(this.#config)
    this.#specs = this.#groups.flat()
    this.#cores = new Cores(this.#config)
    for (const { name, shape } of this.#specs) {
      this[name] = parameter(shape, this.#config.dtype)
    }
    this.resetParameters()
  }

  static {
    partsOf = (rnn) =>
      typeof rnn === 'object' && rnn !== null && #config in rnn ? rnn.#parts() : null
  }

  /** I: the number of features of x_t. */
  get inputSize(): number {
    return this.#config.inputSize
  }

  /** H: the number of features of h_t. */
  get hiddenSize(): number {
    return this.#config.hiddenSize
  }

  /** L: how many layers are stacked. */
  get numLayers(): number {
    return this.#config.numLayers
  }

  /** The activation. */
  get nonlinearity(): Nonlinearity {
    return this.#config.nonlinearity
  }

  /** Whether there are b_ih and b_hh. */
  get bias(): boolean {
    return this.#config.bias
  }

  /** Whether input and output are (B, T, …). */
  get batchFirst(): boolean {
    return this.#config.batchFirst
  }

  /** Whether each layer has a second half that reads from the end. */
  get bidirectional(): boolean {
    return this.#config.bidirectional
  }

  /** The parameters of each layer and direction: L·D lists of `[W_ih, W_hh, b_ih, b_hh]`, or of the weights alone. */
  get allWeights(): Tensor[][] {
    return this.#groups.map((group) => group.flatMap(({ name }) => this[name] ?? []))
  }

  /** Does nothing, as in torch on a CPU: parameters are laid out anew for the kernels at each call. */
  flattenParameters(): void {}

  /** Draws every parameter anew from uniform(-1/√H, 1/√H), in the order of the state dict. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize)
    const all = this.allWeights.flat()
    for (const one of all) uniform(one, bound)
  }

  /**
   * Runs the stack over packed sequences.
   *
   * @param input packed sequences with `data` (N, I), N the sum of their lengths.
   * @param hx h_0 of each layer and direction: (L·D, B, H), B in the order in which the sequences were before they were
   *   packed. Default: zeros.
   * @param options `checkpointEvery`, as for padded input.
   * @returns `[output, hN]`; the output is packed as the input is, with `data` (N, D·H), and hN is in the order of hx.
   * @throws RangeError if a shape does not fit; TypeError if something is of another kind, or of another dtype than the
   *   weights.
   *
   * @example
   * ```ts
   * import { nn, randn } from '@elman/rnn'
   *
   * const rnn = new nn.RNN(4, 8)
   * const packed = nn.utils.rnn.packSequence([randn([5, 4]), randn([2, 4])])
   * const [output, hN] = rnn.forward(packed)
   * console.log(output.data.shape, hN.shape) // [ 7, 8 ] [ 1, 2, 8 ]
   * ```
   */
  forward(
    input: PackedSequence,
    hx?: Tensor | null,
    options?: Pick<RNNForwardOptions, 'checkpointEvery'>,
  ): [output: PackedSequence, hN: Tensor]

  /**
   * Runs the stack over the input.
   *
   * @param input (T, B, I), (B, T, I) with `batchFirst`, or (T, I); or packed sequences with `data` (N, I).
   * @param hx h_0 of each layer and direction: (L·D, B, H), or (L·D, H). Default: zeros. With packed sequences, B is in
   *   the order in which they were before they were packed.
   * @param options `lengths`: how long each sequence of a padded input is, in any order. The output is 0 beyond a
   *   sequence's end, hN is taken there, and the reverse half begins there. `checkpointEvery`: n, to keep only every
   *   n-th hidden state of the lower layers for the backward pass, which computes the others again: less memory for
   *   long sequences, the same bits; see {@link RNNForwardOptions}.
   * @returns `[output, hN]`; the output is packed if the input is. hN is in the order of hx.
   * @throws RangeError if a shape or length does not fit, or `checkpointEvery` is below 1 or the module bidirectional;
   *   TypeError if something is not a tensor, has another dtype than the weights, `checkpointEvery` is not an integer,
   *   or an option does not exist.
   *
   * @example
   * ```ts
   * import { nn, randn } from '@elman/rnn'
   *
   * const rnn = new nn.RNN(4, 8, { batchFirst: true })
   * const [output, hN] = rnn.forward(randn([3, 6, 4]), null, { lengths: [2, 6, 1] })
   * console.log(output.shape, hN.shape) // [ 3, 6, 8 ] [ 1, 3, 8 ]
   *
   * const deep = new nn.RNN(4, 8, { numLayers: 3 })
   * const [long] = deep.forward(randn([400, 2, 4]), null, { checkpointEvery: 20 })
   * long.sum().backward()
   * ```
   */
  forward(
    input: Tensor,
    hx?: Tensor | null,
    options?: RNNForwardOptions,
  ): [output: Tensor, hN: Tensor]
  forward(
    input: Tensor | PackedSequence,
    hx?: Tensor | null,
    options?: RNNForwardOptions,
  ): [output: Tensor | PackedSequence, hN: Tensor] {
    const [output, hN] = rnn(this.#anyCall('RNN.forward', input, hx, options))
    return [likeInput(input, output), wrap(hN)]
  }

  /**
   * {@link forward} off the event loop: timers, requests and files have their turn meanwhile.
   *
   * Everything is taken as it is when this is called: input, hx and parameters are copied, the seed of dropout is
   * drawn, and whether the tape records is decided. So calls may overlap, and parameters and input may be changed as
   * soon as this has returned. (A backward pass through the call is an error then, as after `forward`.) At most two
   * tasks of a process run at a time, the others wait in their order; a worker thread that ends cancels its own.
   *
   * @param input as for `forward`.
   * @param hx as for `forward`.
   * @param options `lengths` and `checkpointEvery` as for `forward`; `signal`: gives the call up, at the latest a few
   *   milliseconds later.
   * @returns a promise of `[output, hN]`. It is rejected with what `forward` throws, or with `signal.reason`.
   *
   * @example
   * ```ts
   * import { nn, randn } from '@elman/rnn'
   *
   * const rnn = new nn.RNN(4, 8)
   * const [output, hN] = await rnn.forwardAsync(randn([6, 2, 4]), null, {
   *   signal: AbortSignal.timeout(10_000),
   * })
   * console.log(output.shape, hN.shape) // [ 6, 2, 8 ] [ 1, 2, 8 ]
   * ```
   */
  async forwardAsync(
    input: PackedSequence,
    hx?: Tensor | null,
    options?: Omit<RNNForwardAsyncOptions, 'lengths'>,
  ): Promise<[output: PackedSequence, hN: Tensor]>
  async forwardAsync(
    input: Tensor,
    hx?: Tensor | null,
    options?: RNNForwardAsyncOptions,
  ): Promise<[output: Tensor, hN: Tensor]>
  async forwardAsync(
    input: Tensor | PackedSequence,
    hx?: Tensor | null,
    options?: RNNForwardAsyncOptions,
  ): Promise<[output: Tensor | PackedSequence, hN: Tensor]> {
    const owner = 'RNN.forwardAsync'
    const { signal, ...rest } = checkOptions(owner, options, [...forwardOptions, 'signal'])
    const checked = checkSignal(owner, signal)
    checked?.throwIfAborted()
    const [output, hN] = await rnnAsync(this.#anyCall(owner, input, hx, rest), checked)
    return [likeInput(input, output), wrap(hN)]
  }

  /**
   * Runs the stack without the tape and gives the function that carries gradients back: back-propagation through
   * time, by hand.
   *
   * @param input as for `forward`.
   * @param hx as for `forward`.
   * @param options `lengths` as for `forward`.
   * @returns `{ output, hN, pullback }`; `pullback(gradOutput, gradHN)` gives the gradients of input, hx and all
   *   parameters, and adds to no `grad`.
   * @throws as `forward`.
   *
   * @example
   * ```ts
   * import { nn, ones, randn } from '@elman/rnn'
   *
   * const rnn = new nn.RNN(4, 8)
   * const { hN, pullback } = rnn.vjp(randn([6, 2, 4]))
   * const { parameters } = pullback(null, ones(hN.shape))
   * console.log(parameters.get('weight_hh_l0')?.shape) // [ 8, 8 ]
   * ```
   */
  vjp(input: Tensor, hx?: Tensor | null, options?: Pick<RNNForwardOptions, 'lengths'>): RNNVjp {
    return vjp(this.#paddedCall('RNN.vjp', input, hx, options, vjpOptions), this.#specs)
  }

  /**
   * The stack as something that goes on by one time step at each call, without allocating anything.
   *
   * It takes the weights as they are now: later changes of the module do not reach it. There is no dropout and no tape.
   *
   * @param options
   * - `batchSize`: B, how many sequences go on side by side. Default: 1.
   * - `hx`: h_0 of each layer, (L, B, H). Default: zeros.
   * @returns a stream with `input`, a typed array (B, I) to write x_t into, `step()`, and `output`, a typed array (B, H)
   *   that each step rewrites; `reset(hx?)` begins a new sequence.
   * @throws RangeError if the module is bidirectional, a size does not fit, or there is no memory; TypeError if
   *   `batchSize` is not an integer, `hx` is not a tensor or has another dtype, or an option does not exist.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * const stream = new nn.RNN(4, 8).stream()
   * for (let t = 0; t < 10; t += 1) {
   *   stream.input.fill(Math.sin(t))
   *   stream.step()
   * }
   * console.log(stream.output.length) // 8
   * ```
   */
  stream(options?: RNNStreamOptions): RNNStream {
    return streamOf(this.#parts(), options)
  }

  protected override extraRepr(): string {
    const { inputSize, hiddenSize, numLayers, bias, batchFirst, bidirectional } = this.#config
    return [
      `${inputSize}, ${hiddenSize}`,
      ...(numLayers === 1 ? [] : [`num_layers=${numLayers}`]),
      ...(bias ? [] : ['bias=False']),
      ...(batchFirst ? ['batch_first=True'] : []),
      ...(this.dropout === 0 ? [] : [`dropout=${this.dropout}`]),
      ...(bidirectional ? ['bidirectional=True'] : []),
    ].join(', ')
  }

  #anyCall(owner: string, input: unknown, hx: unknown, options: unknown): RnnCall {
    if (!isPackedSequence(input)) return this.#paddedCall(owner, input, hx, options, forwardOptions)
    return this.#call((dtype) =>
      checkPackedArguments(owner, this.#config, dtype, input, hx, options, forwardOptions),
    )
  }

  #paddedCall(
    owner: string,
    input: unknown,
    hx: unknown,
    options: unknown,
    allowed: readonly string[],
  ): RnnCall {
    return this.#call((dtype) =>
      checkForwardArguments(owner, this.#config, dtype, input, hx, options, allowed),
    )
  }

  /**
   * Everything that one call works on, checked.
   *
   * @param check checks the arguments for weights of a dtype.
   */
  #call(check: (dtype: DType) => ForwardArguments): RnnCall {
    const { core, dtype, parameters } = this.#parts()
    const { input, hx, layout, checkpointEvery } = check(dtype)
    const p = checkDropout(this.dropout)
    const dropout = this.training && this.numLayers > 1 ? p : 0
    const packed = 'batchSizes' in layout
    const rows = packed
      ? this.#rowsOf(layout.sequences, [layout.rows], [layout.batchSizes[0] ?? 0]) // those have their own
      : this.#rows.of(layout)
    return {
      core,
      rows,
      lengths: packed ? null : layout.lengths,
      parameters,
      input,
      hx,
      dropout,
      drawSeed,
      checkpointEvery,
    }
  }

  /** The parameters as the fields hold them now, checked, and what works on them. */
  #parts(): RNNParts {
    const specs = this.#specs
    const fields = specs.map(({ name }) => this[name])
    const parameters = checkParameters('RNN', specs, fields)
    const dtype = parameters[0]?.dtype ?? this.#config.dtype
    return { core: this.#cores.of(dtype), config: this.#config, dtype, parameters }
  }

  /** Padded sequences of these sizes. */
  #padded(sequences: NativeSequences, layout: PaddedLayout): Rows {
    const { steps, batch, batchFirst, batched } = layout
    const outer = batchFirst ? [batch, steps] : [steps, batch]
    return batched ? this.#rowsOf(sequences, outer, [batch]) : this.#rowsOf(sequences, [steps], [])
  }

  /**
   * Rows that lie like this, and what comes out of them.
   *
   * @param outer the dimensions of the output before the features.
   * @param batch the dimensions of hN between layers and features.
   */
  #rowsOf(sequences: NativeSequences, outer: readonly number[], batch: readonly number[]): Rows {
    const { hiddenSize, bidirectional } = this.#config
    const features = (bidirectional ? 2 : 1) * hiddenSize
    const output = sized([...outer, features])
    return {
      sequences,
      output,
      hN: sized([layersTimesDirections(this.#config), ...batch, hiddenSize]),
    }
  }
}

function drawSeed(): number {
  return generator.seed53()
}

/** An output in the form of the input. */
function likeInput(input: Tensor | PackedSequence, output: Variable): Tensor | PackedSequence {
  return isPackedSequence(input) ? withData(input, wrap(output)) : wrap(output)
}
