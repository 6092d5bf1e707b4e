/** The base class of the cells, the modules of a single time step. */

import { sized } from '../../autograd/storage'
import type { Variable } from '../../autograd/variable'
import { notItself } from '../../brand'
import { checkBoolean, checkDType, checkPositiveInteger, refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { type Geometry, recurrent } from '../../ops/recurrent'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { unfilled } from '../clone'
import { checkArgumentDType, checkStateDTypes, splitStates } from './arguments'
import { LayoutCache } from './layout-cache'
import {
  type CellConfig,
  coreOf,
  partsOf,
  type RecurrentConfig,
  type RecurrentKind,
  RecurrentModule,
  unfilledBy,
} from './module'
import type { StateForm } from './states'

/** Options of every cell. */
export interface RNNCellBaseOptions<D extends DType = 'float32', Bias extends boolean = boolean> {
  /** Whether there are `bias_ih` and `bias_hh`. Default: true. */
  bias?: Bias | undefined
  /** Default: `'float32'`. */
  dtype?: D | undefined
}

/** The names of {@link RNNCellBaseOptions}. */
export const cellOptions: readonly string[] = ['bias', 'dtype']

/** What the cells of one class have in common. */
export interface CellKind<State> extends RecurrentKind {
  readonly states: StateForm<State>
}

/** The base class of the cells, as torch's `RNNCellBase`. */
export class RNNCellBase<
  D extends DType = 'float32',
  State = Tensor<D>,
> extends RecurrentModule<D> {
  /** W_ih: (G·H, I) for a cell of G gates. */
  declare weight_ih: Tensor<D>
  /** W_hh: (G·H, H). */
  declare weight_hh: Tensor<D>
  /** b_ih: (G·H), or null without biases. */
  declare bias_ih: Tensor<D> | null
  /** b_hh: (G·H), or null without biases. */
  declare bias_hh: Tensor<D> | null

  readonly #kind: CellKind<State>
  readonly #config: RecurrentConfig
  readonly #stateSizes: readonly number[]
  readonly #noStates: readonly null[]
  readonly #geometry = new LayoutCache((sequences, { batch, batched }): Geometry => {
    const states = this.#stateSizes.map((size) => sized(batched ? [batch, size] : [size]))
    const [output = sized([])] = states // of one step: its output is the first of its last states
    return { sequences, output, states, savedLengths: [] }
  })

  /** @internal */
  constructor(kind: CellKind<State>, config: RecurrentConfig, cell: CellConfig, empty = false) {
    super(kind, config, { ...cell, numLayers: 1, bidirectional: false }, empty)
    this.#kind = kind
    this.#config = config
    this.#stateSizes = coreOf(this).stateSizes()
    this.#noStates = this.#stateSizes.map(() => null)
    if (!config.bias) Object.assign(this, { bias_ih: null, bias_hh: null })
  }

  /** @internal */
  override [unfilled](): this {
    return unfilledBy(RNNCellBase, this)
  }

  /**
   * One step.
   *
   * @param input x: (B, I), or (I).
   * @param hx h: (B, H), or (H); of an `nn.LSTMCell` `[h, c]`. Default: zeros.
   * @returns h', in the shape of hx; of an `nn.LSTMCell` `[h', c']`.
   * @throws RangeError if a shape does not fit; TypeError if something is not a tensor or has another dtype than the
   *   weights.
   */
  forward(input: Tensor<D>, hx?: State | null): State {
    if (arguments.length > 2) refuseExtra('RNNCellBase.forward', 2, arguments)
    if (!(#kind in this)) throw notItself('forward', this)
    const { core, passes, dtype, parameters } = partsOf(this)
    const { x, states, batch, batched } = this.#check(dtype, input, hx)
    const layout = { steps: 1, batch, batchFirst: false, batched, lengths: null }
    const [output, [, ...rest]] = recurrent({
      name: this.#kind.operation,
      core,
      passes,
      geometry: this.#geometry.of(layout),
      lengths: null,
      parameters,
      input: x,
      teacher: null,
      states,
      dropout: 0,
      drawSeed: () => 0,
      checkpointEvery: null,
    })
    return this.#kind.states.join([output, ...rest])
  }

  /** The arguments of the constructor, for `toString`. */
  protected override extraRepr(): string {
    const { inputSize, hiddenSize, bias } = this.#config
    return `${inputSize}, ${hiddenSize}${bias ? '' : ', bias=False'}`
  }

  /** Checks the arguments of `forward`, in torch's order and wording. */
  #check(
    dtype: DType,
    input: unknown,
    hx: unknown,
  ): { x: Variable; states: readonly (Variable | null)[]; batch: number; batched: boolean } {
    const { name, states: form } = this.#kind
    const owner = `${name}.forward`
    const x = checkTensor(owner, 'input', input)
    const states = hx == null ? this.#noStates : splitStates(owner, form, hx)
    const rank = x.shape.length
    checkRank(name, 'input', rank)
    states.forEach((state, place) => {
      if (state === null) return
      const dims = state.shape.length
      checkRank(name, form.labels[place] ?? '', dims)
      if (dims !== rank) {
        const expected = rank === 2 ? 'For batched 2-D' : 'For unbatched 1-D'
        throw new RangeError(
          `${expected} input, ${form.names[place]} should also be ${rank}-D but got ${dims}-D tensor`,
        )
      }
    })
    checkArgumentDType(name, dtype, 'input', x)
    checkStateDTypes(name, form, dtype, states)
    const { inputSize } = this.#config
    const size = x.shape.at(-1) ?? 0
    if (size !== inputSize) {
      throw new RangeError(`input has inconsistent input_size: got ${size} expected ${inputSize}`)
    }
    const batched = rank === 2
    const [batch = 0] = batched ? x.shape : [1]
    states.forEach((state, place) => {
      if (state !== null) checkState(state, place, batch, batched, this.#stateSizes[place] ?? 0)
    })
    return { x, states, batch, batched }
  }
}

function checkRank(module: string, what: string, dims: number): void {
  if (dims !== 1 && dims !== 2) {
    throw new RangeError(`${module}: Expected ${what} to be 1D or 2D, got ${dims}D instead`)
  }
}

/** A state is (B, size), or (size). */
function checkState(
  { shape }: Variable,
  place: number,
  batch: number,
  batched: boolean,
  expected: number,
): void {
  const [rows = 0] = batched ? shape : [1]
  if (rows !== batch) {
    throw new RangeError(
      `Input batch size ${batch} doesn't match hidden${place} batch size ${rows}`,
    )
  }
  const size = shape.at(-1) ?? 0
  if (size !== expected) {
    throw new RangeError(
      `hidden${place} has inconsistent hidden_size: got ${size}, expected ${expected}`,
    )
  }
}

/** Checks the options that all cells have. */
export function checkCellConfig(
  inputSize: unknown,
  hiddenSize: unknown,
  given: Readonly<Record<string, unknown>>,
): RecurrentConfig {
  return {
    bias: checkBoolean('bias', given.bias ?? true),
    inputSize: checkPositiveInteger('input_size', inputSize),
    hiddenSize: checkPositiveInteger('hidden_size', hiddenSize),
    dtype: checkDType(given.dtype ?? 'float32'),
  }
}
