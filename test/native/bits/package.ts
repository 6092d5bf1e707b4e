/**
 * The package that is looked at: this one, or the built checkout whose folder ELMAN_PACKAGE names, so that an older build
 * can be asked for its bits with the same cases.
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
export type Tensor = import('@elman/rnn').Tensor
export type DType = import('@elman/rnn').DType
