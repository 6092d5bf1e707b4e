/**
 * The order of the API pages: what each module exports, and what a tensor can do, by topic. The names are in the
 * order of the pages. An export that is not here is an error of `npm run docs`.
 *
 * @type {Record<string, Record<string, string>>} full name of a module or class → topic → names in it
 */
export const topics = {
  '@elman/rnn': {
    'Networks and training': 'nn optim',
    Tensors:
      'Tensor IntTensor AnyTensor tensor zeros ones rand randn cat stack DType FloatArrays IntArray ByteArray Nested ' +
      'NestedNumber NestedArray TensorValues TensorOptions IntTensorOptions FillOptions TensorJson',
    Gradients: 'noGrad CallPromise NoGradResult',
    'Random numbers': 'manualSeed getRngState setRngState',
    Files:
      'saveCheckpoint loadCheckpoint CheckpointSources CheckpointTargets saveSafetensors loadSafetensors ' +
      'serializeSafetensors deserializeSafetensors SafetensorsOptions exportOnnx ExportOnnxOptions Json',
    Runtime: 'backendInfo BackendInfo getNumThreads setNumThreads setFlushDenormal',
  },
  '@elman/rnn.Tensor': {
    Values: 'shape dtype numel data item toArray clone toString toJSON [toPrimitive]',
    Arithmetic: 'add mul sum mean tanh relu sigmoid',
    Shape: 'reshape transpose select narrow',
    Gradients: 'requiresGrad grad backward backwardAsync detach',
  },
  '@elman/rnn.nn': {
    'Recurrent layers': 'RNN LSTM GRU JordanRNN RNNBase',
    'Recurrent cells': 'RNNCell LSTMCell GRUCell RNNCellBase',
    'Other layers': 'Linear Embedding Dropout',
    Losses: 'CrossEntropyLoss MSELoss L1Loss BCEWithLogitsLoss',
    'Models of your own': 'Module IncompatibleKeys',
    'Helpers for training': 'utils',
    'What recurrent layers take and give':
      'Lengths LSTMState RNNForwardOptions RNNForwardAsyncOptions JordanRNNForwardOptions PackedOptions RNNStream ' +
      'RNNStreamOptions RNNVjp RNNGradients GradientsOf StateGradients',
    Options:
      'RNNOptions LSTMOptions GRUOptions JordanRNNOptions RNNBaseOptions RNNCellOptions LSTMCellOptions ' +
      'GRUCellOptions RNNCellBaseOptions LinearOptions EmbeddingOptions CrossEntropyLossOptions ' +
      'PointwiseLossOptions Nonlinearity OutputNonlinearity Reduction RNNParameterName LSTMParameterName ' +
      'GRUParameterName ParameterName',
  },
  '@elman/rnn.nn.utils': {
    'Clipping of gradients': 'clipGradNorm_ clipGradValue_ ClipGradNormOptions',
    'Sequences of different lengths': 'rnn',
  },
  '@elman/rnn.nn.utils.rnn': {
    'Packed sequences':
      'PackedSequence packPaddedSequence padPackedSequence packSequence PackPaddedSequenceOptions ' +
      'PadPackedSequenceOptions PackSequenceOptions',
    Padding: 'padSequence PadSequenceOptions',
  },
  '@elman/rnn.optim': {
    Optimizers: 'SGD Adam AdamW RMSprop Optimizer',
    'Learning rate schedules': 'lrScheduler',
    'Options and parameter groups':
      'SGDOptions AdamOptions RMSpropOptions OptimizerParameters ParamGroup PartialOptions OptimizerStateDict',
  },
  '@elman/rnn.optim.lrScheduler': {
    Schedules: 'StepLR CosineAnnealingLR ReduceLROnPlateau',
    'What schedules share': 'LRScheduler EpochScheduler AnyOptimizer',
    'Options and state':
      'StepLROptions CosineAnnealingLROptions ReduceLROnPlateauOptions StepLRSettings CosineAnnealingLRSettings ' +
      'EpochState PlateauState',
  },
}
