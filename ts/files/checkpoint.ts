/**
 * Checkpoints: everything that training continues from, in one safetensors file.
 *
 *     tensors    model.<name>                          the model's state dict
 *                optimizer.<place>.<name>              the optimizer's state of each parameter
 *     metadata   elman.checkpoint   "1"                the version of this layout
 *                elman.rng                             the state of the random numbers, in base64
 *                elman.optimizer                       kind, options, counts and names of parameters, in JSON
 *                elman.scheduler                       kind and state, in JSON
 *                elman.extra                           the caller's value, in JSON
 */

import { checkOptions, checkString, describe, refuseExtra } from '../check'
import type { DType } from '../dtype'
import { Module, parameterNames, planLoadStateDict } from '../nn/module'
import {
  isScheduler,
  type LRScheduler,
  planLoadScheduler,
  schedulerName,
} from '../optim/lr-scheduler/scheduler'
import { isOptimizer, type Optimizer, optimizerName, planLoadOptimizer } from '../optim/optimizer'
import { getRngState, setRngState } from '../random'
import type { IntTensor } from '../tensor/int-tensor'
import { Tensor } from '../tensor/tensor'
import { readFile, writeFileAtomic } from './atomic'
import { checkJson, type Json } from './json'
import { decode, encode } from './safetensors'

export type { Json } from './json'

/** The contents of a checkpoint. */
export interface CheckpointSources {
  /** The module whose parameters are saved. */
  model: Module<DType>
  /** The optimizer whose state and options are saved. Default: none. */
  optimizer?: Optimizer<object> | undefined
  /** The schedule whose state is saved. Default: none. */
  scheduler?: LRScheduler<object> | undefined
  /** Any JSON value: the epoch, the best loss. Default: null. */
  extra?: Json | undefined
}

/** What a checkpoint is loaded into. */
export interface CheckpointTargets {
  /** A module with the same parameters. */
  model: Module<DType>
  /** An optimizer of the same class over the same parameters. Default: none; the state in the file is ignored. */
  optimizer?: Optimizer<object> | undefined
  /** A schedule of the same class. Default: none; the state in the file is ignored. */
  scheduler?: LRScheduler<object> | undefined
}

const version = '1'
const modelPrefix = 'model.'
const optimizerPrefix = 'optimizer.'

/** The optimizer in the metadata; its tensors are tensors of the file. */
interface OptimizerRecord {
  kind: string
  paramGroups: unknown[]
  /** Counts by place and name. */
  counts: [place: number, name: string, value: number][]
  /** The first name of each parameter in the model, by place; null if it is none of the model's. Old files have none. */
  names?: (string | null)[]
}

/**
 * Writes a checkpoint: parameters, the state of optimizer, schedule and random number generator, and a value of the
 * caller's.
 *
 * Training that continues after {@link loadCheckpoint} gives the same bits as training without interruption. The file
 * is a safetensors file, in which the names of parameters begin with `model.`. It is written atomically: under a
 * temporary name in the same folder, then renamed.
 *
 * The state of the optimizer is by the places of its parameters, as in torch. The file holds their names in the model
 * too, so that a load into an optimizer over other parameters, or over the same in another order, is an error.
 *
 * @param sources `model`; `optimizer` and `scheduler`, if they are to be continued; `extra`: any JSON value. Default:
 *   null.
 * @param path the file; one that exists is replaced.
 * @throws TypeError if an argument has the wrong type, or `extra` is not a JSON value; an `Error` of Node if the file
 *   cannot be written.
 *
 * @example
 * ```ts
 * import { loadCheckpoint, nn, optim, saveCheckpoint } from '@elman/rnn'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 *
 * const model = new nn.RNN(3, 4)
 * const optimizer = new optim.Adam(model.parameters())
 * const file = join(tmpdir(), 'training.safetensors')
 * saveCheckpoint({ model, optimizer, extra: { epoch: 3 } }, file)
 * console.log(loadCheckpoint(file, { model, optimizer })) // { epoch: 3 }
 * ```
 *
 * @see https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html
 */
export function saveCheckpoint(sources: CheckpointSources, path: string): void {
  if (arguments.length > 2) refuseExtra('saveCheckpoint', 2, arguments)
  const given = checkOptions('saveCheckpoint', sources, [
    'model',
    'optimizer',
    'scheduler',
    'extra',
  ])
  const model = checkModel(given.model)
  const optimizer = checkOptimizer(given.optimizer)
  const scheduler = checkScheduler(given.scheduler)
  const target = checkString('path', path)
  const extra = JSON.stringify(checkJson('extra', given.extra ?? null))
  const tensors = new Map<string, Tensor<DType>>()
  for (const [name, parameter] of model.stateDict()) tensors.set(modelPrefix + name, parameter)
  const metadata: Record<string, string> = {
    'elman.checkpoint': version,
    'elman.rng': Buffer.from(getRngState()).toString('base64'),
    'elman.extra': extra,
  }
  if (optimizer !== null) {
    metadata['elman.optimizer'] = JSON.stringify(recordOptimizer(optimizer, model, tensors))
  }
  if (scheduler !== null) {
    const record = { kind: schedulerName(scheduler), state: scheduler.stateDict() }
    metadata['elman.scheduler'] = JSON.stringify(record, hideInfinity)
  }
  writeFileAtomic(target, encode(tensors, metadata))
}

/**
 * Loads what {@link saveCheckpoint} wrote, the state of the random number generator included.
 *
 * @param path the file.
 * @param targets `model`; `optimizer` and `scheduler`, if they are to be continued: of the same classes, over the same
 *   parameters in the same order. The names of the parameters are compared (if the file has them: files of earlier
 *   versions do not).
 * @returns the caller's value, `extra`.
 * @throws RangeError if the file is malformed, is not a checkpoint, or does not fit the model, the optimizer or the
 *   schedule; TypeError if an argument has the wrong type; an `Error` of Node if the file cannot be read. Nothing
 *   changes on an error.
 *
 * @example
 * ```ts
 * import { loadCheckpoint, nn, rand, saveCheckpoint } from '@elman/rnn'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 *
 * const model = new nn.RNN(3, 4)
 * const file = join(tmpdir(), 'random-numbers.safetensors')
 * saveCheckpoint({ model }, file)
 * const first = rand([1]).item()
 * loadCheckpoint(file, { model })
 * console.log(rand([1]).item() === first) // true
 * ```
 *
 * @see https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html
 */
export function loadCheckpoint(path: string, targets: CheckpointTargets): Json {
  if (arguments.length > 2) refuseExtra('loadCheckpoint', 2, arguments)
  const given = checkOptions('loadCheckpoint', targets, ['model', 'optimizer', 'scheduler'])
  const model = checkModel(given.model)
  const optimizer = checkOptimizer(given.optimizer)
  const scheduler = checkScheduler(given.scheduler)
  const { tensors, metadata } = decode(readFile(checkString('path', path)))
  const found = metadata.get('elman.checkpoint')
  if (found !== version) {
    throw new RangeError(
      found === undefined
        ? `${path} is not a checkpoint`
        : `${path} is a checkpoint of version ${found}, expected ${version}`,
    )
  }
  const extra = parse(path, 'extra', metadata) as Json
  const parameters = withPrefix(tensors, modelPrefix)
  const plan = planLoadStateDict(model, parameters, true)
  const commitOptimizer =
    optimizer === null
      ? null
      : planOptimizer(path, optimizer, model, metadata, withPrefix(tensors, optimizerPrefix))
  const commitScheduler =
    scheduler === null
      ? null
      : planLoadScheduler(scheduler, restoreScheduler(path, scheduler, metadata))
  // The only step that can still fail comes first, and changes nothing if it does.
  setRngState(Uint8Array.from(Buffer.from(metadata.get('elman.rng') ?? '', 'base64')))
  plan.commit()
  commitOptimizer?.()
  commitScheduler?.()
  return extra
}

/** The record of an optimizer for the metadata; adds its tensors to `tensors`. */
function recordOptimizer(
  optimizer: Optimizer<object>,
  model: Module<DType>,
  tensors: Map<string, Tensor<DType>>,
): OptimizerRecord {
  const { state, paramGroups } = optimizer.stateDict()
  const counts: OptimizerRecord['counts'] = []
  for (const [place, entry] of state) {
    for (const [name, value] of Object.entries(entry)) {
      if (value instanceof Tensor) tensors.set(`${optimizerPrefix}${place}.${name}`, value)
      else counts.push([place, name, value])
    }
  }
  const names = parameterNames(model)
  return {
    kind: optimizerName(optimizer),
    paramGroups,
    counts,
    names: parametersOf(optimizer).map((parameter) => names.get(parameter)?.[0] ?? null),
  }
}

/** Checks a load of the state that {@link recordOptimizer} took apart; the optimizer checks what is in it. */
function planOptimizer(
  path: string,
  optimizer: Optimizer<object>,
  model: Module<DType>,
  metadata: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, Tensor<DType> | IntTensor>,
): () => void {
  const record = recordOf(path, 'optimizer', optimizerName(optimizer), metadata)
  if (!isOptimizerRecord(record)) throw new RangeError(`${path} is malformed: optimizer`)
  const state = new Map<number, Record<string, unknown>>()
  const put = (place: number, name: string, value: unknown): void => {
    state.set(place, { ...state.get(place), [name]: value })
  }
  for (const [place, name, value] of record.counts) put(place, name, value)
  for (const [key, value] of tensors) {
    const dot = key.indexOf('.')
    put(Number(key.slice(0, dot)), key.slice(dot + 1), value)
  }
  const commit = planLoadOptimizer(optimizer, { state, paramGroups: record.paramGroups })
  if (record.names !== undefined) checkNames(path, record.names, optimizer, model)
  return commit
}

/** Refuses an optimizer whose parameters are not, place by place, those that the file names. */
function checkNames(
  path: string,
  expected: readonly (string | null)[],
  optimizer: Optimizer<object>,
  model: Module<DType>,
): void {
  const names = parameterNames(model)
  const shown = (name: string | null): string =>
    name === null ? 'a parameter that is not in the model' : `'${name}'`
  parametersOf(optimizer).forEach((parameter, place) => {
    const own = names.get(parameter)
    const saved = expected[place] ?? null
    if (saved === null ? own === undefined : own?.includes(saved)) return
    throw new RangeError(
      `${path} holds the optimizer's state of ${shown(saved)} at place ${place}, where this optimizer has ` +
        `${shown(own?.[0] ?? null)}: expected the same parameters in the same order`,
    )
  })
}

function parametersOf({ paramGroups }: Optimizer<object>): Tensor<DType>[] {
  return paramGroups.flatMap(({ params }) => params)
}

function isOptimizerRecord(record: object): record is OptimizerRecord {
  const { counts, names = [] } = record as Partial<Record<string, unknown>>
  if (!Array.isArray(counts) || !Array.isArray(names)) return false
  const isName = (name: unknown): boolean => name === null || typeof name === 'string'
  return counts.every(Array.isArray) && names.every(isName)
}

/** The state of a schedule; the schedule checks what is in it. */
function restoreScheduler(
  path: string,
  scheduler: LRScheduler<object>,
  metadata: ReadonlyMap<string, string>,
): unknown {
  return recordOf(path, 'scheduler', schedulerName(scheduler), metadata).state
}

/** The record of an optimizer or a schedule in the metadata, which must be of the class `expected`. */
function recordOf(
  path: string,
  name: string,
  expected: string,
  metadata: ReadonlyMap<string, string>,
): Readonly<Record<string, unknown>> {
  if (!metadata.has(`elman.${name}`)) throw new RangeError(`${path} holds no ${name}`)
  const record = parse(path, name, metadata)
  if (typeof record !== 'object' || record === null || !('kind' in record)) {
    throw new RangeError(`${path} is malformed: ${name}`)
  }
  if (record.kind !== expected) {
    throw new RangeError(`${path} holds the state of ${String(record.kind)}, expected ${expected}`)
  }
  return record as Readonly<Record<string, unknown>>
}

const infinities = ['Infinity', '-Infinity', 'NaN']

/** Writes numbers that JSON lacks as strings. No string in a schedule's state is one of these. */
function hideInfinity(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

function revealInfinity(_: string, value: unknown): unknown {
  return typeof value === 'string' && infinities.includes(value) ? Number(value) : value
}

function parse(path: string, name: string, metadata: ReadonlyMap<string, string>): unknown {
  const reviver = name === 'scheduler' ? revealInfinity : undefined
  try {
    return JSON.parse(metadata.get(`elman.${name}`) ?? '', reviver) as unknown
  } catch {
    throw new RangeError(`${path} is malformed: ${name}`)
  }
}

/** The tensors whose names begin with `prefix`, without it. */
function withPrefix(
  tensors: ReadonlyMap<string, Tensor<DType> | IntTensor>,
  prefix: string,
): Map<string, Tensor<DType> | IntTensor> {
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  )
}

function checkModel(model: unknown): Module<DType> {
  if (model instanceof Module) return model
  throw new TypeError(`model should be an nn.Module, got: ${describe(model)}`)
}

function checkOptimizer(optimizer: unknown): Optimizer<object> | null {
  if (optimizer === undefined) return null
  if (isOptimizer(optimizer)) return optimizer
  throw new TypeError(`optimizer should be one of optim, got: ${describe(optimizer)}`)
}

function checkScheduler(scheduler: unknown): LRScheduler<object> | null {
  if (scheduler === undefined) return null
  if (isScheduler(scheduler)) return scheduler
  throw new TypeError(`scheduler should be one of optim.lrScheduler, got: ${describe(scheduler)}`)
}
