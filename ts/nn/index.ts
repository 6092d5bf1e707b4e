/**
 * Modules, losses and helpers for training.
 *
 * @module
 */

export type { Reduction } from '../ops/loss'
export { BCEWithLogitsLoss } from './bce-with-logits-loss'
export { CrossEntropyLoss, type CrossEntropyLossOptions } from './cross-entropy-loss'
export { Dropout } from './dropout'
export { Embedding, type EmbeddingOptions } from './embedding'
export { L1Loss } from './l1-loss'
export type { Lengths } from './lengths'
export { Linear, type LinearOptions } from './linear'
export { Module } from './module'
export { MSELoss } from './mse-loss'
export type { PointwiseLossOptions } from './pointwise-loss'
export type { GradientsOf, RNNBase } from './recurrent/base'
export type { RNNCellBase, RNNCellBaseOptions } from './recurrent/cell-base'
export { GRU, type GRUOptions, type GRUParameterName } from './recurrent/gru'
export { GRUCell, type GRUCellOptions } from './recurrent/gru-cell'
export {
  JordanRNN,
  type JordanRNNForwardOptions,
  type JordanRNNOptions,
  type OutputNonlinearity,
} from './recurrent/jordan'
export { LSTM, type LSTMOptions, type LSTMParameterName } from './recurrent/lstm'
export { LSTMCell, type LSTMCellOptions } from './recurrent/lstm-cell'
export type {
  Nonlinearity,
  PackedOptions,
  RNNBaseOptions,
  RNNForwardAsyncOptions,
  RNNForwardOptions,
} from './recurrent/options'
export type { ParameterName } from './recurrent/parameters'
export { RNN, type RNNOptions, type RNNParameterName } from './recurrent/rnn'
export { RNNCell, type RNNCellOptions } from './recurrent/rnn-cell'
export type { LSTMState, StateGradients } from './recurrent/states'
export type { RNNStream, RNNStreamOptions } from './recurrent/stream'
export type { RNNGradients, RNNVjp } from './recurrent/vjp'
export type { IncompatibleKeys } from './state-dict'
export * as utils from './utils/index'
