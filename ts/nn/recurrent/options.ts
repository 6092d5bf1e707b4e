/** What a recurrent module is made with, checked. */

import { checkBoolean, checkDType, checkOptions, checkPositiveInteger } from '../../check'
import type { DType } from '../../dtype'

/** The activation of a cell. */
export type Nonlinearity = 'tanh' | 'relu'

/** Options of {@link RNN}. */
export interface RNNOptions {
  /** How many layers are stacked, at most 65536; each reads the outputs of the one before. Default: 1. */
  numLayers?: number | undefined
  /** `'tanh'` or `'relu'`. Default: `'tanh'`. */
  nonlinearity?: Nonlinearity | undefined
  /** Whether there are `bias_ih` and `bias_hh`. Default: true. */
  bias?: boolean | undefined
  /** Whether input and output are (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** Probability with which, in training, an element of each layer's output but the last's becomes 0. Default: 0. */
  dropout?: number | undefined
  /** Whether each layer has a second half that reads the sequence from its end. Default: false. */
  bidirectional?: boolean | undefined
  /** Default: `'float32'`. */
  dtype?: DType | undefined
}

/** The options with their defaults filled in, and the sizes. */
export interface RnnConfig {
  readonly inputSize: number
  readonly hiddenSize: number
  readonly numLayers: number
  readonly nonlinearity: Nonlinearity
  readonly bias: boolean
  readonly batchFirst: boolean
  readonly dropout: number
  readonly bidirectional: boolean
  readonly dtype: DType
}

/** The most layers: each has up to eight parameters, which take memory beside that of their values. */
const maxLayers = 2 ** 16

const optionNames = [
  'numLayers',
  'nonlinearity',
  'bias',
  'batchFirst',
  'dropout',
  'bidirectional',
  'dtype',
]

/** Checks what `nn.RNN` is made with, in torch's order. */
export function checkRnnConfig(
  inputSize: unknown,
  hiddenSize: unknown,
  options: unknown,
): RnnConfig {
  if (typeof options === 'object' && options !== null && 'projSize' in options) {
    throw new TypeError('proj_size argument is only supported for LSTM, not RNN or GRU')
  }
  const given = checkOptions('RNN', options, optionNames)
  const config = {
    nonlinearity: checkNonlinearity(given.nonlinearity ?? 'tanh'),
    dropout: checkDropout(given.dropout ?? 0),
    bias: checkBoolean('bias', given.bias ?? true),
    batchFirst: checkBoolean('batch_first', given.batchFirst ?? false),
    bidirectional: checkBoolean('bidirectional', given.bidirectional ?? false),
    inputSize: checkPositiveInteger('input_size', inputSize),
    hiddenSize: checkPositiveInteger('hidden_size', hiddenSize),
    numLayers: checkNumLayers(given.numLayers ?? 1),
    dtype: checkDType(given.dtype ?? 'float32'),
  }
  if (config.dropout > 0 && config.numLayers === 1) {
    process.emitWarning(
      'dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects ' +
        `num_layers greater than 1, but got dropout=${config.dropout} and num_layers=1`,
    )
  }
  return config
}

function checkNumLayers(value: unknown): number {
  const layers = checkPositiveInteger('num_layers', value)
  if (layers > maxLayers) {
    throw new RangeError(`num_layers must be at most ${maxLayers}, got: ${layers}`)
  }
  return layers
}

/** Exactly `'tanh'` or `'relu'`. */
export function checkNonlinearity(value: unknown): Nonlinearity {
  if (value === 'tanh' || value === 'relu') return value
  throw new RangeError(`Unknown nonlinearity '${String(value)}'. Select from 'tanh' or 'relu'.`)
}

/** A probability; of all kinds that are none, torch says the same. */
export function checkDropout(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw new RangeError(
    'dropout should be a number in range [0, 1] representing the probability of an element being zeroed',
  )
}
