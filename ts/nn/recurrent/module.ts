/** The native stacks of a module, one for each dtype. */

import type { DType } from '../../dtype'
import { type NativeRnnCore, native } from '../../native'
import type { RnnConfig } from './config'

/** Makes a native stack when it is first needed, since `to` may change a module's dtype. */
export class Cores {
  readonly #config: Omit<RnnConfig, 'dtype'>
  readonly #made = new Map<DType, NativeRnnCore>()

  constructor(config: Omit<RnnConfig, 'dtype'>) {
    this.#config = config
  }

  /** The stack for parameters of this dtype. */
  of(dtype: DType): NativeRnnCore {
    const made = this.#made.get(dtype)
    if (made !== undefined) return made
    const { inputSize, hiddenSize, numLayers, nonlinearity, bias, bidirectional } = this.#config
    const core = new native.RnnCore(
      inputSize,
      hiddenSize,
      numLayers,
      nonlinearity,
      bias,
      bidirectional,
      dtype,
    )
    this.#made.set(dtype, core)
    return core
  }
}
