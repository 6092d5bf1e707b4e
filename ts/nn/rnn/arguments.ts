/** The checks of what a recurrent module's forward takes, in torch's order and wording. */

import { types } from 'node:util'
import type { Variable } from '../../autograd/variable'
import {
  checkIntegers,
  checkOptions,
  checkUnshared,
  describe,
  formatShape,
  sameShape,
} from '../../check'
import type { DType } from '../../dtype'
import { IntTensor, intValues } from '../../tensor/int-tensor'
import { checkTensor } from '../../tensor/tensor'
import type { RnnConfig } from './config'

/** The lengths of the sequences of a batch: one for each, in any order. */
export type Lengths = readonly number[] | Int32Array | IntTensor

/** How a padded input lies. */
export interface Layout {
  readonly steps: number
  readonly batch: number
  /** Whether the batch is the input's first dimension; never for unbatched input. */
  readonly batchFirst: boolean
  /** Whether there is a batch dimension at all. */
  readonly batched: boolean
  readonly lengths: Int32Array | null
}

/** Checked arguments. */
export interface ForwardArguments {
  readonly input: Variable
  readonly hx: Variable | null
  readonly layout: Layout
}

/**
 * Checks what `nn.RNN`'s `forward` and `vjp` take.
 *
 * @param dtype that of the weights.
 */
export function checkForwardArguments(
  owner: string,
  config: RnnConfig,
  dtype: DType,
  inputArgument: unknown,
  hxArgument: unknown,
  options: unknown,
): ForwardArguments {
  const { lengths } = checkOptions(owner, options, ['lengths'])
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
  checkDTypes(dtype, input, hx)
  const size = input.shape.at(-1) ?? 0
  if (size !== config.inputSize) {
    throw new RangeError(
      `input.size(-1) must be equal to input_size. Expected ${config.inputSize}, got ${size}`,
    )
  }
  const batchFirst = batched && config.batchFirst
  const [first = 0, second = 0] = input.shape
  const steps = batchFirst ? second : first
  const batch = batched ? (batchFirst ? first : second) : 1
  checkHiddenSize(config, hx, batch)
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
      lengths: lengths == null ? null : checkLengths(lengths, steps, batch, batched),
    },
  }
}

/** Refuses an input or state whose dtype is not that of the weights. */
export function checkDTypes(dtype: DType, input: Variable | null, hx: Variable | null): void {
  for (const [name, variable] of [['input', input] as const, ['hx', hx] as const]) {
    if (variable === null || variable.dtype === dtype) continue
    throw new TypeError(
      `RNN ${name} dtype (${variable.dtype}) does not match weight dtype (${dtype}). ` +
        `Convert ${name} to ${dtype}, or convert model: model.to('${variable.dtype}')`,
    )
  }
}

/** hx is exactly (L·D, B, H), also with batchFirst; nothing is broadcast. */
function checkHiddenSize(config: RnnConfig, hx: Variable | null, batch: number): void {
  if (hx === null) return
  const expected = [layersTimesDirections(config), batch, config.hiddenSize]
  const [layers = 0, ...rest] = hx.shape
  const got = hx.shape.length === 2 ? [layers, 1, ...rest] : [layers, ...rest]
  if (!sameShape(got, expected)) {
    throw new RangeError(`Expected hidden size (${expected.join(', ')}), got ${formatShape(got)}`)
  }
}

/** L·D: the first dimension of hx and hN. */
export function layersTimesDirections(config: RnnConfig): number {
  return config.numLayers * (config.bidirectional ? 2 : 1)
}

function checkLengths(
  lengths: unknown,
  steps: number,
  batch: number,
  batched: boolean,
): Int32Array {
  if (!batched) {
    throw new RangeError('lengths need a batch: expected input to be 3D, got 2D tensor instead')
  }
  const values = lengthList(lengths)
  if (values.length !== batch) {
    throw new RangeError(
      `Expected \`len(lengths)\` to be equal to batch_size, but got ${values.length} (batch_size=${batch})`,
    )
  }
  for (const length of values) {
    if (length <= 0) {
      throw new RangeError(
        "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
      )
    }
    if (length > steps) {
      throw new RangeError(
        `Expected every element of 'lengths' to be at most the sequence length ${steps}, got ${length}`,
      )
    }
  }
  return new Int32Array(values)
}

/** Lengths or batch sizes in any of the forms that they may come in, as integers. */
export function lengthList(lengths: unknown): readonly number[] | Int32Array {
  if (lengths instanceof IntTensor) {
    if (lengths.shape.length !== 1) {
      throw new RangeError(
        `Expected 'lengths' to be 1D, got ${lengths.shape.length}D tensor instead`,
      )
    }
    return intValues(lengths, 'lengths')
  }
  if (types.isInt32Array(lengths)) {
    checkUnshared('lengths', lengths)
    return lengths
  }
  if (!Array.isArray(lengths)) {
    throw new TypeError(
      `'lengths' should be an array of ints, an Int32Array or an IntTensor, got: ${describe(lengths)}`,
    )
  }
  return checkIntegers('RNN', 'lengths', lengths)
}
