/** The options of recurrent modules and of their calls, with their checks. */

import { checkBoolean, checkDType, checkPositiveInteger } from '../../check'
import type { DType } from '../../dtype'
import { pythonNumber } from '../../python'
import type { Lengths } from '../lengths'
import type { PackedSequence } from '../utils/rnn/packed-sequence'
import type { RecurrentConfig } from './module'

/** The activation of a cell. */
export type Nonlinearity = 'tanh' | 'relu'

/** Options of every stack of recurrent layers. */
export interface RNNBaseOptions<
  D extends DType = 'float32',
  Layers extends number = number,
  Bias extends boolean = boolean,
  Bidirectional extends boolean = boolean,
> {
  /** How many layers are stacked, at most 65536; each reads the output of the one before. Default: 1. */
  numLayers?: Layers | undefined
  /** Whether there are biases. Default: true. */
  bias?: Bias | undefined
  /** Whether input and output are (B, T, …) instead of (T, B, …). Default: false. */
  batchFirst?: boolean | undefined
  /** Probability of dropout, in training, on the output of each layer except the last. Default: 0. */
  dropout?: number | undefined
  /** Whether each layer also runs in the reverse direction. Default: false. */
  bidirectional?: Bidirectional | undefined
  /** Default: `'float32'`. */
  dtype?: D | undefined
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

/** The options of a stack, with defaults. */
export interface RNNBaseConfig extends RecurrentConfig {
  readonly numLayers: number
  readonly batchFirst: boolean
  readonly dropout: number
  readonly bidirectional: boolean
}

/** The largest number of layers: each has up to ten parameters, whose objects need memory too. */
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
        `num_layers greater than 1, but got dropout=${pythonNumber(config.dropout)} and num_layers=1`,
    )
  }
  return config
}

/** Refuses `projSize`, which only an LSTM has. */
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

/** A probability; torch has one message for all other values. */
export function checkDropout(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw new RangeError(
    'dropout should be a number in range [0, 1] representing the probability of an element being zeroed',
  )
}

/** Options of `forward`; `vjp` takes `lengths`. */
export interface RNNForwardOptions {
  /**
   * The length of each sequence of the batch, in any order. Input beyond it is padding and has no effect. Default: T
   * for all.
   */
  lengths?: Lengths | null | undefined
  /**
   * Gradient checkpointing: n, to keep only every n-th state; the backward pass recomputes the others. Gradients are
   * the same, to the last bit.
   *
   * It saves memory with long sequences: between forward and backward, about 1/n of what is otherwise kept is held. A
   * training step costs up to one more forward pass. Without checkpointing, `nn.RNN` keeps the outputs of the layers
   * below the last, (L-1)·T·B·H numbers; an `nn.LSTM` keeps 5·H more numbers for each row of each layer, an `nn.GRU`
   * 4·H. Choose n near √T: a small n holds more and is slower, since each segment of n steps is a pass of its own (a
   * step with n = 1 may take more than twice as long). The backward pass itself needs as much memory as without
   * checkpointing, and returns it to the system. With one layer of an `nn.RNN`, or if the tape does not record, there
   * is nothing to save. Not for bidirectional modules. Default: all are kept.
   */
  checkpointEvery?: number | null | undefined
}

/** The names of {@link RNNForwardOptions}. */
export const forwardOptions: readonly string[] = ['lengths', 'checkpointEvery']

/** Options of `forwardAsync`. */
export interface RNNForwardAsyncOptions extends RNNForwardOptions {
  /** Cancels the call when it is aborted. */
  signal?: AbortSignal | null | undefined
}

/** The options of a call with packed input, for a module with these; a teacher is packed like the input. */
export type PackedOptions<Options, D extends DType = 'float32'> = Omit<
  Options,
  'lengths' | 'teacher'
> & {
  [Name in Extract<keyof Options, 'teacher'>]?: PackedSequence<D> | null | undefined
}
