/** Values that a graph keeps for its backward pass, and the proof that they are still the same. */

import { checkIntact, formatShape } from '../check'
import { dtypeOf } from '../dtype'
import { type Floats, native } from '../native'
import type { Sized, Storage, Variable } from './variable'

/** A variable's values as they were at the time of the forward pass. */
class SavedValue {
  readonly #storage: Storage
  readonly #version: number
  readonly #sized: Sized

  constructor(variable: Variable) {
    this.#storage = variable.storage
    this.#version = variable.storage.version
    this.#sized = { shape: variable.shape, numel: variable.numel } // not the variable, which holds on to its past
  }

  /** Throws if this package has changed the values since: optimizers, `loadStateDict`, `resetParameters`, … */
  check(owner: string): void {
    const { version } = this.#storage
    if (version === this.#version) return
    const dtype = dtypeOf(this.#storage.data)
    throw new Error(
      'one of the variables needed for gradient computation has been modified by an inplace operation: ' +
        `[${dtype} ${formatShape(this.#sized.shape)}], kept by ${owner}, is at version ${version}; expected version ${this.#version} instead.`,
    )
  }

  /** The values, checked to be still there. */
  values(): Floats {
    const { data } = this.#storage
    checkIntact(data, this.#sized.numel)
    return data
  }
}

/**
 * All that one operation keeps.
 *
 * This is the one place that decides whether saved values are still valid. Changes by this package raise the version of
 * the storage. What a program writes into `data` itself raises none; it is found by a fingerprint, a hash of all
 * values, which is taken in the forward pass and compared in the backward pass.
 */
export class Saved {
  readonly #owner: string
  readonly #values: readonly SavedValue[]
  readonly #fingerprint: number | null

  /**
   * @param owner the operation that keeps the values, as messages name it.
   * @param fingerprinted whether the operation takes and compares the fingerprint itself, in the calls of the addon
   *   that it makes anyway.
   */
  constructor(owner: string, variables: readonly Variable[], fingerprinted: boolean) {
    this.#owner = owner
    this.#values = variables.map((variable) => new SavedValue(variable))
    this.#fingerprint =
      fingerprinted || variables.length === 0 ? null : native.fingerprint(this.values())
  }

  /** Throws if this package has changed the values since. Cheap: looks at versions only. */
  check(): void {
    for (const value of this.#values) value.check(this.#owner)
  }

  /** Throws if anything has been written into the values since; reads them all. */
  verify(): void {
    if (this.#fingerprint === null) return
    native.verify(this.values(), this.#fingerprint, this.#owner)
  }

  /** The values, checked to be still there. */
  values(): Floats[] {
    return this.#values.map((value) => value.values())
  }
}
