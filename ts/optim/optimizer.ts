/** What all optimizers share: groups of parameters, the state, and the step over all of them. */

import { Variable } from '../autograd/variable'
import { checkOptions, checkSameDType, formatShape, sameShape } from '../check'
import { allocate, converted, overlap } from '../dtype'
import type { Floats } from '../native'
import { type Tensor, variableOf } from '../tensor/tensor'
import { checkGroups, type OptimizerParameters, type ParamGroup } from './groups'
import type { Rule } from './rule'
import { fromStateDict, type OptimizerStateDict, type ParameterState, toStateDict } from './state'

/** One parameter's part of a step, checked. */
interface Job<Options> {
  readonly parameter: Tensor
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

// The class hands these out, so that the rest of the package reaches what is private to it.
let plan: (optimizer: Optimizer<object>, dict: unknown) => () => void
let name: (optimizer: Optimizer<object>) => string
let stepped: (optimizer: Optimizer<object>) => boolean

/** Checks a load of an optimizer's state; the result carries it out and cannot fail. */
export function planLoadOptimizer(optimizer: Optimizer<object>, dict: unknown): () => void {
  return plan(optimizer, dict)
}

/** The class's name, as files keep it. */
export function optimizerName(optimizer: Optimizer<object>): string {
  return name(optimizer)
}

/** Whether {@link Optimizer.step} was ever called. */
export function hasStepped(optimizer: Optimizer<object>): boolean {
  return stepped(optimizer)
}

/** Changes parameters in place, from their gradients. */
export class Optimizer<Options extends object> {
  /**
   * The groups: the options of each, which may be changed between steps (a schedule changes `lr`), and its `params`.
   */
  readonly paramGroups: ParamGroup<Options>[]
  readonly #rule: Rule<Options>
  #state = new Map<Tensor, ParameterState>()
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
  }

  /**
   * Changes every parameter that has a gradient; the others stay as they are.
   *
   * @throws RangeError or TypeError if an option, a gradient or a remembered value does not fit. Nothing has changed
   *   then.
   */
  step(): void {
    const jobs = this.paramGroups.flatMap((group) => {
      const options = this.#rule.check(group as Readonly<Record<string, unknown>>)
      return group.params.flatMap((parameter) => this.#job(parameter, options) ?? [])
    })
    for (const job of jobs) this.#run(job)
    this.#stepped = true
  }

  /** Sets the gradients of all parameters to null. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) for (const param of params) param.grad = null
  }

  /**
   * Everything that the optimizer remembers, and the options of its groups. The tensors share their `data` with the
   * optimizer's.
   */
  stateDict(): OptimizerStateDict<Options> {
    return toStateDict(this.#rule, this.paramGroups, this.#state)
  }

  /**
   * Takes over what {@link stateDict} of such an optimizer gave; values are copied and cast to the parameters' dtype.
   *
   * @throws RangeError if groups, parameters or shapes do not fit; TypeError for something of the wrong kind. Nothing
   *   has changed then.
   */
  loadStateDict(dict: OptimizerStateDict<Options>): void {
    this.#planLoad(dict)()
  }

  static {
    plan = (optimizer, dict) => optimizer.#planLoad(dict)
    name = (optimizer) => optimizer.#rule.name
    stepped = (optimizer) => optimizer.#stepped
  }

  #planLoad(dict: unknown): () => void {
    const { groups, state } = fromStateDict(this.#rule, this.paramGroups, dict)
    return () => {
      this.paramGroups.forEach((group, place) => {
        delete group.initialLr
        Object.assign(group, groups[place])
      })
      this.#state = new Map(state)
    }
  }

  /** A parameter's part of the step; null without a gradient. */
  #job(parameter: Tensor, options: Options): Job<Options> | null {
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

/** The values of a gradient; in memory of their own if they lie in an array that the step changes. */
function apart(grad: Variable, written: readonly Variable[]): Floats {
  const values = grad.values()
  const shared = written.some((variable) => overlap(variable.values(), values))
  return shared ? converted(values, grad.dtype) : values
}

/** Refuses a gradient or remembered array that does not fit its parameter. */
function checkFits(what: string, param: Variable, other: Variable): void {
  checkSameDType(`expected a parameter and ${what}`, param.dtype, other.dtype)
  if (!sameShape(param.shape, other.shape)) {
    throw new RangeError(
      `expected ${what} to have the parameter's shape ${formatShape(param.shape)}, got ${formatShape(other.shape)}`,
    )
  }
  other.values()
}
