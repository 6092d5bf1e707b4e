/** The base class of the modules over whole sequences. */

import { type CallPromise, decidedAtCall } from '../../autograd/grad-mode'
import { sized } from '../../autograd/storage'
import type { Variable } from '../../autograd/variable'
import { notItself } from '../../brand'
import { checkOptions, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { checkSignal, throwIfAborted } from '../../foreign'
import type { NativeSequences } from '../../native'
import { type Geometry, type RecurrentCall, recurrent, recurrentAsync } from '../../ops/recurrent'
import { pythonFloat } from '../../python'
import { generator } from '../../random'
import { type Tensor, wrap } from '../../tensor/tensor'
import { setReadOnly } from '../../tools'
import { unfilled } from '../clone'
import { isPackedSequence, type PackedSequence, withData } from '../utils/rnn/packed-sequence'
import {
  checkPackedArguments,
  checkPaddedArguments,
  type ForwardArguments,
  type GivenArguments,
  layersTimesDirections,
  type PaddedLayout,
  type Signature,
  stateShape,
} from './arguments'
import { LayoutCache } from './layout-cache'
import {
  type CellConfig,
  coreOf,
  type Parts,
  partsOf,
  type RecurrentKind,
  RecurrentModule,
  unfilledBy,
  weightsOf,
} from './module'
import {
  checkDropout,
  type PackedOptions,
  type RNNBaseConfig,
  type RNNForwardAsyncOptions,
  type RNNForwardOptions,
} from './options'
import type { StateForm } from './states'
import { type RNNStream, type RNNStreamOptions, streamOf } from './stream'
import { type RNNGradients, type RNNVjp, vjp } from './vjp'

/** What the modules of one class have in common. */
export interface BaseKind<State> extends RecurrentKind {
  readonly states: StateForm<State>
  /** The options of `forward`. */
  readonly options: readonly string[]
}

/** The gradients of a module whose `forward` has these options. */
export type GradientsOf<D extends DType, State, Options> = RNNGradients<D, State> & {
  [Name in Extract<keyof Options, 'teacher'>]?: Tensor<D>
}

/** Whether a value is a module over whole sequences, and no proxy of one. */
export let isRNNBase: (value: unknown) => value is RNNBase<DType, unknown>

/**
 * The base class of recurrent layers over whole sequences, as torch's `RNNBase`.
 *
 * The names of states and shapes are those of `nn.RNN`; each module says what differs.
 */
export class RNNBase<
  D extends DType = 'float32',
  State = Tensor<D>,
  Options extends RNNForwardOptions = RNNForwardOptions,
> extends RecurrentModule<D> {
  /** L: how many layers are stacked. */
  declare readonly numLayers: number
  /** Whether input and output are (B, T, …). */
  declare readonly batchFirst: boolean
  /** Whether each layer also runs in the reverse direction. */
  declare readonly bidirectional: boolean
  /** Probability of dropout between layers; may be changed between calls. */
  dropout: number

  readonly #kind: BaseKind<State>
  readonly #config: RNNBaseConfig
  readonly #signature: Signature
  readonly #geometry = new LayoutCache((sequences, layout) => this.#padded(sequences, layout))

  /** @internal */
  constructor(kind: BaseKind<State>, config: RNNBaseConfig, cell: CellConfig, empty = false) {
    const { numLayers, batchFirst, bidirectional } = config
    super(kind, config, { ...cell, numLayers, bidirectional }, empty)
    setReadOnly(this, { numLayers, batchFirst, bidirectional })
    const core = coreOf(this)
    const stateSizes = core.stateSizes()
    this.dropout = config.dropout
    this.#kind = kind
    this.#config = config
    this.#signature = {
      name: kind.name,
      config,
      form: kind.states,
      stateSizes,
      noStates: stateSizes.map(() => null),
      outputSize: core.outputSize(),
    }
  }

  /** @internal */
  override [unfilled](): this {
    return unfilledBy(RNNBase, this)
  }

  static {
    isRNNBase = (value): value is RNNBase<DType, unknown> =>
      typeof value === 'object' && value !== null && #kind in value
  }

  /** The parameters of each layer and direction: L·D lists in the order of the state dict. */
  get allWeights(): Tensor<D>[][] {
    const weights = weightsOf(this)
    const groups = layersTimesDirections(this.#config)
    const each = weights.length / groups
    return Array.from({ length: groups }, (_, group) =>
      weights.slice(group * each, (group + 1) * each),
    )
  }

  /** Does nothing, as in torch on a CPU: each call packs the parameters for the kernels. */
  flattenParameters(): void {
    if (arguments.length > 0) refuseExtra('RNNBase.flattenParameters', 0, arguments)
  }

  /**
   * Runs the layers over packed sequences.
   *
   * @param input packed sequences with `data` (N, I), N the sum of their lengths.
   * @param hx the initial states: for `nn.RNN` h_0 of each layer and direction, (L·D, B, H), B in the order in which
   *   the sequences were before they were packed. Default: zeros.
   * @param options those of padded input, without `lengths`.
   * @returns `[output, hN]`; the output is packed as the input is, with `data` (N, D·H), and hN is in the order of hx.
   * @throws RangeError if a shape does not fit; TypeError if an argument has the wrong type, or another dtype than the
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
    input: PackedSequence<D>,
    hx?: State | null,
    options?: PackedOptions<Options, D>,
  ): [output: PackedSequence<D>, hN: State]

  /**
   * Runs the layers over the input.
   *
   * @param input (T, B, I), (B, T, I) with `batchFirst`, or (T, I); or packed sequences with `data` (N, I).
   * @param hx the initial states: for `nn.RNN` h_0 of each layer and direction, (L·D, B, H), or (L·D, H); for
   *   `nn.LSTM` a pair, `[h0, c0]`. Default: zeros. With packed sequences, B is in the order in which they were before
   *   they were packed.
   * @param options `lengths`: the length of each sequence of a padded input, in any order. Beyond the end of a sequence
   *   the output is 0; hN is the state at the end, and the reverse direction begins there. `checkpointEvery`: n, to
   *   keep only every n-th hidden state of the lower layers for the backward pass, which computes the others again:
   *   less memory for long sequences, the same bits; see {@link RNNForwardOptions}.
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
  forward(input: Tensor<D>, hx?: State | null, options?: Options): [output: Tensor<D>, hN: State]
  forward(
    input: Tensor<D> | PackedSequence<D>,
    hx?: State | null,
    options?: object,
  ): [output: Tensor<D> | PackedSequence<D>, hN: State] {
    if (arguments.length > 3) refuseExtra('RNNBase.forward', 3, arguments)
    if (!(#kind in this)) throw notItself('forward', this)
    const [output, states] = recurrent(this.#call('forward', input, hx, options))
    return [likeInput(input, output), this.#kind.states.join(states)]
  }

  /**
   * {@link forward} off the event loop, which goes on with timers, requests and files.
   *
   * The call takes a snapshot: input, hx and parameters are copied, the dropout seed is drawn, and whether the tape
   * records is decided. So calls may overlap, and parameters and input may change as soon as it has returned. (A
   * backward pass through the call is then an error, as after `forward`.) A layer that is applied after the `await` uses
   * its weights of that later moment, and is recorded unless it is inside a `noGrad` of its own. At most two tasks of a
   * process run at a time, the others wait in a queue; a worker thread that ends cancels its own.
   *
   * @param input as for `forward`.
   * @param hx as for `forward`.
   * @param options those of `forward`; `signal`: cancels the call within a few milliseconds.
   * @returns a promise of `[output, hN]`. It is rejected with the errors of `forward`, or with `signal.reason`.
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
  forwardAsync(
    input: PackedSequence<D>,
    hx?: State | null,
    options?: PackedOptions<Options, D> & Pick<RNNForwardAsyncOptions, 'signal'>,
  ): CallPromise<[output: PackedSequence<D>, hN: State]>
  forwardAsync(
    input: Tensor<D>,
    hx?: State | null,
    options?: Options & Pick<RNNForwardAsyncOptions, 'signal'>,
  ): CallPromise<[output: Tensor<D>, hN: State]>
  forwardAsync(
    input: Tensor<D> | PackedSequence<D>,
    hx?: State | null,
    options?: object,
  ): CallPromise<[output: Tensor<D> | PackedSequence<D>, hN: State]> {
    return decidedAtCall(async () => {
      if (arguments.length > 3) refuseExtra('RNNBase.forwardAsync', 3, arguments)
      if (!(#kind in this)) throw notItself('forwardAsync', this)
      const { name, options: own, states: form } = this.#kind
      const owner = `${name}.forwardAsync`
      const { signal, ...rest } = checkOptions(owner, options, [...own, 'signal'])
      const checked = checkSignal(owner, signal)
      throwIfAborted(checked)
      const call = this.#call('forwardAsync', input, hx, rest)
      const [output, states] = await recurrentAsync(call, checked)
      return [likeInput(input, output), form.join(states)]
    })
  }

  /**
   * Runs the layers without the tape, and returns the function that computes gradients: the vector-Jacobian product.
   *
   * @param input as for `forward`.
   * @param hx as for `forward`.
   * @param options those of `forward`, without `checkpointEvery`.
   * @returns `{ output, hN, pullback }`; `pullback(gradOutput, gradHN)` returns the gradients of input, hx and all
   *   parameters, and changes no `grad`.
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
  vjp(
    input: Tensor<D>,
    hx?: State | null,
    options?: Omit<Options, 'checkpointEvery'>,
  ): RNNVjp<D, State, GradientsOf<D, State, Options>> {
    if (arguments.length > 3) refuseExtra('RNNBase.vjp', 3, arguments)
    if (!(#kind in this)) throw notItself('vjp', this)
    const allowed = this.#kind.options.filter((name) => name !== 'checkpointEvery')
    const call = this.#paddedCall({
      owner: `${this.#kind.name}.vjp`,
      input,
      states: hx,
      options,
      allowed,
    })
    return vjp(call, partsOf(this).specs, this.#kind.states)
  }

  /**
   * Creates a stream, which runs the layers one time step at a time without allocation.
   *
   * It copies the weights: later changes of the module have no effect on it. There is no dropout and no tape.
   *
   * @param options
   * - `batchSize`: B, the number of sequences. Default: 1.
   * - `hx`: the initial states with a batch dimension: for `nn.RNN` h_0 of each layer, (L, B, H). Default: zeros.
   * @returns a stream with `input`, a typed array (B, I) to write x_t into, `step()`, and `output`, a typed array (B, H)
   *   that each step rewrites; `hidden` reads the states, `reset(hx?)` begins a new sequence.
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
  stream(options?: RNNStreamOptions<State>): RNNStream<D, State> {
    if (arguments.length > 1) refuseExtra('RNNBase.stream', 1, arguments)
    if (!(#kind in this)) throw notItself('stream', this)
    return streamOf(this.#signature, this.#kind.states, partsOf(this), options)
  }

  /** The arguments of the constructor, for `toString`. */
  protected override extraRepr(): string {
    const { numLayers, bias, batchFirst, bidirectional } = this.#config
    return [
      ...this.sizesRepr(),
      ...(numLayers === 1 ? [] : [`num_layers=${numLayers}`]),
      ...(bias ? [] : ['bias=False']),
      ...(batchFirst ? ['batch_first=True'] : []),
      ...(this.dropout === 0 ? [] : [`dropout=${pythonFloat(this.dropout)}`]),
      ...(bidirectional ? ['bidirectional=True'] : []),
    ].join(', ')
  }

  /** The sizes, as the repr shows them. */
  protected sizesRepr(): string[] {
    return [`${this.inputSize}, ${this.hiddenSize}`]
  }

  #call(method: string, input: unknown, states: unknown, options: unknown): RecurrentCall {
    const { name, options: allowed } = this.#kind
    const given = { owner: `${name}.${method}`, input, states, options, allowed }
    if (!isPackedSequence(input)) return this.#paddedCall(given)
    const parts = partsOf(this)
    const checked = checkPackedArguments(this.#signature, parts.dtype, given)
    const { sequences, rows, batchSizes } = checked.layout
    return this.#callOf(
      parts,
      checked,
      this.#geometryOf(sequences, [rows], batchSizes[0] ?? 0),
      null,
    )
  }

  #paddedCall(given: GivenArguments): RecurrentCall {
    const parts = partsOf(this)
    const checked = checkPaddedArguments(this.#signature, parts.dtype, given)
    const { layout } = checked
    return this.#callOf(parts, checked, this.#geometry.of(layout), layout.lengths)
  }

  /** The arguments of one call, checked. */
  #callOf(
    { core, passes, parameters }: Parts,
    { input, states, teacher, checkpointEvery }: ForwardArguments,
    geometry: Geometry,
    lengths: Int32Array | null,
  ): RecurrentCall {
    const p = checkDropout(this.dropout)
    const dropout = this.training && this.numLayers > 1 ? p : 0
    return {
      name: this.#kind.operation,
      core,
      passes,
      geometry,
      lengths,
      parameters,
      input,
      teacher,
      states,
      dropout,
      drawSeed,
      checkpointEvery,
    }
  }

  /** Padded sequences of these sizes. */
  #padded(sequences: NativeSequences, layout: PaddedLayout): Geometry {
    const { steps, batch, batchFirst, batched } = layout
    if (!batched) return this.#geometryOf(sequences, [steps], null)
    return this.#geometryOf(sequences, batchFirst ? [batch, steps] : [steps, batch], batch)
  }

  /**
   * The layout of a call's rows, and the shapes of its results.
   *
   * @param outer the dimensions of the output before the features.
   * @param batch B; null without a batch dimension.
   */
  #geometryOf(
    sequences: NativeSequences,
    outer: readonly number[],
    batch: number | null,
  ): Geometry {
    const { outputSize, stateSizes } = this.#signature
    return {
      sequences,
      output: sized([...outer, outputSize]),
      states: stateSizes.map((size) => sized(stateShape(this.#signature, size, batch))),
      savedLengths: [],
    }
  }
}

function drawSeed(): number {
  return generator.seed53()
}

/** An output in the form of the input. */
function likeInput<D extends DType>(
  input: Tensor<D> | PackedSequence<D>,
  output: Variable,
): Tensor<D> | PackedSequence<D> {
  return isPackedSequence(input) ? withData(input, wrap(output)) : wrap(output)
}
