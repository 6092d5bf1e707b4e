/** What recurrent modules are made with, and what their calls take in addition to input and states, checked. */

import { checkBoolean, checkDType, checkPositiveInteger } from '../../check'
import type { DType } from '../../dtype'
import type { Lengths } from '../lengths'
import type { PackedSequence } from '../utils/rnn/packed-sequence'
import type { RecurrentConfig } from './module'

/** The activation of a cell. */
export type Nonlinearity = 'tanh' | 'relu'

/** Options of every stack of recurrent layers. */
export interface RNNBaseOptions {
  /** How many layers are stacked, at most 65536; each reads the outputs of the one before. Default: 1. */
  numLayers?: number | undefined
  /** Whether there are biases. Default: true. */
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

/** The names of {@link RNNBaseOptions}. */
export const baseOptions: readonly string[] = [
  'numLayers',
  'bias',
  'batchFirst',
  'dropout',
  'bidirectional',
  'dtype',
]

/** What a stack is made with, its defaults filled in. */
export interface RNNBaseConfig extends RecurrentConfig {
  readonly numLayers: number
  readonly batchFirst: boolean
  readonly dropout: number
  readonly bidirectional: boolean
}

/** The most layers: each has up to ten parameters, which take memory in addition to their values. */
const maxLayers = 2 ** 16

/** Checks the options that all stacks have, in torch's order. */
export function checkBaseConfig(
  inputSize: unknown,
  hiddenSize: unknown,
  given: Readonly<Record<string, unknown>>,
): RNNBaseConfig {
  const config = {
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

/** Refuses an option that only an LSTM has. */
export function checkNoProjection(options: unknown): void {
  if (typeof options === 'object' && options !== null && 'projSize' in options) {
    throw new TypeError('proj_size argument is only supported for LSTM, not RNN or GRU')
  }
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

/** Options of `forward`; `vjp` takes `lengths`. */
export interface RNNForwardOptions {
  /**
   * How long each sequence of the batch is, in any order; what lies beyond in the input is padding and does not
   * matter. Default: all are as long as the input.
   */
  lengths?: Lengths | null | undefined
  /**
   * n: keeps only every n-th hidden state for the backward pass, which computes the others again. Gradients are the
   * same, to the last bit.
   *
   * For long sequences: between forward and backward about 1/n of what is kept otherwise is held, and a training step
   * costs up to one forward pass more. `nn.RNN` keeps the outputs of the layers below the last, (L-1)·T·B·H numbers;
   * an `nn.LSTM` 5·H numbers a row of each layer and an `nn.GRU` 4·H in addition. n about √T is a good choice; a
   * small n holds more and takes longer, since each segment of n steps is a pass of its own (a step with n = 1 may
   * take more than twice as long). The backward pass itself needs as much memory as without, and gives it back to the
   * system. With one layer of an `nn.RNN`, or where the tape does not record, there is nothing to keep. Not for
   * bidirectional modules. Default: all are kept.
   */
  checkpointEvery?: number | null | undefined
}

/** The names of {@link RNNForwardOptions}. */
export const forwardOptions: readonly string[] = ['lengths', 'checkpointEvery']

/** Options of `forwardAsync`. */
export interface RNNForwardAsyncOptions extends RNNForwardOptions {
  /** Gives the call up when it is aborted. */
  signal?: AbortSignal | null | undefined
}

/** The options that a module with these has for packed input; a teacher is packed as the input is. */
export type PackedOptions<Options> = Omit<Options, 'lengths' | 'teacher'> & {
  [Name in Extract<keyof Options, 'teacher'>]?: PackedSequence | null | undefined
}
