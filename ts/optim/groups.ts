/** Parameter groups, each with its own options. */

import { describe } from '../check'
import type { DType } from '../dtype'
import { isTensor, Tensor, variableOf } from '../tensor/tensor'
import { nonNegative, type Rule } from './rule'

/** A group of parameters with common options, which may change between steps. */
export type ParamGroup<Options> = Options & {
  /** The parameters of the group. */
  params: Tensor<DType>[]
  /** The learning rate from which a schedule starts; set by the first schedule of the optimizer. */
  initialLr?: number | undefined
}

/** Options, all of which may be omitted. */
export type PartialOptions<Options> = { [Name in keyof Options]?: Options[Name] | undefined }

/** The first argument of an optimizer: parameters, or groups of them with options that override the optimizer's. */
export type OptimizerParameters<Options> =
  | Iterable<Tensor<DType>>
  | Iterable<
      PartialOptions<Options> & {
        /** The parameters of the group. */
        params: Iterable<Tensor<DType>> | Tensor<DType>
        /** The learning rate from which a schedule starts. Default: the group's, when the schedule is created. */
        initialLr?: number | undefined
      }
    >

/** A group as an argument: its parameters, checked, and its options, unchecked. */
export interface GivenGroup {
  readonly params: Tensor<DType>[]
  readonly options: Record<string, unknown>
  readonly initialLr: number | undefined
}

/** Checks the first argument of an optimizer. */
export function checkGroups(parameters: unknown): GivenGroup[] {
  if (parameters instanceof Tensor || !isIterable(parameters)) {
    throw new TypeError(
      `params argument given to the optimizer should be an iterable of Tensors or groups, but got ${describe(parameters)}`,
    )
  }
  const items = [...parameters]
  if (items.length === 0) throw new RangeError('optimizer got an empty parameter list')
  const groups = items.some(isGroup) ? items.map(givenGroup) : [givenGroup({ params: items })]
  const seen = new Set<Tensor<DType>>()
  for (const parameter of groups.flatMap(({ params }) => params)) {
    if (seen.has(parameter)) {
      throw new RangeError(
        'some parameters appear in more than one parameter group, or twice in one',
      )
    }
    seen.add(parameter)
  }
  return groups
}

/** Whether the parameters of the groups, which a program may change, are these. */
export function holdsParameters(
  groups: readonly unknown[],
  params: readonly Tensor<DType>[],
): boolean {
  let place = 0
  for (const group of groups) {
    if (!isGroup(group) || !Array.isArray(group.params)) return false
    for (const param of group.params as readonly unknown[]) {
      if (param !== params[place]) return false
      place += 1
    }
  }
  return place === params.length
}

/** Checks the groups of an optimizer after a program has changed them. */
export function checkChangedGroups(groups: readonly unknown[]): Tensor<DType>[] {
  for (const group of groups) {
    if (isGroup(group) && !Array.isArray(group.params)) {
      throw new TypeError(
        `params of a group must be an array of Tensors, got: ${describe(group.params)}`,
      )
    }
    givenGroup(group)
  }
  return checkGroups(groups).flatMap(({ params }) => params)
}

/** The options of a group of an optimizer, which a program may change; all must be there. */
export function currentOptions<Options>(rule: Rule<Options>, group: object): Options {
  const given = group as Readonly<Record<string, unknown>>
  for (const name of rule.options) {
    if (given[name] == null) {
      throw new RangeError(
        `parameter group didn't specify a value of required optimization parameter ${name}`,
      )
    }
  }
  return rule.check(given)
}

function givenGroup(group: unknown): GivenGroup {
  if (!isGroup(group)) {
    throw new TypeError(`param_group must be an object with params, got: ${describe(group)}`)
  }
  const { params, initialLr: first, ...options } = group
  const initialLr = checkInitialLr(first)
  if (params instanceof Tensor) return { params: [checkParameter(params)], options, initialLr }
  if (!isIterable(params)) {
    throw new TypeError(
      `params of a group must be an iterable of Tensors, got: ${describe(params)}`,
    )
  }
  return { params: Array.from(params, checkParameter), options, initialLr }
}

/** Checks the learning rate from which a schedule starts, if there is one. */
export function checkInitialLr(value: unknown): number | undefined {
  return value === undefined ? undefined : nonNegative('Invalid initial_lr', value)
}

function checkParameter(parameter: unknown): Tensor<DType> {
  if (!isTensor(parameter)) {
    throw new TypeError(
      `optimizer can only optimize Tensors, but one of the params is ${describe(parameter)}`,
    )
  }
  if (variableOf(parameter)?.origin !== null) {
    throw new RangeError("can't optimize a non-leaf Tensor")
  }
  return parameter
}

function isGroup(item: unknown): item is { params: unknown; initialLr?: unknown } {
  return typeof item === 'object' && item !== null && !(item instanceof Tensor) && 'params' in item
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}
