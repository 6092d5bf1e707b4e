/** Values that the tape saves for a backward pass, and the check that they have not changed. */

import { checkIntact, formatShape } from '../check'
import { dtypeOf } from '../dtype'
import { type Floats, native } from '../native'
import type { Sized, Storage, Stored } from './storage'

/** What torch says where saved values have changed. */
const modified =
  'one of the variables needed for gradient computation has been modified by an inplace operation: '

/** The message where a write of a program has changed values that an operation has kept. */
export function changedMessage(owner: string): string {
  return `${modified}something was written into the data of a tensor that ${owner} has kept since its forward pass`
}

/** A variable's values, with their version at the time of the forward pass. */
class SavedValue {
  readonly #storage: Storage
  readonly #version: number
  readonly #sized: Sized

  constructor({ storage, shape, numel }: Stored) {
    this.#storage = storage
    this.#version = storage.version
    this.#sized = { shape, numel } // not the variable, which keeps its graph alive
  }

  /** Throws if this package has changed the values since: optimizers, `loadStateDict`, `resetParameters`, … */
  check(owner: string): void {
    const { version } = this.#storage
    if (version === this.#version) return
    const dtype = dtypeOf(this.#storage.data)
    throw new Error(
      `${modified}[${dtype} ${formatShape(this.#sized.shape)}], kept by ${owner}, is at version ${version}; expected version ${this.#version} instead.`,
    )
  }

  /** The values; an error if their buffer was detached or resized. */
  values(): Floats {
    const { data } = this.#storage
    checkIntact(data, this.#sized.numel)
    return data
  }
}

/**
 * The saved values of one operation.
 *
 * Two checks find changes. Changes by this package raise the version of the storage. Writes of a program into `data` do
 * not, but they change the fingerprint: a hash of all values, taken in the forward pass and compared in the backward
 * pass.
 */
export class Saved {
  readonly #owner: string
  readonly #values: readonly SavedValue[]
  readonly #fingerprint: number | null

  /**
   * @param owner the operation that keeps the values, as messages name it.
   * @param fingerprinted whether the operation takes and compares the fingerprint itself, as part of its calls of the
   *   addon.
   */
  constructor(owner: string, variables: readonly Stored[], fingerprinted: boolean) {
    this.#owner = owner
    this.#values = variables.map((variable) => new SavedValue(variable))
    this.#fingerprint =
      fingerprinted || variables.length === 0 ? null : native.fingerprint(this.values())
  }

  /** Throws if this package has changed the values since. Cheap: it compares versions only. */
  check(): void {
    for (const value of this.#values) value.check(this.#owner)
  }

  /** Throws if any of the values has changed since. Reads all of them. */
  verify(): void {
    if (this.#fingerprint === null) return
    native.verify(this.values(), this.#fingerprint, changedMessage(this.#owner))
  }

  /** The values; an error if their buffer was detached or resized. */
  values(): Floats[] {
    return this.#values.map((value) => value.values())
  }
}
