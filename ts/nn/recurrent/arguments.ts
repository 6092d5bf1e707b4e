/** The checks of what a recurrent module's forward takes, in torch's order and wording. */

import type { Variable } from '../../autograd/variable'
import { checkOptions, checkPositiveInteger, formatShape, sameShape } from '../../check'
import type { DType } from '../../dtype'
import { checkTensor } from '../../tensor/tensor'
import { checkLengths } from '../lengths'
import type { PackedForm } from '../utils/rnn/packed-form'
import { checkPackedSequence } from '../utils/rnn/packed-sequence'
import type { RnnConfig } from './config'

/** How the rows of an input lie: padded or packed. */
export type Layout = PaddedLayout | PackedForm

/** How a padded input lies. */
export interface PaddedLayout {
  readonly steps: number
  readonly batch: number
  /** Whether the batch is the input's first dimension; never for unbatched input. */
  readonly batchFirst: boolean
  /** Whether there is a batch dimension at all. */
  readonly batched: boolean
  readonly lengths: Int32Array | null
}

/** Checked arguments. */
export interface ForwardArguments<L extends Layout = Layout> {
  readonly input: Variable
  readonly hx: Variable | null
  readonly layout: L
  /** Steps between the hidden states that are kept for the backward pass; null if all are. */
  readonly checkpointEvery: number | null
}

/**
 * Checks what `nn.RNN`'s `forward` and `vjp` take.
 *
 * @param dtype that of the weights.
 * @param allowed the options that the function has.
 */
export function checkForwardArguments(
  owner: string,
  config: RnnConfig,
  dtype: DType,
  inputArgument: unknown,
  hxArgument: unknown,
  options: unknown,
  allowed: readonly string[],
): ForwardArguments<PaddedLayout> {
  const { lengths, checkpointEvery } = checkOptions(owner, options, allowed)
  const input = checkTensor(owner, 'input', inputArgument)
  const hx = hxArgument == null ? null : checkTensor(owner, 'hx', hxArgument)
  const rank = input.shape.length
  if (rank !== 2 && rank !== 3) {
    throw new RangeError(`RNN: Expected input to be 2D or 3D, got ${rank}D tensor instead`)
  }
  const batched = rank === 3
  if (hx !== null && hx.shape.length !== rank) {
    const expected = batched ? 'For batched 3-D' : 'For unbatched 2-D'
    throw new RangeError(
      `${expected} input, hx should also be ${rank}-D but got ${hx.shape.length}-D tensor`,
    )
  }
  checkArgumentDType('RNN', dtype, 'input', input)
  checkArgumentDType('RNN', dtype, 'hx', hx)
  checkInputSize(config, input)
  const batchFirst = batched && config.batchFirst
  const [first = 0, second = 0] = input.shape
  const steps = batchFirst ? second : first
  const batch = batched ? (batchFirst ? first : second) : 1
  const hxShape = hx?.shape ?? null
  checkHiddenSize(config, rank === 2 && hxShape ? withBatch(hxShape) : hxShape, batch)
  if (steps === 0) {
    throw new RangeError('Expected sequence length to be larger than 0 in RNN')
  }
  return {
    input,
    hx,
    layout: {
      steps,
      batch,
      batchFirst,
      batched,
      lengths: lengths == null ? null : checkBatchLengths('RNN', lengths, steps, batch, batched),
    },
    checkpointEvery: checkCheckpointEvery(config, checkpointEvery),
  }
}

/**
 * Checks what `nn.RNN`'s `forward` takes with a packed input. Each sequence has its own length there, so that there
 * are no `lengths` to give.
 *
 * @param dtype that of the weights.
 */
export function checkPackedArguments(
  owner: string,
  config: RnnConfig,
  dtype: DType,
  inputArgument: unknown,
  hxArgument: unknown,
  options: unknown,
  allowed: readonly string[],
): ForwardArguments<PackedForm> {
  const { lengths, checkpointEvery } = checkOptions(owner, options, allowed)
  if (lengths != null) {
    throw new TypeError(
      `${owner}(): argument 'lengths' is for padded input, but got a PackedSequence`,
    )
  }
  const { data: input, form } = checkPackedSequence(owner, inputArgument)
  const hx = hxArgument == null ? null : checkTensor(owner, 'hx', hxArgument)
  checkArgumentDType('RNN', dtype, 'input', input)
  checkArgumentDType('RNN', dtype, 'hx', hx)
  const rank = input.shape.length
  if (rank !== 2) throw new RangeError(`input must have 2 dimensions, got ${rank}`)
  checkInputSize(config, input)
  checkHiddenSize(config, hx?.shape ?? null, form.batchSizes[0] ?? 0)
  return {
    input,
    hx,
    layout: form,
    checkpointEvery: checkCheckpointEvery(config, checkpointEvery),
  }
}

/** A number of steps, for a stack that goes forward in time. */
function checkCheckpointEvery(config: RnnConfig, value: unknown): number | null {
  if (value == null) return null
  const every = checkPositiveInteger('checkpoint_every', value)
  checkOneDirection('checkpointEvery', config)
  return every
}

/** Refuses a bidirectional module for what begins with the first step. */
export function checkOneDirection(what: string, { bidirectional }: RnnConfig): void {
  if (!bidirectional) return
  throw new RangeError(
    `${what} goes forward in time: expected a module with bidirectional=false, got bidirectional=true, whose second half begins at the end of the sequence`,
  )
}

function checkInputSize(config: RnnConfig, input: Variable): void {
  const size = input.shape.at(-1) ?? 0
  if (size !== config.inputSize) {
    throw new RangeError(
      `input.size(-1) must be equal to input_size. Expected ${config.inputSize}, got ${size}`,
    )
  }
}

/**
 * The dtype of an input or state, if there is one, is that of the weights.
 *
 * @param module whose it is, as the message names it.
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

/** hx is exactly (L·D, B, H), also with batchFirst; nothing is broadcast. */
export function checkHiddenSize(
  config: RnnConfig,
  got: readonly number[] | null,
  batch: number,
): void {
  const expected = [layersTimesDirections(config), batch, config.hiddenSize]
  if (got !== null && !sameShape(got, expected)) {
    throw new RangeError(`Expected hidden size (${expected.join(', ')}), got ${formatShape(got)}`)
  }
}

/** (L·D, H) as (L·D, 1, H). */
function withBatch([layers = 0, ...rest]: readonly number[]): number[] {
  return [layers, 1, ...rest]
}

/** L·D: the first dimension of hx and hN. */
export function layersTimesDirections(config: RnnConfig): number {
  return config.numLayers * (config.bidirectional ? 2 : 1)
}

/**
 * Lengths, which unbatched input has none of.
 *
 * @param module whose input they are of, as messages name it.
 */
export function checkBatchLengths(
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
