/** What all recurrent modules share: a cell of the addon, and the parameters that it names. */

import type { Variable } from '../../autograd/variable'
import type { DType } from '../../dtype'
import { type NativeRecurrentCore, native } from '../../native'
import { checkTensor } from '../../tensor/tensor'
import { parameter, uniform } from '../init'
import { Module } from '../module'
import { checkParameter } from '../parameter'
import type { StateForm } from './states'

/** What the modules of one class have in common. */
export interface RecurrentKind<State> {
  /** The class's name in messages. */
  readonly name: string
  /** The cell's name in the addon. */
  readonly cell: string
  /** The operation's name on the tape. */
  readonly operation: string
  readonly states: StateForm<State>
}

/** What all recurrent modules are made with, checked. */
export interface RecurrentConfig {
  readonly inputSize: number
  readonly hiddenSize: number
  readonly bias: boolean
  readonly dtype: DType
}

/** What else the addon needs of a cell: sizes, flags and names. */
export type CellConfig = Readonly<Record<string, number | boolean | string>>

/** A name and a shape, as the addon gives them. */
interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
}

/** A module at work: its parameters, and what computes with them. */
export interface Parts {
  readonly core: NativeRecurrentCore
  readonly dtype: DType
  readonly specs: readonly ParameterSpec[]
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
}

/** A module around a recurrent cell. Each of the parameters that the addon names is a field. */
export class RecurrentModule extends Module {
  readonly #name: string
  readonly #config: RecurrentConfig
  readonly #cell: string
  readonly #cellConfig: CellConfig
  readonly #cores = new Map<DType, NativeRecurrentCore>()
  readonly #specs: readonly ParameterSpec[]

  /** @internal */
  constructor({ name, cell }: RecurrentKind<unknown>, config: RecurrentConfig, rest: CellConfig) {
    super()
    const { inputSize, hiddenSize, bias, dtype } = config
    this.#name = name
    this.#config = config
    this.#cell = cell
    this.#cellConfig = { ...rest, inputSize, hiddenSize, bias }
    this.#specs = this.#core(dtype).parameters()
    for (const { name, shape } of this.#specs) this.#fields[name] = parameter(shape, dtype)
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

  /** Whether there are biases. */
  get bias(): boolean {
    return this.#config.bias
  }

  /** Draws every parameter anew from uniform(-1/√H, 1/√H), in the order of the state dict. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.hiddenSize)
    for (const { name } of this.#specs) uniform(this.#fields[name], bound)
  }

  /**
   * The parameters as the fields hold them now, checked, since a caller may have put others there.
   *
   * @internal
   */
  protected parts(): Parts {
    const specs = this.#specs
    const fields = this.#fields
    let dtype: DType | null = null
    const parameters = specs.map(({ name, shape }) => {
      const variable = checkTensor(this.#name, name, fields[name])
      dtype ??= variable.dtype
      checkParameter(name, variable, shape, dtype)
      return variable
    })
    dtype ??= this.#config.dtype
    return { core: this.#core(dtype), dtype, specs, parameters }
  }

  /** The fields by name. */
  get #fields(): Record<string, unknown> {
    return this as unknown as Record<string, unknown>
  }

  /** The native layers, made when they are first needed, since `to` may change the dtype. */
  #core(dtype: DType): NativeRecurrentCore {
    const made = this.#cores.get(dtype)
    if (made !== undefined) return made
    const core = new native.RecurrentCore(this.#cell, this.#cellConfig, dtype)
    this.#cores.set(dtype, core)
    return core
  }
}
