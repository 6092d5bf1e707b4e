/** The base class of all recurrent modules: a cell of the addon, and its parameters. */

import { changedMessage } from '../../autograd/saved'
import type { Variable } from '../../autograd/variable'
import { refuseExtra } from '../../check'
import type { DType } from '../../dtype'
import { type NativePasses, type NativeRecurrentCore, native } from '../../native'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { setReadOnly } from '../../tools'
import { instanceLike } from '../clone'
import { parameter, uniform } from '../init'
import { declareParameters } from '../members'
import { Module } from '../module'
import { checkParameter } from '../parameter'

/** What the modules of one class have in common. */
export interface RecurrentKind {
  /** The class's name in messages. */
  readonly name: string
  /** The cell's name in the addon. */
  readonly cell: string
  /** The operation's name on the tape. */
  readonly operation: string
  /** Whether the parameters are named without layer and direction. */
  readonly bare: boolean
}

/** The arguments that all recurrent modules take, checked. */
export interface RecurrentConfig {
  readonly inputSize: number
  readonly hiddenSize: number
  readonly bias: boolean
  readonly dtype: DType
}

/** Further arguments of a cell for the addon: sizes, flags and names. */
export type CellConfig = Readonly<Record<string, number | boolean | string>>

/** A name and a shape, as the addon gives them. */
interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
}

/** The layers of the addon, of one dtype. */
interface Native {
  readonly core: NativeRecurrentCore
  readonly passes: NativePasses
  readonly specs: readonly ParameterSpec[]
}

/** The parameters of a module, and the native layers that compute with them. */
export interface Parts extends Native {
  readonly dtype: DType
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
}

/** The module that `clone` fills with fields, made by a base class with the arguments of {@link RecurrentModule}. */
export let unfilledBy: <M extends RecurrentModule<DType>>(
  base: abstract new (...args: never[]) => RecurrentModule<DType>,
  module: M,
) => M

/** The layers of the addon in the dtype that the module was made with. */
export let coreOf: (module: RecurrentModule<DType>) => NativeRecurrentCore

/** The parts of a module. */
export let partsOf: (module: RecurrentModule<DType>) => Parts

/** The parameters of a module as its fields hold them now, unchecked. */
export let weightsOf: <D extends DType>(module: RecurrentModule<D>) => Tensor<D>[]

/** A module around a recurrent cell. Each of the parameters that the addon names is a field. */
export class RecurrentModule<D extends DType = 'float32'> extends Module<D> {
  /** I: the number of features of x. */
  declare readonly inputSize: number
  /** H: the number of features of h. */
  declare readonly hiddenSize: number
  /** Whether there are biases. */
  declare readonly bias: boolean

  readonly #config: RecurrentConfig
  readonly #kind: RecurrentKind
  readonly #cell: CellConfig
  readonly #natives = new Map<DType, Native>()
  readonly #specs: readonly ParameterSpec[]

  /** @internal `empty`: without parameters. */
  constructor(kind: RecurrentKind, config: RecurrentConfig, cell: CellConfig, empty = false) {
    super()
    const { inputSize, hiddenSize, bias, dtype } = config
    setReadOnly(this, { inputSize, hiddenSize, bias })
    this.#kind = kind
    this.#config = config
    this.#cell = { ...cell, inputSize, hiddenSize, bias, bare: kind.bare }
    this.#specs = this.#native(dtype).specs
    if (empty) return
    for (const { name, shape } of this.#specs) this.#fields[name] = parameter(shape, dtype)
    declareParameters(
      this,
      this.#specs.map(({ name }) => name),
    )
    this.resetParameters()
  }

  static {
    unfilledBy = (base, module) =>
      instanceLike(base, [module.#kind, module.#config, module.#cell, true], module)
    coreOf = (module) => module.#native(module.#config.dtype).core
    partsOf = (module) => module.#parts
    weightsOf = <D extends DType>(module: RecurrentModule<D>) =>
      module.#specs.flatMap(({ name }) => (module.#fields[name] as Tensor<D> | undefined) ?? [])
  }

  /** Draws new values for every parameter from uniform(-1/√H, 1/√H), in the order of the state dict. */
  resetParameters(): void {
    if (arguments.length > 0) refuseExtra('RNNBase.resetParameters', 0, arguments)
    const bound = 1 / Math.sqrt(this.hiddenSize)
    for (const weight of weightsOf(this)) uniform(weight, bound)
  }

  /** The parameters are checked at each use, since a program may have assigned other tensors. */
  get #parts(): Parts {
    const specs = this.#specs
    const fields = this.#fields
    let dtype: DType | null = null
    const parameters = specs.map(({ name, shape }) => {
      const variable = checkTensor(this.#kind.name, name, fields[name])
      dtype ??= variable.dtype
      checkParameter(name, variable, shape, dtype)
      return variable
    })
    dtype ??= this.#config.dtype
    const { core, passes } = this.#native(dtype)
    return { core, passes, dtype, specs, parameters }
  }

  /** The fields by name. */
  get #fields(): Record<string, unknown> {
    return this as unknown as Record<string, unknown>
  }

  /** The native layers, created on first use, since `to` may change the dtype. */
  #native(dtype: DType): Native {
    const made = this.#natives.get(dtype)
    if (made !== undefined) return made
    const { cell, operation } = this.#kind
    const key = JSON.stringify([cell, operation, dtype, this.#cell])
    const layers = recent.get(key) ?? make(cell, this.#cell, dtype, operation)
    this.#natives.set(dtype, layers)
    // The latest last.
    recent.delete(key)
    if (layers.specs.length <= largest) recent.set(key, layers)
    for (const oldest of recent.keys()) if (recent.size > most) recent.delete(oldest)
    return layers
  }
}

/** The native layers that were used last. They hold no numbers of a module, so modules of one configuration share them. */
const recent = new Map<string, Native>()

/** How many of them stay, and the most parameters of one that does. */
const [most, largest] = [32, 64]

function make(cell: string, config: CellConfig, dtype: DType, operation: string): Native {
  const core = new native.RecurrentCore(cell, config, dtype, changedMessage(operation))
  const passes = { forward: core.forward(), backward: core.backward() }
  return { core, passes, specs: core.parameters() }
}
