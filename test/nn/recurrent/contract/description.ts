/** The description of a recurrent module or a cell for the contract, and the calls of it. */

import { type DType, type nn, type Tensor, tensor, zeros } from '@elman/rnn'
import fc from 'fast-check'
import { bits, filled } from '../../../helpers/numbers'

export type Packed = nn.utils.rnn.PackedSequence<DType>
type Lengths = NonNullable<nn.RNNForwardOptions['lengths']>

/** Options of a call; further inputs stand here under their names. */
export interface CallOptions {
  lengths?: Lengths | null
  checkpointEvery?: number | null
  signal?: AbortSignal | null
}

/** Options that every recurrent module has; `numLayers`, `bidirectional` and `dropout` if it is stacked. */
export interface Options {
  numLayers?: number
  bias?: boolean
  batchFirst?: boolean
  dropout?: number
  bidirectional?: boolean
  dtype?: DType
}

export interface Stream<Hx> {
  readonly input: Float32Array | Float64Array
  readonly output: Float32Array | Float64Array
  readonly hidden: Hx
  step(): void
  reset(hx?: Hx | null): void
}

/** What recurrent modules and cells have in common. */
export interface AnyModule extends nn.Module<DType> {
  readonly inputSize: number
  readonly hiddenSize: number
  readonly bias: boolean
  resetParameters(): void
  forward(...args: never[]): unknown
}

/** A cell, generic over the form of hx: a tensor, or several. */
export interface CellModule<Hx> extends AnyModule {
  forward(input: Tensor<DType>, hx?: Hx | null): Hx
}

/** A recurrent module. */
export interface RecurrentModule<Hx> extends AnyModule {
  readonly batchFirst: boolean
  readonly allWeights: Tensor<DType>[][]
  flattenParameters(): void
  forward(input: Packed, hx?: Hx | null, options?: CallOptions): [Packed, Hx]
  forward(input: Tensor<DType>, hx?: Hx | null, options?: CallOptions): [Tensor<DType>, Hx]
  forwardAsync(input: Packed, hx?: Hx | null, options?: CallOptions): Promise<[Packed, Hx]>
  forwardAsync(
    input: Tensor<DType>,
    hx?: Hx | null,
    options?: CallOptions,
  ): Promise<[Tensor<DType>, Hx]>
  vjp(
    input: Tensor<DType>,
    hx?: Hx | null,
    options?: CallOptions,
  ): {
    output: Tensor<DType>
    hN: Hx
    pullback(
      gradOutput: Tensor<DType> | null,
      gradHN: Hx | null,
    ): { input: Tensor<DType>; hx: Hx; parameters: Map<string, Tensor<DType>> }
  }
  stream(options?: { batchSize?: number; hx?: Hx | null }): Stream<Hx>
}

/** What the descriptions of recurrent modules and cells have in common. */
export interface AnyDescription<Hx> {
  /** The name in messages. */
  readonly name: string
  /** The name of hx in messages. */
  readonly state: string
  /** Makes a module; the arguments may be wrong. */
  readonly construct: (inputSize: unknown, hiddenSize: unknown, options?: unknown) => unknown
  readonly prototype: object
  /** Options with several values, in addition to those that all have. */
  readonly choices: Readonly<Record<string, readonly unknown[]>>
  /** The features of each state. */
  readonly stateSizes: (hiddenSize: number) => number[]
  /** hx of the states, and the other way round. */
  readonly join: (states: readonly Tensor<DType>[]) => Hx
  readonly split: (hx: Hx) => readonly Tensor<DType>[]
  /** The names and shapes of the parameters, in the order of the state dict. */
  readonly parameters: (
    inputSize: number,
    hiddenSize: number,
    options: Options,
  ) => [name: string, shape: number[]][]
  /** Options of a module of sizes 3 and 4, and what is printed. */
  readonly reprs: readonly [options: object, text: string][]
  /** What is said of a state of another shape, and of another rank. */
  readonly wrongSize: (expected: readonly number[], got: readonly number[]) => string
  readonly wrongRank: (batched: boolean, got: number) => string
}

/** A kind of recurrent module. */
export interface Description<Hx> extends AnyDescription<Hx> {
  /** Whether it has layers, directions, and dropout between layers. */
  readonly stacked: boolean
  /** O: the features of the output of one direction. */
  readonly outputSize: (hiddenSize: number) => number
  /** Further inputs, which lie as the input does: their names, and their features. */
  readonly inputs?: Readonly<Record<string, (hiddenSize: number) => number>>
  /** Whether hN is where the next part of a sequence begins. Default: true. */
  readonly carries?: boolean
  /** Whether it takes `checkpointEvery`. Default: true. */
  readonly checkpoints?: boolean
}

/** A kind of cell. */
export interface CellDescription<Hx> extends AnyDescription<Hx> {
  /** The module of one layer whose step it is. */
  readonly whole: Description<Hx>
  /** The name of its first state in messages about the number of dimensions. */
  readonly label: string
}

/** Sizes around the widths of vectors and tiles, and 1. */
const size = fc.oneof(
  fc.integer({ min: 1, max: 9 }),
  fc.constantFrom(15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65),
)

/** The sizes of a module and of what it works on. */
export interface Sizes {
  readonly steps: number
  /** Null without a batch dimension. */
  readonly batch: number | null
  readonly inputSize: number
  readonly hiddenSize: number
}

export interface Case extends Sizes {
  readonly batch: number
  readonly options: Options
  readonly seed: number
}

export const small: Sizes = { steps: 5, batch: 2, inputSize: 3, hiddenSize: 4 }

/** What a call gives, with the states as a list. */
export interface Result {
  readonly output: Tensor<DType>
  readonly states: readonly Tensor<DType>[]
}

/** A kind of recurrent module or cell, with its calls over lists of states. */
export abstract class AnyKind<Hx, M extends AnyModule = AnyModule> {
  readonly description: AnyDescription<Hx>
  /** Whether it goes over time steps and has the options that come with them: a module, and not a cell. */
  abstract readonly overTime: boolean
  /** Whether it has layers, directions, and dropout between layers. */
  readonly stacked: boolean
  /** The dimensions of inputs and of states that are the batch. */
  abstract readonly inputBatch: number
  abstract readonly batchDimension: number
  /** Modules and inputs of any shape, for property tests. */
  readonly anyCase: fc.Arbitrary<Case>
  /** The names of further inputs. */
  readonly extras: readonly string[]

  constructor(description: AnyDescription<Hx>, stacked: boolean, extras: readonly string[]) {
    this.description = description
    this.stacked = stacked
    this.extras = extras
    const layers = {
      numLayers: fc.integer({ min: 1, max: 3 }),
      bidirectional: fc.boolean(),
    }
    this.anyCase = fc.record({
      steps: fc.integer({ min: 1, max: 6 }),
      batch: fc.integer({ min: 0, max: 9 }),
      inputSize: size,
      hiddenSize: size,
      options: fc.record({
        ...(stacked ? layers : {}),
        bias: fc.boolean(),
        dtype: fc.constantFrom<DType>('float32', 'float64'),
        ...Object.fromEntries(
          Object.entries(description.choices).map(([name, values]) => [
            name,
            fc.constantFrom(...values),
          ]),
        ),
      }),
      seed: fc.nat(1000),
    })
  }

  /** The same kind with options that it has if it is stacked. */
  deep(numLayers: number, options: Options = {}): Options {
    return this.stacked ? { numLayers, ...options } : {}
  }

  make(inputSize: number, hiddenSize: number, options: Options = {}): M {
    return this.description.construct(inputSize, hiddenSize, options) as M
  }

  /** L·D. */
  layers({ numLayers = 1, bidirectional = false }: Options): number {
    return numLayers * (bidirectional ? 2 : 1)
  }

  /** The features of the output. */
  abstract features(hiddenSize: number, options?: Options): number

  stateShapes({ batch, hiddenSize }: Sizes, options: Options = {}): number[][] {
    const outer = this.stacked ? [this.layers(options)] : []
    return this.description
      .stateSizes(hiddenSize)
      .map((features) => [...outer, ...(batch === null ? [] : [batch]), features])
  }

  /** The shapes of all inputs. */
  abstract inputShapes(sizes: Sizes, options?: Options): number[][]

  /** Inputs, the one of the module's first. */
  inputs(sizes: Sizes, options: Options = {}, seed = 1, requiresGrad = false): Tensor<DType>[] {
    const { dtype = 'float32' } = options
    return this.inputShapes(sizes, options).map((shape, place) =>
      filled(shape, seed + 10 * place, { dtype, requiresGrad }),
    )
  }

  states(sizes: Sizes, options: Options = {}, seed = 2, requiresGrad = false): Tensor<DType>[] {
    const { dtype = 'float32' } = options
    return this.stateShapes(sizes, options).map((shape, place) =>
      filled(shape, seed + 100 * (place + 1), { dtype, requiresGrad }),
    )
  }

  /** The module, inputs and states of a case. */
  build(one: Case, more: Options = {}) {
    const options = { ...one.options, ...more }
    return {
      options,
      module: this.make(one.inputSize, one.hiddenSize, options),
      inputs: this.inputs(one, options, one.seed),
      states: this.states(one, options, one.seed + 1),
    }
  }

  /** What is called hx: undefined and null stay what they are. */
  hx(states: readonly Tensor<DType>[] | null | undefined): Hx | null | undefined {
    return states && this.description.join(states)
  }

  /** The arguments of `forward`, any of which may be wrong; those of a cell end with hx. */
  abstract arguments(inputs: readonly unknown[], hx: unknown, options?: object): unknown[]

  abstract forward(
    module: M,
    inputs: readonly Tensor<DType>[],
    states?: readonly Tensor<DType>[] | null,
    options?: CallOptions,
  ): Result

  /** What is said of input of another rank, and of other features. */
  abstract wrongInputRank(got: number): string
  abstract wrongFeatures(expected: number, got: number): string
}

/** A kind of recurrent module. */
export class Kind<Hx> extends AnyKind<Hx, RecurrentModule<Hx>> {
  declare readonly description: Description<Hx>
  readonly overTime = true
  readonly inputBatch = 1
  readonly batchDimension: number
  /** Modules and inputs of any shape, with a length for each sequence. */
  readonly anyLengths: fc.Arbitrary<readonly [Case, number[]]>

  constructor(description: Description<Hx>) {
    super(description, description.stacked, Object.keys(description.inputs ?? {}))
    this.batchDimension = description.stacked ? 1 : 0
    this.anyLengths = this.anyCase.chain((one) =>
      fc.tuple(
        fc.constant(one),
        fc.array(fc.integer({ min: 1, max: one.steps }), {
          minLength: one.batch,
          maxLength: one.batch,
        }),
      ),
    )
  }

  features(hiddenSize: number, { bidirectional = false }: Options = {}): number {
    return this.description.outputSize(hiddenSize) * (bidirectional ? 2 : 1)
  }

  inputShapes({ steps, batch, inputSize, hiddenSize }: Sizes, options: Options = {}): number[][] {
    const outer = options.batchFirst ? [batch, steps] : [steps, batch]
    const rows = batch === null ? [steps] : (outer as number[])
    const others = Object.values(this.description.inputs ?? {})
    return [inputSize, ...others.map((features) => features(hiddenSize))].map((features) => [
      ...rows,
      features,
    ])
  }

  /** The options of a call with further inputs. */
  call(inputs: readonly unknown[], options: object = {}): CallOptions {
    return {
      ...options,
      ...Object.fromEntries(this.extras.map((name, place) => [name, inputs[place + 1]])),
    }
  }

  arguments(inputs: readonly unknown[], hx: unknown, options?: object): unknown[] {
    return [inputs[0], hx, this.call(inputs, options)]
  }

  forward(
    module: RecurrentModule<Hx>,
    inputs: readonly Tensor<DType>[],
    states?: readonly Tensor<DType>[] | null,
    options?: CallOptions,
  ): Result {
    const call = this.call(inputs, options)
    const [output, hN] = module.forward(inputs[0], this.hx(states), call)
    return { output, states: this.description.split(hN) }
  }

  async forwardAsync(
    module: RecurrentModule<Hx>,
    inputs: readonly Tensor<DType>[],
    states?: readonly Tensor<DType>[] | null,
    options?: CallOptions,
  ): Promise<Result> {
    const call = this.call(inputs, options)
    const [output, hN] = await module.forwardAsync(inputs[0], this.hx(states), call)
    return { output, states: this.description.split(hN) }
  }

  packed(
    module: RecurrentModule<Hx>,
    inputs: readonly Packed[],
    states?: readonly Tensor<DType>[] | null,
    options?: CallOptions,
  ): { readonly output: Packed; readonly states: readonly Tensor<DType>[] } {
    const call = this.call(inputs, options)
    const [output, hN] = module.forward(inputs[0], this.hx(states), call)
    return { output, states: this.description.split(hN) }
  }

  vjp(
    module: RecurrentModule<Hx>,
    inputs: readonly Tensor<DType>[],
    states?: readonly Tensor<DType>[] | null,
    options?: CallOptions,
  ) {
    const { join, split } = this.description
    const result = module.vjp(inputs[0], this.hx(states), this.call(inputs, options))
    return {
      output: result.output,
      states: split(result.hN),
      /** The gradients of inputs and states in one list, and those of the parameters. */
      pullback: (gradOutput: Tensor<DType> | null, gradStates: readonly Tensor<DType>[] | null) => {
        const gradients = result.pullback(gradOutput, gradStates && join(gradStates))
        const { input, hx, parameters } = gradients
        const others = this.extras.map((name) => Reflect.get(gradients, name) as Tensor<DType>)
        return { leaves: [input, ...others, ...split(hx)], parameters }
      },
    }
  }

  stream(module: RecurrentModule<Hx>, batchSize: number, states: readonly Tensor<DType>[] | null) {
    return module.stream({ batchSize, hx: this.hx(states) ?? null })
  }

  wrongInputRank(got: number): string {
    return `${this.description.name}: Expected input to be 2D or 3D, got ${got}D tensor instead`
  }

  wrongFeatures(expected: number, got: number): string {
    return `input.size(-1) must be equal to input_size. Expected ${expected}, got ${got}`
  }
}

/** A kind of cell: its output is h, the first of the states after the step. */
export class CellKind<Hx> extends AnyKind<Hx, CellModule<Hx>> {
  declare readonly description: CellDescription<Hx>
  readonly overTime = false
  readonly inputBatch = 0
  readonly batchDimension = 0

  constructor(description: CellDescription<Hx>) {
    super(description, false, [])
  }

  features(hiddenSize: number): number {
    return this.description.stateSizes(hiddenSize)[0]
  }

  inputShapes({ batch, inputSize }: Sizes): number[][] {
    return [batch === null ? [inputSize] : [batch, inputSize]]
  }

  arguments(inputs: readonly unknown[], hx: unknown): unknown[] {
    return [inputs[0], hx]
  }

  forward(
    module: CellModule<Hx>,
    inputs: readonly Tensor<DType>[],
    states?: readonly Tensor<DType>[] | null,
  ): Result {
    const last = this.description.split(module.forward(inputs[0], this.hx(states)))
    return { output: last[0], states: last }
  }

  wrongInputRank(got: number): string {
    return `${this.description.name}: Expected input to be 1D or 2D, got ${got}D instead`
  }

  wrongFeatures(expected: number, got: number): string {
    return `input has inconsistent input_size: got ${got} expected ${expected}`
  }
}

/** The first two dimensions exchanged: (T, B, …) ↔ (B, T, …). */
export const swap = (x: Tensor<DType>): Tensor<DType> => x.transpose(0, 1)

/** Output and states in one list. */
export const all = ({ output, states }: Result): Tensor<DType>[] => [output, ...states]

/** Copies that want a gradient. */
export function leavesOf(tensors: readonly Tensor<DType>[]): Tensor<DType>[] {
  return tensors.map(({ data, shape, dtype }) =>
    tensor(data.slice(), { shape, dtype, requiresGrad: true }),
  )
}

/** Upstream gradients of results, each element another. */
export function weightsOf(results: readonly Tensor<DType>[]): Tensor<DType>[] {
  return results.map(({ shape, dtype }, place) => filled(shape, 7 + place, { dtype }))
}

/** Σ w·y over all results. */
export function lossOf(results: readonly Tensor<DType>[]): Tensor<DType> {
  const weights = weightsOf(results)
  return results
    .map((one, place) => one.mul(weights[place]).sum())
    .reduce((sum, one) => sum.add(one))
}

/** All gradients; a scalar 0 where there is none. */
export function gradsOf(leaves: readonly Tensor<DType>[]): Tensor<DType>[] {
  return leaves.map(({ grad }) => grad ?? zeros([]))
}

/** The bits of tensors, one text each. */
export const bitsOf = (tensors: readonly Tensor<DType>[]): string[] =>
  tensors.map((one) => bits(one))
