/** Conversions between an optimizer's state and its state dict. */

import { Variable } from '../autograd/variable'
import { checkInteger, describe, formatShape, sameShape } from '../check'
import { converted, type DType } from '../dtype'
import { entriesOf } from '../foreign'
import { type Tensor, variableOf, wrap } from '../tensor/tensor'
import { checkInitialLr, currentOptions, type ParamGroup } from './groups'
import type { Rule } from './rule'

/** The state of one parameter. */
export interface ParameterState {
  step: number
  readonly buffers: Map<string, Variable>
}

/** The state of an optimizer; parameters are numbered through all groups. */
export interface OptimizerStateDict<Options> {
  /** The state of each parameter that has been updated, by its number: buffers of its shape, and counts. */
  state: Map<number, Record<string, Tensor<DType> | number>>
  /** The groups, with the numbers of their parameters. */
  paramGroups: (Options & {
    /** The numbers of the group's parameters. */
    params: number[]
    /** The learning rate from which a schedule started, if there is one. */
    initialLr?: number | undefined
  })[]
}

/** A load that has been checked. */
export interface LoadedState<Options> {
  /** The new options of the groups, and the learning rate from which a schedule starts. */
  readonly groups: readonly (Options & { initialLr?: number })[]
  readonly state: ReadonlyMap<Tensor<DType>, ParameterState>
}

/** The number of each parameter, through all groups. */
function placesOf(
  groups: readonly { readonly params: readonly Tensor<DType>[] }[],
): Map<Tensor<DType>, number> {
  const places = new Map<Tensor<DType>, number>()
  for (const { params } of groups) for (const param of params) places.set(param, places.size)
  return places
}

/**
 * The state of each parameter, by its number.
 *
 * @param copy whether the tensors have memory of their own, or share their `data` with the optimizer's.
 */
export function stateByPlace(
  { countsSteps }: { readonly countsSteps: boolean },
  groups: readonly { readonly params: readonly Tensor<DType>[] }[],
  states: ReadonlyMap<Tensor<DType>, ParameterState>,
  copy: boolean,
): OptimizerStateDict<object>['state'] {
  const state: OptimizerStateDict<object>['state'] = new Map()
  for (const [param, place] of placesOf(groups)) {
    const remembered = states.get(param)
    if (remembered === undefined) continue
    state.set(place, {
      ...(countsSteps ? { step: remembered.step } : {}),
      ...Object.fromEntries(
        [...remembered.buffers].map(([name, buffer]) => {
          const detached = wrap(buffer.detach())
          return [name, copy ? detached.clone() : detached]
        }),
      ),
    })
  }
  return state
}

/** The state as a state dict; `copy` as for {@link stateByPlace}. */
export function toStateDict<Options extends object>(
  rule: Rule<Options>,
  groups: readonly ParamGroup<Options>[],
  states: ReadonlyMap<Tensor<DType>, ParameterState>,
  copy: boolean,
): OptimizerStateDict<Options> {
  const places = placesOf(groups)
  return {
    state: stateByPlace(rule, groups, states, copy),
    paramGroups: groups.map((group) => ({
      ...currentOptions(rule, group),
      ...initialLrOf(group),
      params: group.params.map((param) => places.get(param) ?? -1),
    })),
  }
}

/** Checks a state dict against the groups that it is loaded into; copies the values. */
export function fromStateDict<Options extends object>(
  rule: Rule<Options>,
  groups: readonly ParamGroup<Options>[],
  dict: unknown,
): LoadedState<Options> {
  const { state, paramGroups } = checkOutline(dict)
  if (paramGroups.length !== groups.length) {
    throw new RangeError(
      `loaded state dict has a different number of parameter groups: expected ${groups.length}, got ${paramGroups.length}`,
    )
  }
  const params: Tensor<DType>[] = []
  const loadedGroups = groups.map((group, place) => {
    const given = checkRecord(paramGroups[place])
    if (!Array.isArray(given.params) || given.params.length !== group.params.length) {
      throw new RangeError(
        "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
      )
    }
    params.push(...group.params)
    return { ...rule.check(given), ...initialLrOf(given) }
  })
  const loaded = new Map<Tensor<DType>, ParameterState>()
  for (const [place, entry] of state) {
    const param = typeof place === 'number' ? params[place] : undefined
    if (param === undefined) {
      throw new RangeError(
        `loaded state dict has state for parameter ${describe(place)}, but there are ${params.length} parameters`,
      )
    }
    loaded.set(param, checkState(rule, param, `state of parameter ${place}`, checkRecord(entry)))
  }
  return { groups: loadedGroups, state: loaded }
}

/** The learning rate from which a schedule starts, as a property if there is one. */
function initialLrOf(group: { readonly initialLr?: unknown }): { initialLr?: number } {
  const initialLr = checkInitialLr(group.initialLr)
  return initialLr === undefined ? {} : { initialLr }
}

function checkOutline(dict: unknown): {
  state: ReadonlyMap<unknown, unknown>
  paramGroups: unknown[]
} {
  const { state: given, paramGroups } = checkRecord(dict)
  const state = entriesOf(given)
  if (state === null || !Array.isArray(paramGroups)) {
    throw new TypeError(
      `Expected state_dict with a Map as state and an array as paramGroups, got ${describe(given)} and ${describe(paramGroups)}`,
    )
  }
  return { state, paramGroups }
}

function checkRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`Expected state_dict to hold an object, got ${describe(value)}`)
  }
  return value as Record<string, unknown>
}

function checkState(
  rule: { readonly countsSteps: boolean; readonly allBuffers: readonly string[] },
  param: Tensor<DType>,
  where: string,
  entry: Readonly<Record<string, unknown>>,
): ParameterState {
  const loaded: ParameterState = { step: 0, buffers: new Map() }
  for (const [name, value] of Object.entries(entry)) {
    if (name === 'step' && rule.countsSteps) {
      loaded.step = checkInteger(`step in the ${where}`, value)
      if (loaded.step < 0) {
        throw new RangeError(`step in the ${where} must not be negative, got ${loaded.step}`)
      }
      continue
    }
    if (!rule.allBuffers.includes(name)) throw new RangeError(`unknown ${name} in the ${where}`)
    const variable = variableOf(value)
    if (variable === null) {
      throw new TypeError(`expected ${name} in the ${where} to be a Tensor, got ${describe(value)}`)
    }
    if (!sameShape(variable.shape, param.shape)) {
      throw new RangeError(
        `size mismatch for ${name} in the ${where}: expected ${formatShape(param.shape)}, got ${formatShape(variable.shape)}`,
      )
    }
    const copy = converted(variable.values(), param.dtype)
    loaded.buffers.set(name, Variable.like(param, copy))
  }
  return loaded
}
