/**
 * Recurrent neural networks for Node.js, with the semantics of torch's `nn.RNN`, `nn.LSTM` and `nn.GRU`, trained and run in
 * Rust.
 *
 * @module @elman/rnn
 */

import './names'

export { type CallPromise, type NoGradResult, noGrad } from './autograd/grad-mode'
export type { ByteArray, DType, FloatArrays, IntArray } from './dtype'
export {
  type CheckpointSources,
  type CheckpointTargets,
  type Json,
  loadCheckpoint,
  saveCheckpoint,
} from './files/checkpoint'
export { type ExportOnnxOptions, exportOnnx } from './files/onnx'
export {
  type AnyTensor,
  deserializeSafetensors,
  loadSafetensors,
  type SafetensorsOptions,
  saveSafetensors,
  serializeSafetensors,
} from './files/safetensors'
export * as nn from './nn/index'
export * as optim from './optim/index'
export { getRngState, manualSeed, setRngState } from './random'
export {
  type BackendInfo,
  backendInfo,
  getNumThreads,
  setFlushDenormal,
  setNumThreads,
} from './runtime'
export {
  type FillOptions,
  type IntTensorOptions,
  ones,
  rand,
  randn,
  type TensorOptions,
  type TensorValues,
  tensor,
  zeros,
} from './tensor/create'
export type { IntTensor } from './tensor/int-tensor'
export { cat, stack } from './tensor/join'
export type { Nested, NestedArray, NestedNumber } from './tensor/nested'
export { Tensor } from './tensor/tensor'
export type { TensorJson } from './tools'
