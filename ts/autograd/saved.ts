/** Values that a graph keeps for its backward pass, and the proof that they are still the same. */

import { formatShape } from '../check'
import type { DType } from '../dtype'
import type { Storage, Variable } from './variable'

/** A variable's values as they were at the time of the forward pass. */
export class Saved {
  readonly #storage: Storage
  readonly #version: number
  readonly #variable: { readonly shape: readonly number[]; readonly dtype: DType }

  constructor(variable: Variable) {
    this.#storage = variable.storage
    this.#version = variable.storage.version
    this.#variable = { shape: variable.shape, dtype: variable.dtype }
  }

  /**
   * Throws if the values have changed since.
   *
   * Changes by this package (optimizers, `loadStateDict`, `resetParameters`, …) raise the storage's version. This is
   * the one place that decides whether a saved value is still valid: a fingerprint of the values, taken in the
   * constructor and compared here, would also find what a caller wrote into `data` directly.
   *
   * @param owner the operation that kept the values.
   */
  check(owner: string): void {
    const { version } = this.#storage
    if (version === this.#version) return
    const { dtype, shape } = this.#variable
    throw new Error(
      'one of the variables needed for gradient computation has been modified by an inplace operation: ' +
        `[${dtype} ${formatShape(shape)}], kept by ${owner}, is at version ${version}; expected version ${this.#version} instead.`,
    )
  }
}
