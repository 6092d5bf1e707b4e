/** Checks of the arguments of recurrent modules, in torch's order and wording. */

import type { Variable } from '../../autograd/variable'
import { checkOptions, checkPositiveInteger, formatShape, sameShape } from '../../check'
import type { DType } from '../../dtype'
import { checkTensor } from '../../tensor/tensor'
import { checkLengths } from '../lengths'
import type { PackedForm } from '../utils/rnn/packed-form'
import { checkPackedSequence } from '../utils/rnn/packed-sequence'
import type { RNNBaseConfig } from './options'
import type { StateForm } from './states'

/** The layout of an input's rows: padded or packed. */
export type Layout = PaddedLayout | PackedForm

/** The layout of a padded input. */
export interface PaddedLayout {
  readonly steps: number
  readonly batch: number
  /** Whether the batch is the input's first dimension; never for unbatched input. */
  readonly batchFirst: boolean
  /** Whether there is a batch dimension. */
  readonly batched: boolean
  readonly lengths: Int32Array | null
}

/** What the checks need of a module. */
export interface Signature {
  /** Its name in messages. */
  readonly name: string
  readonly config: RNNBaseConfig
  readonly form: StateForm<unknown>
  /** Features of each state. */
  readonly stateSizes: readonly number[]
  /** A null for each state. */
  readonly noStates: readonly null[]
  /** Features of the output. */
  readonly outputSize: number
}

/** Arguments of a call, unchecked. */
export interface GivenArguments {
  /** The function's name in messages. */
  readonly owner: string
  readonly input: unknown
  readonly states: unknown
  readonly options: unknown
  /** The options that the function takes. */
  readonly allowed: readonly string[]
}

/** Arguments of a call, checked. */
export interface ForwardArguments<L extends Layout = Layout> {
  readonly input: Variable
  /** The initial states; null for zeros. */
  readonly states: readonly (Variable | null)[]
  readonly teacher: Variable | null
  readonly layout: L
  /** Steps between the states that are kept for the backward pass; null if all are kept. */
  readonly checkpointEvery: number | null
}

/**
 * Checks the arguments of a call with a padded input.
 *
 * @param dtype that of the weights.
 */
export function checkPaddedArguments(
  module: Signature,
  dtype: DType,
  given: GivenArguments,
): ForwardArguments<PaddedLayout> {
  const { name, config, outputSize } = module
  const { owner } = given
  const options = checkOptions(owner, given.options, given.allowed)
  const input = checkTensor(owner, 'input', given.input)
  const states = checkStateKinds(owner, module, given.states)
  const teacher = options.teacher == null ? null : checkTensor(owner, 'teacher', options.teacher)
  const rank = input.shape.length
  if (rank !== 2 && rank !== 3) {
    throw new RangeError(`${name}: Expected input to be 2D or 3D, got ${rank}D tensor instead`)
  }
  const batched = rank === 3
  checkStateRanks(module, states, rank)
  checkDTypes(module, dtype, input, states, teacher)
  checkInputSize(config, input)
  const batchFirst = batched && config.batchFirst
  const [first = 0, second = 0] = input.shape
  const steps = batchFirst ? second : first
  const batch = batched ? (batchFirst ? first : second) : 1
  checkStateShapes(module, states, batch, batched)
  if (teacher !== null) {
    checkTeacherShape(teacher, [...input.shape.slice(0, -1), outputSize])
  }
  if (steps === 0) {
    throw new RangeError('Expected sequence length to be larger than 0 in RNN')
  }
  const lengths =
    options.lengths == null ? null : checkBatchLengths(name, options.lengths, steps, batch, batched)
  return {
    input,
    states,
    teacher,
    layout: { steps, batch, batchFirst, batched, lengths },
    checkpointEvery: checkCheckpointEvery(config, options.checkpointEvery),
  }
}

/**
 * Checks the arguments of a call with a packed input, which holds the lengths itself: `lengths` are refused.
 *
 * @param dtype that of the weights.
 */
export function checkPackedArguments(
  module: Signature,
  dtype: DType,
  given: GivenArguments,
): ForwardArguments<PackedForm> {
  const { config, outputSize } = module
  const { owner } = given
  const options = checkOptions(owner, given.options, given.allowed)
  if (options.lengths != null) {
    throw new TypeError(
      `${owner}(): argument 'lengths' is for padded input, but got a PackedSequence`,
    )
  }
  const { data: input, form } = checkPackedSequence(owner, 'input', given.input)
  const states = checkStateKinds(owner, module, given.states)
  const teacher = options.teacher == null ? null : checkTeacher(owner, options.teacher, form)
  checkDTypes(module, dtype, input, states, teacher)
  const rank = input.shape.length
  if (rank !== 2) throw new RangeError(`input must have 2 dimensions, got ${rank}`)
  checkInputSize(config, input)
  checkStateShapes(module, states, form.batchSizes[0] ?? 0, true)
  if (teacher !== null) checkTeacherShape(teacher, [form.rows, outputSize])
  return {
    input,
    states,
    teacher,
    layout: form,
    checkpointEvery: checkCheckpointEvery(config, options.checkpointEvery),
  }
}

/**
 * Checks the states of a batch, for a stream.
 *
 * @param dtype that of the weights.
 * @returns null for zeros.
 */
export function checkBatchStates(
  owner: string,
  module: Signature,
  dtype: DType,
  given: unknown,
  batch: number,
): readonly (Variable | null)[] {
  const states = checkStateKinds(owner, module, given)
  checkStateDTypes(module.name, module.form, dtype, states)
  checkStateShapes(module, states, batch, true)
  return states
}

/** Refuses a bidirectional module for an operation that goes forward in time only. */
export function checkOneDirection(what: string, { bidirectional }: RNNBaseConfig): void {
  if (!bidirectional) return
  throw new RangeError(
    `${what} goes forward in time: expected a module with bidirectional=false, got bidirectional=true, whose second half begins at the end of the sequence`,
  )
}

/**
 * Refuses an input or state, if there is one, whose dtype is not that of the weights.
 *
 * @param module its name in messages.
 * @param name that of the argument.
 */
export function checkArgumentDType(
  module: string,
  dtype: DType,
  name: string,
  argument: Variable | null,
): void {
  if (argument === null || argument.dtype === dtype) return
  throw new TypeError(
    `${module} ${name} dtype (${argument.dtype}) does not match weight dtype (${dtype}). ` +
      `Convert ${name} to ${dtype}, or convert model: model.to('${argument.dtype}')`,
  )
}

/** Refuses states whose dtype is not that of the weights. */
export function checkStateDTypes(
  module: string,
  form: StateForm<unknown>,
  dtype: DType,
  states: readonly (Variable | null)[],
): void {
  states.forEach((state, place) => {
    checkArgumentDType(module, dtype, form.names[place] ?? '', state)
  })
}

/** The states in an argument, as tensors. */
export function splitStates(
  owner: string,
  form: StateForm<unknown>,
  given: unknown,
): readonly Variable[] {
  const { argument, names } = form
  return form
    .split(owner, argument, given)
    .map((state, place) => checkTensor(owner, names[place] ?? '', state))
}

/** L·D: the first dimension of states that have one for layers and directions. */
export function layersTimesDirections(config: RNNBaseConfig): number {
  return config.numLayers * (config.bidirectional ? 2 : 1)
}

/** The shape of a state, without a batch dimension if there is no batch. */
export function stateShape(
  { config, form }: Signature,
  size: number,
  batch: number | null,
): number[] {
  return [
    ...(form.layered ? [layersTimesDirections(config)] : []),
    ...(batch === null ? [] : [batch]),
    size,
  ]
}

function checkDTypes(
  { name, form }: Signature,
  dtype: DType,
  input: Variable,
  states: readonly (Variable | null)[],
  teacher: Variable | null,
): void {
  checkArgumentDType(name, dtype, 'input', input)
  checkStateDTypes(name, form, dtype, states)
  checkArgumentDType(name, dtype, 'teacher', teacher)
}

function checkInputSize(config: RNNBaseConfig, input: Variable): void {
  const size = input.shape.at(-1) ?? 0
  if (size !== config.inputSize) {
    throw new RangeError(
      `input.size(-1) must be equal to input_size. Expected ${config.inputSize}, got ${size}`,
    )
  }
}

/** The states in an argument, as tensors; null for zeros. */
function checkStateKinds(
  owner: string,
  { form, noStates }: Signature,
  given: unknown,
): readonly (Variable | null)[] {
  return given == null ? noStates : splitStates(owner, form, given)
}

/** Checks that the states have a batch dimension if and only if the input, of rank 2 or 3, has one. */
function checkStateRanks(
  { form }: Signature,
  states: readonly (Variable | null)[],
  rank: number,
): void {
  const expected = form.layered ? rank : rank - 1
  if (states.every((state) => state === null || state.shape.length === expected)) return
  const ranks = states.map((state) => state?.shape.length ?? expected)
  const input = rank === 3 ? 'For batched 3-D' : 'For unbatched 2-D'
  const each = ranks.map((one) => `${one}-D`).join(', ')
  const got = ranks.length === 1 ? `${each} tensor` : `(${each}) tensors`
  throw new RangeError(
    `${input} input, ${form.together} should ${form.layered ? 'also ' : ''}be ${expected}-D but got ${got}`,
  )
}

/** Checks that states have exactly their shapes, which `batchFirst` does not change; nothing is broadcast. */
function checkStateShapes(
  module: Signature,
  states: readonly (Variable | null)[],
  batch: number,
  batched: boolean,
): void {
  const { form, stateSizes } = module
  states.forEach((state, place) => {
    if (state === null) return
    // Torch's messages show layered states with a batch dimension, even without a batch.
    const inserted = form.layered && !batched
    const [layers = 0, ...rest] = state.shape
    const got = inserted ? [layers, 1, ...rest] : state.shape
    const expected = stateShape(module, stateSizes[place] ?? 0, batched || inserted ? batch : null)
    if (!sameShape(got, expected)) {
      throw new RangeError(
        `Expected ${form.labels[place]} size (${expected.join(', ')}), got ${formatShape(got)}`,
      )
    }
  })
}

/** Checks the teacher of a packed input, which must be packed like the input. */
function checkTeacher(owner: string, given: unknown, form: PackedForm): Variable {
  const { data, form: own } = checkPackedSequence(owner, 'teacher', given)
  const { batchSizes, sortedIndices, unsortedIndices } = form
  if (own !== form && !own.holds(batchSizes, sortedIndices, unsortedIndices)) {
    throw new RangeError(
      `${owner}(): expected teacher to be packed like the input, got other batch_sizes or indices`,
    )
  }
  return data
}

function checkTeacherShape({ shape }: Variable, expected: readonly number[]): void {
  if (sameShape(shape, expected)) return
  throw new RangeError(`Expected teacher size (${expected.join(', ')}), got ${formatShape(shape)}`)
}

/** Checks `checkpointEvery`, which only layers that go forward in time have. */
function checkCheckpointEvery(config: RNNBaseConfig, value: unknown): number | null {
  if (value == null) return null
  const every = checkPositiveInteger('checkpoint_every', value)
  checkOneDirection('checkpointEvery', config)
  return every
}

/** Checks lengths, which unbatched input does not have. */
function checkBatchLengths(
  module: string,
  lengths: unknown,
  steps: number,
  batch: number,
  batched: boolean,
): Int32Array {
  if (!batched) {
    throw new RangeError('lengths need a batch: expected input to be 3D, got 2D tensor instead')
  }
  return checkLengths(module, lengths, steps, batch)
}
