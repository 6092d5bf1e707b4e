/** The base class of every module, which finds parameters and children among an instance's own fields. */

import type { Variable } from '../autograd/variable'
import { checkBoolean, checkDType, checkOptions, describe } from '../check'
import { converted, type DType } from '../dtype'
import { showAsText } from '../inspect'
import type { IntTensor } from '../tensor/int-tensor'
import { Tensor, variableOf } from '../tensor/tensor'
import { Copier, type CopyInstance, instanceLike, unfilled } from './clone'
import { formatModule, formatModuleList } from './repr'
import { type IncompatibleKeys, type LoadPlan, planLoad } from './state-dict'

/** The modules whose `toString` is running. */
const beingShown = new Set<Module>()

// Assigned by the class: a copy of a module.
let copyFields: (copier: Copier, where: string, module: Module) => Module

/** A copy of a module in a field of another; by its own `clone`, if its class has one. */
const copyModule: CopyInstance = (copier, where, value) => {
  if (!(value instanceof Module)) return null
  return value.clone === Module.prototype.clone ? copyFields(copier, where, value) : value.clone()
}

/** A field's value that is a module or parameter, or a list of them. */
type Member = Module | Tensor | readonly Member[]

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
export class Module {
  /** Whether the module is in training mode, in which dropout acts. Set by {@link train} and {@link eval}. */
  training = true

  static {
    showAsText(Module.prototype)
    copyFields = (copier, where, module) => copier.fields(where, module, module[unfilled]())
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
  parameters(): Tensor[] {
    return this.namedParameters().map(([, parameter]) => parameter)
  }

  /** The parameters with their names, each once; a shared parameter has its first name. */
  namedParameters(): [name: string, parameter: Tensor][] {
    const seen = new Set<Tensor>()
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
   * @param options `copy`: whether the tensors have memory of their own, which training does not change. Default: false.
   * @throws TypeError if `copy` is not a boolean, or for an unknown option.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * console.log([...new nn.RNN(3, 4).stateDict().keys()].join(' ')) // weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0
   * ```
   */
  stateDict(options?: { copy?: boolean | undefined }): Map<string, Tensor> {
    const { copy } = checkOptions('stateDict', options, ['copy'])
    const shared = new Map(parametersOf(this).map(([name, one]) => [name, one.detach()]))
    return checkBoolean('copy', copy ?? false)
      ? (new Copier(copyModule).copy('', shared) as typeof shared)
      : shared
  }

  /**
   * A copy of this module with memory of its own, as Python's `copy.deepcopy`: to keep the best model, for a target
   * network, for an ensemble.
   *
   * Its parameters begin without gradients, and keep `requiresGrad`. Parameters that this module shares are shared in the
   * copy; `training` and all options are the same. No constructor is called, and no random number drawn.
   *
   * All fields of a class of yours are copied: tensors, modules and typed arrays, and arrays, plain objects, maps and sets
   * with all that is in them. Instances of other classes, and functions, are shared with the original. Private fields
   * (`#name`) of a class are visible to that class alone, so a class that has them must override `clone`; a copy that
   * lacks them throws where it uses them.
   *
   * @throws TypeError if a field is a function that is bound to the original (an arrow function with `this`), an
   *   optimizer, a schedule or a stream; RangeError if it is the result of a recorded operation.
   *
   * @example
   * ```ts
   * import { nn } from '@elman/rnn'
   *
   * const model = new nn.RNN(3, 4)
   * const best = model.clone()
   * model.weight_hh_l0.data.fill(0)
   * console.log(best.weight_hh_l0.data.some((weight) => weight !== 0)) // true
   * ```
   */
  clone(): this {
    return copyFields(new Copier(copyModule), '', this) as this
  }

  /** @internal */
  [unfilled](): this {
    return instanceLike(Module, [], this)
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
    map: ReadonlyMap<string, Tensor | IntTensor>,
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
   * Call it before an optimizer is created: the optimizer's state has the dtype of the parameters.
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
export function planLoadStateDict(module: Module, map: unknown, strict: boolean): LoadPlan {
  const targets = new Map<string, Variable>()
  for (const [name, parameter] of parametersOf(module)) {
    const variable = variableOf(parameter)
    if (variable !== null) targets.set(name, variable)
  }
  return planLoad(module.constructor.name, targets, map, strict)
}

/** All parameters with their names; a shared one under each of its names. */
function parametersOf(root: Module): [name: string, parameter: Tensor][] {
  const found: [string, Tensor][] = []
  // A module's own parameters come before those of its children, as in torch.
  for (const [prefix, module] of modulesOf(root)) {
    for (const [name, member] of membersOf(module))
      collectTensors(`${prefix}${name}`, member, found)
  }
  return found
}

function collectTensors(name: string, member: Member, found: [string, Tensor][]): void {
  if (member instanceof Tensor) found.push([name, member])
  else if (isList(member)) {
    member.forEach((item, place) => {
      collectTensors(`${name}.${place}`, item, found)
    })
  }
}

/** This module and all modules in it, with the prefixes of their parameters' names. */
function modulesOf(root: Module): [prefix: string, module: Module][] {
  const found: [string, Module][] = []
  const visit = (prefix: string, module: Module, above: readonly Module[]): void => {
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
function membersOf(module: Module): [name: string, member: Member][] {
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
