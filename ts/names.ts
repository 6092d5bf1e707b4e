/**
 * The names of the classes, which texts and messages show. A program's bundler may shorten the identifiers of this package,
 * but not the names of properties, from which each class gets its own here. A subclass in a program has its own name.
 */

import * as nn from './nn/index'
import { RNNStream } from './nn/recurrent/stream'
import * as optim from './optim/index'
import { IntTensor } from './tensor/int-tensor'
import { Tensor } from './tensor/tensor'

const classes = {
  ...nn,
  ...nn.utils.rnn,
  ...optim,
  ...optim.lrScheduler,
  RNNStream,
  IntTensor,
  Tensor,
}

for (const [name, value] of Object.entries(classes)) {
  if (typeof value === 'function') Object.defineProperty(value, 'name', { value: name })
}
