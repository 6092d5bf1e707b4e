/** Modules, losses and helpers for training. */

export type { Reduction } from '../ops/loss'
export { BCEWithLogitsLoss } from './bce-with-logits-loss'
export { CrossEntropyLoss, type CrossEntropyLossOptions } from './cross-entropy-loss'
export { Dropout } from './dropout'
export { Embedding, type EmbeddingOptions } from './embedding'
export {
  JordanRNN,
  type JordanRNNForwardOptions,
  type JordanRNNOptions,
  type OutputNonlinearity,
} from './jordan-rnn'
export { L1Loss } from './l1-loss'
export type { Lengths } from './lengths'
export { Linear, type LinearOptions } from './linear'
export { Module } from './module'
export { MSELoss } from './mse-loss'
export type { PointwiseLossOptions } from './pointwise-loss'
export { RNNCell, type RNNCellOptions } from './rnn/cell'
export type { Nonlinearity, RNNOptions } from './rnn/config'
export type { RNNForwardAsyncOptions, RNNForwardOptions } from './rnn/forward-options'
export type { RNNParameterName } from './rnn/parameters'
export { RNN } from './rnn/rnn'
export type { RNNStream, RNNStreamOptions } from './rnn/stream'
export type { RNNGradients, RNNVjp } from './rnn/vjp'
export type { IncompatibleKeys } from './state-dict'
export * as utils from './utils/index'
