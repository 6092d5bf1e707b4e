/** The base class of every module, which finds parameters and children among an instance's own fields. */

import { types } from 'node:util'
import type { Variable } from '../autograd/variable'
import { brand } from '../brand'
import { checkBoolean, checkDType, checkOptions, describe, refuseExtra } from '../check'
import { converted, type DType } from '../dtype'
import { showAsText } from '../inspect'
import type { IntTensor } from '../tensor/int-tensor'
import { Tensor, variableOf } from '../tensor/tensor'
import { Copier, type CopyInstance, instanceLike, unfilled } from './clone'
import { type Fields, fieldsOf, leavesOf, type Member, type Stray } from './members'
import { formatModule, formatModules, formatParameters } from './repr'
import { type IncompatibleKeys, type LoadPlan, planLoad } from './state-dict'

/** The modules whose `toString` is running. */
const beingShown = new Set<Module<DType>>()

// Assigned by the class: a copy of a module.
let copyFields: (copier: Copier, where: string, module: Module<DType>) => Module<DType>

/** A copy of a module in a field of another; by its own `clone`, if its class has one. */
const copyModule: CopyInstance = (copier, where, value) => {
  if (!(value instanceof Module)) return null
  return value.clone === Module.prototype.clone ? copyFields(copier, where, value) : value.clone()
}

/**
 * The base class of every module; a model is a class with fields.
 *
 * Parameters and children are found among the instance's own fields, in the order in which they were first assigned:
 *
 * - a `Module` is a child. So are the modules in an array, named `0`, `1`, …, and in a plain object, named by its keys:
 *   torch's `ModuleList` and `ModuleDict`. Arrays and objects may hold others, null, and values that are no modules.
 * - a `Tensor` that was made with `requiresGrad: true` (or whose `requiresGrad` was once set to true) is a parameter,
 *   and stays one while it is frozen by `requiresGrad = false`. So are those in arrays and plain objects.
 * - other fields are ignored: results of operations, data, numbers. So are private fields, whose name begins with `#`,
 *   fields named by symbols, and getters.
 *
 * A field that held a parameter or child, when the methods of this class looked at it, stays the place of one; in the
 * modules of this package, the fields of parameters are from the start. A tensor that is assigned to it is a parameter
 * too, frozen if it does not require a gradient. Anything else but null is an error of the next method that looks.
 *
 * Names must not be empty or contain a dot, since `a.b` is the name of a parameter `b` of the child `a`: a RangeError.
 * A module or parameter in a `Map` or `Set` belongs to no model: a TypeError, unless it is found elsewhere in the model
 * too. A module in an object of another class gives a warning.
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

  /** @throws TypeError if there is an argument: a class with a constructor of its own calls `super()`. */
  constructor() {
    if (arguments.length > 0) refuseExtra(new.target.name, 0, arguments)
  }

  static {
    showAsText(Module.prototype)
    brand(Module.prototype, 'Module')
    copyFields = (copier, where, module) => {
      const copy = copier.fields(where, module, module[unfilled]())
      fieldsOf<Module<DType>>(copy, isModule) // what is declared in the one is so in the other
      return copy
    }
  }

  /**
   * Sets this module and all modules in it to training or evaluation mode.
   *
   * @param mode true for training. Default: true.
   * @returns this module.
   * @throws TypeError if `mode` is not a boolean.
   */
  train(mode = true): this {
    if (arguments.length > 1) refuseExtra('Module.train', 1, arguments)
    if (typeof mode !== 'boolean') {
      throw new TypeError(`training mode is expected to be boolean, got: ${describe(mode)}`)
    }
    for (const { module } of treeOf(this)) module.training = mode
    return this
  }

  /**
   * Sets this module and all modules in it to evaluation mode: the same as `train(false)`.
   *
   * @returns this module.
   */
  eval(): this {
    if (arguments.length > 0) refuseExtra('Module.eval', 0, arguments)
    return this.train(false)
  }

  /** The parameters of this module and all modules in it, each once. */
  parameters(): Tensor<D>[] {
    if (arguments.length > 0) refuseExtra('Module.parameters', 0, arguments)
    return this.namedParameters().map(([, parameter]) => parameter)
  }

  /** The parameters with their names, each once; a shared parameter has its first name. */
  namedParameters(): [name: string, parameter: Tensor<D>][] {
    if (arguments.length > 0) refuseExtra('Module.namedParameters', 0, arguments)
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
  stateDict(options?: { copy?: boolean | undefined }): Map<string, Tensor<D>> {
    if (arguments.length > 1) refuseExtra('Module.stateDict', 1, arguments)
    const { copy } = checkOptions('Module.stateDict', options, ['copy'])
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
    if (arguments.length > 0) refuseExtra('Module.clone', 0, arguments)
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
    map: ReadonlyMap<string, Tensor<DType> | IntTensor>,
    options?: { strict?: boolean | undefined },
  ): IncompatibleKeys {
    if (arguments.length > 2) refuseExtra('Module.loadStateDict', 2, arguments)
    const { strict } = checkOptions('loadStateDict', options, ['strict'])
    const plan = planLoadStateDict(this, map, checkBoolean('strict', strict ?? true))
    plan.commit()
    return plan.keys
  }

  /** Sets the gradients of all parameters to null. */
  zeroGrad(): void {
    if (arguments.length > 0) refuseExtra('Module.zeroGrad', 0, arguments)
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
    if (arguments.length > 1) refuseExtra('Module.to', 1, arguments)
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
    if (arguments.length > 0) refuseExtra('Module.toString', 0, arguments)
    if (beingShown.has(this)) return '...' // a child that refers back to its parent
    beingShown.add(this)
    try {
      const children = fieldsOf<Module<DType>>(this, isModule).members.flatMap(([name, member]) => {
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

/** The names of each parameter in a module: a shared one has several. */
export function parameterNames(module: Module<DType>): Map<Tensor<DType>, string[]> {
  const names = new Map<Tensor<DType>, string[]>()
  for (const [name, parameter] of parametersOf(module)) {
    const known = names.get(parameter)
    if (known === undefined) names.set(parameter, [name])
    else known.push(name)
  }
  return names
}

/** A module of a tree, with what was found in its fields. */
interface Branch {
  /** What the names of its parameters begin with. */
  readonly prefix: string
  readonly module: Module<DType>
  readonly members: Fields<Module<DType>>['members']
}

/** All parameters with their names; a shared one under each of its names. They have the dtype that the class says. */
function parametersOf<D extends DType>(root: Module<D>): [name: string, parameter: Tensor<D>][] {
  const found: [string, Tensor<DType>][] = []
  // A module's own parameters come before those of its children, as in torch.
  for (const { prefix, members } of treeOf(root)) {
    for (const [name, member] of members) {
      for (const [path, leaf] of leavesOf(prefix + name, member)) {
        if (leaf instanceof Tensor) found.push([path, leaf])
      }
    }
  }
  return found as [string, Tensor<D>][]
}

/**
 * This module and all modules in it.
 *
 * @throws RangeError or TypeError if a member has no proper name, or is no member any more, or is none since a `Map`
 *   or `Set` holds it.
 */
function treeOf(root: Module<DType>): Branch[] {
  const found: Branch[] = []
  const strays: Stray<Module<DType>>[] = []
  const visit = (prefix: string, module: Module<DType>, above: readonly Module<DType>[]): void => {
    if (above.includes(module)) return // a child that refers back to its parent
    const fields = fieldsOf(module, isModule)
    for (const problem of fields.problems) throw problem
    found.push({ prefix, module, members: fields.members })
    strays.push(...fields.strays)
    const around = [...above, module]
    for (const [name, member] of fields.members) {
      for (const [path, leaf] of leavesOf(prefix + name, member)) {
        if (leaf instanceof Module) visit(`${path}.`, leaf, around)
      }
    }
  }
  visit('', root, [])
  if (strays.length > 0) reportStrays(found, strays)
  return found
}

/** The other objects that were warned about. */
const reported = new WeakSet<object>()

/** Refuses, or warns of, what belongs to the tree by its fields' contents and is no part of it. */
function reportStrays(tree: readonly Branch[], strays: readonly Stray<Module<DType>>[]): void {
  const parts = new Set<unknown>(tree.map(({ module }) => module))
  for (const { members } of tree) {
    for (const [name, member] of members)
      for (const [, leaf] of leavesOf(name, member)) parts.add(leaf)
  }
  for (const { where, holder, held } of strays) {
    const lost = held.find((leaf) => !parts.has(leaf))
    if (lost === undefined) continue
    const found = lost instanceof Tensor ? 'a parameter' : `a module of class ${describe(lost)}`
    const what = `${where}, of class ${describe(holder)}, holds ${found}, which is no part of the model: `
    if (types.isMap(holder) || types.isSet(holder)) {
      throw new TypeError(
        `${what}expected an array or a plain object, or a private field if it is not to be one`,
      )
    }
    if (reported.has(holder)) continue
    reported.add(holder)
    process.emitWarning(
      `${what}it is not trained or saved with it. Derive ${describe(holder)} from nn.Module, or use a private field`,
    )
  }
}

function isModule(value: object): value is Module<DType> {
  return value instanceof Module
}

/** The text of a child; null for parameters, which torch does not show outside of lists. */
function formatMember(member: Member<Module<DType>>): string | null {
  if (member instanceof Tensor) return null
  if (member instanceof Module) return member.toString()
  const { kind, entries } = member
  const leaves = [...leavesOf('', member)].map(([, leaf]) => leaf)
  if (leaves.every((leaf) => leaf instanceof Tensor)) return formatParameters(kind, entries)
  return formatModules(
    kind,
    entries.flatMap(([name, item]) => {
      const text = item === null ? 'None' : formatMember(item)
      return text === null ? [] : [[name, text] as const]
    }),
  )
}
