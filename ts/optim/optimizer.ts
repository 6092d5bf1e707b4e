/** The base class of all optimizers: parameter groups, state and the step. */

import { Variable } from '../autograd/variable'
import { brand, notItself } from '../brand'
import {
  checkBoolean,
  checkOptions,
  checkSameDType,
  formatShape,
  refuseExtra,
  sameShape,
} from '../check'
import { allocate, converted, type DType, overlap } from '../dtype'
import { showAsText } from '../inspect'
import type { Floats } from '../native'
import { pythonValue } from '../python'
import { type Tensor, variableOf } from '../tensor/tensor'
import { refuseCopies } from '../tools'
import {
  checkChangedGroups,
  checkGroups,
  currentOptions,
  holdsParameters,
  type OptimizerParameters,
  type ParamGroup,
} from './groups'
import type { Rule } from './rule'
import {
  fromStateDict,
  type OptimizerStateDict,
  type ParameterState,
  stateByPlace,
  toStateDict,
} from './state'

/** The update of one parameter in a step, checked. */
interface Job<Options> {
  readonly parameter: Tensor<DType>
  readonly param: Variable
  readonly grad: Floats
  readonly state: ParameterState
  readonly buffers: readonly {
    readonly name: string
    readonly values: Variable
    readonly fresh: boolean
  }[]
  readonly options: Options
}

// Assigned by the class: access to its private fields for this package.
let plan: (optimizer: Optimizer<object>, dict: unknown) => () => void
let name: (optimizer: Optimizer<object>) => string
let stepped: (optimizer: Optimizer<object>) => boolean
/** Whether a value is an optimizer, and no proxy of one. */
export let isOptimizer: (value: unknown) => value is Optimizer<object>

/** Checks a load of an optimizer's state. The function that it returns loads it and cannot fail. */
export function planLoadOptimizer(optimizer: Optimizer<object>, dict: unknown): () => void {
  return plan(optimizer, dict)
}

/** The class's name, as stored in files. */
export function optimizerName(optimizer: Optimizer<object>): string {
  return name(optimizer)
}

/** Whether {@link Optimizer.step} was ever called. */
export function hasStepped(optimizer: Optimizer<object>): boolean {
  return stepped(optimizer)
}

/** The base class of all optimizers, which update parameters in place from their gradients. */
export class Optimizer<Options extends object> {
  /**
   * The groups, each with its `params` and options. Options may change between steps; a schedule changes `lr`.
   */
  readonly paramGroups: ParamGroup<Options>[]
  /** @internal What `stateDict` gives as `state`, for the deep equality of tools. */
  declare readonly state: OptimizerStateDict<Options>['state']
  readonly #rule: Rule<Options>
  /** The parameters of all groups, checked. */
  #params: readonly Tensor<DType>[]
  #state = new Map<Tensor<DType>, ParameterState>()
  #stepped = false

  /** @internal */
  constructor(rule: Rule<Options>, parameters: OptimizerParameters<Options>, options: unknown) {
    const shared = checkOptions(rule.name, options, rule.options)
    this.#rule = rule
    this.paramGroups = checkGroups(parameters).map(({ params, options: own, initialLr }) => ({
      ...rule.check({ ...shared, ...checkOptions(rule.name, own, rule.options) }),
      params,
      ...(initialLr === undefined ? {} : { initialLr }),
    }))
    this.#params = this.paramGroups.flatMap(({ params }) => params)
    Object.defineProperty(this, 'state', {
      get: () => stateByPlace(rule, this.paramGroups, this.#state, false),
      enumerable: true,
    })
  }

  /**
   * Updates every parameter that has a gradient.
   *
   * @throws RangeError or TypeError if a parameter, an option, a gradient or the state does not fit. Nothing changes on
   *   an error.
   */
  step(): void {
    if (arguments.length > 0) refuseExtra('Optimizer.step', 0, arguments)
    this.#checkGroups()
    const jobs = this.paramGroups.flatMap((group) => {
      const options = currentOptions(this.#rule, group)
      return group.params.flatMap((parameter) => this.#job(parameter, options) ?? [])
    })
    for (const job of jobs) this.#run(job)
    this.#stepped = true
  }

  /** Sets the gradients of all parameters to null. */
  zeroGrad(): void {
    if (arguments.length > 0) refuseExtra('Optimizer.zeroGrad', 0, arguments)
    this.#checkGroups()
    for (const { params } of this.paramGroups) for (const param of params) param.grad = null
  }

  /**
   * The state of the optimizer and the options of its groups.
   *
   * @param options `copy`: whether the tensors have memory of their own. Default: false, they share their `data` with the
   *   optimizer's, and change with the next step.
   */
  stateDict(options?: { copy?: boolean | undefined }): OptimizerStateDict<Options> {
    if (arguments.length > 1) refuseExtra('Optimizer.stateDict', 1, arguments)
    this.#checkGroups()
    const { copy } = checkOptions('Optimizer.stateDict', options, ['copy'])
    return toStateDict(
      this.#rule,
      this.paramGroups,
      this.#state,
      checkBoolean('copy', copy ?? false),
    )
  }

  /** What `JSON.stringify` writes: the groups, and the state of each parameter by its number. */
  toJSON(): object {
    return { paramGroups: this.paramGroups, state: Object.fromEntries(this.state) }
  }

  /**
   * Loads a state from {@link stateDict} of an optimizer of the same class. Values are copied and converted to the
   * parameters' dtype.
   *
   * @throws RangeError if groups, parameters or shapes do not fit; TypeError for a value of the wrong type. Nothing
   *   changes on an error.
   */
  loadStateDict(dict: OptimizerStateDict<Options>): void {
    if (arguments.length > 1) refuseExtra('Optimizer.loadStateDict', 1, arguments)
    this.#planLoad(dict)()
  }

  /** The optimizer as torch prints it: its class, and the options of each group. */
  toString(): string {
    if (arguments.length > 0) refuseExtra('Optimizer.toString', 0, arguments)
    if (!(#rule in this)) throw notItself('toString', this)
    const groups = this.paramGroups.map((group, place) => {
      const options = Object.entries<unknown>(group).filter(([name]) => name !== 'params')
      const lines = options.map(
        ([name, value]) => `    ${torchName(name)}: ${pythonValue(value)}\n`,
      )
      return `\nParameter Group ${place}\n${lines.sort().join('')}`
    })
    return `${this.constructor.name} (${groups.join('')})`
  }

  static {
    showAsText(Optimizer.prototype)
    brand(Optimizer.prototype, 'Optimizer')
    isOptimizer = (value): value is Optimizer<object> =>
      typeof value === 'object' && value !== null && #rule in value
    refuseCopies(Optimizer.prototype, 'an optimizer updates the parameters that it was made with')
    plan = (optimizer, dict) => optimizer.#planLoad(dict)
    name = (optimizer) => optimizer.#rule.name
    stepped = (optimizer) => optimizer.#stepped
  }

  /** Checks the parameters of the groups, if a program has changed them. */
  #checkGroups(): void {
    if (holdsParameters(this.paramGroups, this.#params)) return
    this.#params = checkChangedGroups(this.paramGroups)
  }

  #planLoad(dict: unknown): () => void {
    this.#checkGroups()
    const { groups, state } = fromStateDict(this.#rule, this.paramGroups, dict)
    return () => {
      this.paramGroups.forEach((group, place) => {
        delete group.initialLr
        Object.assign(group, groups[place])
      })
      this.#state = new Map(state)
    }
  }

  /** The update of a parameter; null without a gradient. */
  #job(parameter: Tensor<DType>, options: Options): Job<Options> | null {
    const param = variableOf(parameter)
    if (param === null || param.grad === null) return null
    param.values()
    checkFits('the gradient', param, param.grad)
    const state = this.#state.get(parameter) ?? { step: 0, buffers: new Map<string, Variable>() }
    const buffers = this.#rule.buffers(options).map((name) => {
      const known = state.buffers.get(name)
      if (known !== undefined) {
        checkFits(name, param, known)
        return { name, values: known, fresh: false }
      }
      const zeros = Variable.like(param, allocate(param.dtype, param.numel))
      return { name, values: zeros, fresh: true }
    })
    const written = [param, ...buffers.map(({ values }) => values)]
    return { parameter, param, grad: apart(param.grad, written), state, buffers, options }
  }

  #run({ parameter, param, grad, state, buffers, options }: Job<Options>): void {
    state.step += 1
    const args = {
      grad,
      buffers: buffers.map(({ values }) => values.values()),
      fresh: buffers.map(({ fresh }) => fresh),
      step: state.step,
    }
    param.mutate((values) => this.#rule.step({ param: values, ...args }, options))
    for (const { name, values } of buffers) state.buffers.set(name, values)
    this.#state.set(parameter, state)
  }
}

/** `weight_decay`: an option's name in torch. */
function torchName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** The values of a gradient; a copy if they overlap an array that the step writes. */
function apart(grad: Variable, written: readonly Variable[]): Floats {
  const values = grad.values()
  const shared = written.some((variable) => overlap(variable.values(), values))
  return shared ? converted(values, grad.dtype) : values
}

/** Refuses a gradient or buffer that does not fit its parameter. */
function checkFits(what: string, param: Variable, other: Variable): void {
  checkSameDType(`expected a parameter and ${what}`, param.dtype, other.dtype)
  if (!sameShape(param.shape, other.shape)) {
    throw new RangeError(
      `expected ${what} to have the parameter's shape ${formatShape(param.shape)}, got ${formatShape(other.shape)}`,
    )
  }
  other.values()
}
