/** The base class of every module, which finds parameters and children among an instance's own fields. */

import type { Variable } from '../autograd/variable'
import { checkBoolean, checkDType, checkOptions, describe } from '../check'
import { converted, type DType } from '../dtype'
import { showAsText } from '../inspect'
import type { IntTensor } from '../tensor/int-tensor'
import { Tensor, variableOf } from '../tensor/tensor'
import { formatModule, formatModuleList } from './repr'
import { type IncompatibleKeys, type LoadPlan, planLoad } from './state-dict'

/** The modules whose `toString` is running. */
const beingShown = new Set<Module<DType>>()

/** A class under its public name, whatever a bundler calls it. */
export function named<Class extends object>(name: string, of: Class): Class {
  return Object.defineProperty(of, 'name', { value: name })
}

/** A field's value that is a module or parameter, or a list of them. */
type Member = Module<DType> | Tensor<DType> | readonly Member[]

/**
 * The base class of every module; a model is a class with fields.
 *
 * Parameters and children are found among the instance's own fields, in the order in which they were first assigned:
 *
 * - a `Module` is a child, an array of modules a list of children named `0`, `1`, …;
 * - a `Tensor` that was made with `requiresGrad: true` (or whose `requiresGrad` was once set to true) is a parameter,
 *   and stays one while it is frozen by `requiresGrad = false`; an array of such tensors is a list of parameters;
 * - other fields are ignored: results of operations, data, numbers. Private fields, whose name begins with `#`, are not
 *   visible to this class.
 *
 * @example
 * ```ts
 * import { nn, type Tensor, zeros } from '@elman/rnn'
 *
 * class Tagger extends nn.Module {
 *   rnn = new nn.RNN(8, 16, { bidirectional: true })
 *   head = new nn.Linear(32, 5)
 *
 *   forward(input: Tensor): Tensor {
 *     const [output] = this.rnn.forward(input)
 *     return this.head.forward(output)
 *   }
 * }
 *
 * const tagger = new Tagger()
 * console.log(tagger.forward(zeros([10, 2, 8])).shape) // [ 10, 2, 5 ]
 * console.log([...tagger.stateDict().keys()].at(-1)) // head.bias
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
 */
export class Module<D extends DType = 'float32'> {
  /** Whether the module is in training mode, in which dropout acts. Set by {@link train} and {@link eval}. */
  training = true

  static {
    showAsText(Module.prototype)
  }

  /**
   * Sets this module and all modules in it to training or evaluation mode.
   *
   * @param mode true for training. Default: true.
   * @returns this module.
   * @throws TypeError if `mode` is not a boolean.
   */
  train(mode = true): this {
    if (typeof mode !== 'boolean') {
      throw new TypeError(`training mode is expected to be boolean, got: ${describe(mode)}`)
    }
    for (const [, module] of modulesOf(this)) module.training = mode
    return this
  }

  /**
   * Sets this module and all modules in it to evaluation mode: the same as `train(false)`.
   *
   * @returns this module.
   */
  eval(): this {
    return this.train(false)
  }

  /** The parameters of this module and all modules in it, each once. */
  parameters(): Tensor<D>[] {
    return this.namedParameters().map(([, parameter]) => parameter)
  }

  /** The parameters with their names, each once; a shared parameter has its first name. */
  namedParameters(): [name: string, parameter: Tensor<D>][] {
    const seen = new Set<Tensor<D>>()
    return parametersOf(this).filter(([, parameter]) => {
      if (seen.has(parameter)) return false
      seen.add(parameter)
      return true
    })
  }

  /**
   * The parameters by name, in torch's order. The tensors are detached and share their `data` with the parameters.
   *
   * A shared parameter is listed under each of its names.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * console.log([...new nn.RNN(3, 4).stateDict().keys()].join(' ')) // weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0
   * ```
   */
  stateDict(): Map<string, Tensor<D>> {
    return new Map(parametersOf(this).map(([name, parameter]) => [name, parameter.detach()]))
  }

  /**
   * Copies the values of `map` into the parameters; values of another dtype are converted.
   *
   * @param map tensors by name, as {@link stateDict} and `loadSafetensors` return them.
   * @param options `strict`: whether a name that only one side has is an error. Default: true.
   * @returns the names that only one side has.
   * @throws RangeError that lists all names which are missing (strict), unexpected (strict) or of another shape;
   *   TypeError if `map` is not a `Map`. Nothing changes on an error.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * const small = new nn.RNN(3, 4)
   * const deep = new nn.RNN(3, 4, { numLayers: 2 })
   * const { missingKeys } = deep.loadStateDict(small.stateDict(), { strict: false })
   * console.log(missingKeys.length) // 4
   * ```
   */
  loadStateDict(
    map: ReadonlyMap<string, Tensor<DType> | IntTensor>,
    options?: { strict?: boolean | undefined },
  ): IncompatibleKeys {
    const { strict } = checkOptions('loadStateDict', options, ['strict'])
    const plan = planLoadStateDict(this, map, checkBoolean('strict', strict ?? true))
    plan.commit()
    return plan.keys
  }

  /** Sets the gradients of all parameters to null. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null
  }

  /**
   * Converts all parameters, and their gradients, to another dtype, in place.
   *
   * Call it before an optimizer is created: the optimizer's state has the dtype of the parameters. For TypeScript, the
   * result has the new dtype if the module is one of this package; a model of your own keeps its type.
   *
   * @param dtype `'float32'` or `'float64'`.
   * @returns this module.
   * @throws TypeError for another dtype.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * console.log(new nn.Linear(2, 1).to('float64').weight.dtype) // float64
   * ```
   */
  to(dtype: DType): this {
    const wanted = checkDType(dtype)
    const variables = this.parameters().flatMap((parameter) => variableOf(parameter) ?? [])
    const all = variables.flatMap((variable) => [
      variable,
      ...(variable.grad ? [variable.grad] : []),
    ])
    const changed = all.filter(({ dtype: current }) => current !== wanted)
    const storages = changed.map((variable) => converted(variable.values(), wanted))
    changed.forEach((variable, place) => {
      const data = storages[place]
      if (data) variable.replace(data)
    })
    return this
  }

  /** The module as torch prints it: the class's name, {@link extraRepr}, and the children, indented. */
  toString(): string {
    if (beingShown.has(this)) return '...' // a child that refers back to its parent
    beingShown.add(this)
    try {
      const children = membersOf(this).flatMap(([name, member]) => {
        const text = formatMember(member)
        return text === null ? [] : [[name, text] as const]
      })
      return formatModule(this.constructor.name, this.extraRepr(), children)
    } finally {
      beingShown.delete(this)
    }
  }

  /** The text between the parentheses of {@link toString}: a subclass returns its arguments. */
  protected extraRepr(): string {
    return ''
  }
}

/** Checks a load into a module, for callers that check more before anything changes. */
export function planLoadStateDict(module: Module<DType>, map: unknown, strict: boolean): LoadPlan {
  const targets = new Map<string, Variable>()
  for (const [name, parameter] of parametersOf(module)) {
    const variable = variableOf(parameter)
    if (variable !== null) targets.set(name, variable)
  }
  return planLoad(module.constructor.name, targets, map, strict)
}

/** All parameters with their names; a shared one under each of its names. They have the dtype that the class says. */
function parametersOf<D extends DType>(root: Module<D>): [name: string, parameter: Tensor<D>][] {
  const found: [string, Tensor<DType>][] = []
  // A module's own parameters come before those of its children, as in torch.
  for (const [prefix, module] of modulesOf(root)) {
    for (const [name, member] of membersOf(module))
      collectTensors(`${prefix}${name}`, member, found)
  }
  return found as [string, Tensor<D>][]
}

function collectTensors(name: string, member: Member, found: [string, Tensor<DType>][]): void {
  if (member instanceof Tensor) found.push([name, member])
  else if (isList(member)) {
    member.forEach((item, place) => {
      collectTensors(`${name}.${place}`, item, found)
    })
  }
}

/** This module and all modules in it, with the prefixes of their parameters' names. */
function modulesOf(root: Module<DType>): [prefix: string, module: Module<DType>][] {
  const found: [string, Module<DType>][] = []
  const visit = (prefix: string, module: Module<DType>, above: readonly Module<DType>[]): void => {
    if (above.includes(module)) return // a child that refers back to its parent
    found.push([prefix, module])
    const descend = (name: string, member: Member): void => {
      if (member instanceof Module) visit(`${name}.`, member, [...above, module])
      else if (isList(member)) {
        member.forEach((item, place) => {
          descend(`${name}.${place}`, item)
        })
      }
    }
    for (const [name, member] of membersOf(module)) descend(`${prefix}${name}`, member)
  }
  visit('', root, [])
  return found
}

/** The parameters, children and lists of them among a module's own fields. */
function membersOf(module: Module<DType>): [name: string, member: Member][] {
  return Object.entries(module).flatMap(([name, value]: [string, unknown]) => {
    const member = asMember(value)
    return member === null ? [] : [[name, member] as [string, Member]]
  })
}

function asMember(value: unknown): Member | null {
  if (value instanceof Module) return value
  if (value instanceof Tensor) return variableOf(value)?.isParameter === true ? value : null
  if (!Array.isArray(value) || value.length === 0) return null
  const members: Member[] = []
  for (const item of value) {
    const member = asMember(item)
    if (member === null) return null
    members.push(member)
  }
  return members
}

function isList(member: Member): member is readonly Member[] {
  return Array.isArray(member)
}

/** The text of a child; null for parameters, which torch does not show. */
function formatMember(member: Member): string | null {
  if (member instanceof Tensor) return null
  if (member instanceof Module) return member.toString()
  const items = member.flatMap((item) => formatMember(item) ?? [])
  return items.length < member.length ? null : formatModuleList(items)
}
