/**
 * The package under test: this one, or the built checkout whose folder ELMAN_PACKAGE names, to get the bits of an older
 * build with the same cases.
 */

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const {
  backendInfo,
  cat,
  exportOnnx,
  getRngState,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  serializeSafetensors,
  setNumThreads,
  stack,
  tensor,
  Tensor,
}: typeof import('@elman/rnn') = require(process.env.ELMAN_PACKAGE ?? '@elman/rnn')

// The types, under the names of the values.
export type DType = import('@elman/rnn').DType
export type Tensor<D extends DType = 'float32'> = import('@elman/rnn').Tensor<D>
