/** Values and shapes, apart from any position on the tape. */

import { elementCount } from '../check'
import { sharesBuffer } from '../dtype'
import type { Floats } from '../native'

/**
 * Values, and how often this package has changed them in place. Variables over the same values share one storage.
 *
 * What is not private in a storage and in a variable is what tools see of a tensor, and what equality compares.
 */
export class Storage {
  /** Replaced by a copy once, at most: see {@link exposed}. */
  data: Floats
  #version = 0
  /** Whether this package allocated the array and no program has received it yet. */
  #unseen: boolean

  constructor(data: Floats, unseen: boolean) {
    this.data = data
    this.#unseen = unseen
  }

  /** How often this package has changed the values in place. */
  get version(): number {
    return this.#version
  }

  /** Counts a change in place. */
  changes(): void {
    this.#version += 1
  }

  /** The values for a program: see `Variable.exposed`. */
  exposed(): Floats {
    if (this.#unseen) {
      if (sharesBuffer(this.data)) this.data = this.data.slice()
      this.#unseen = false
    }
    return this.data
  }
}

/** An immutable shape and its number of elements. A variable is one itself. */
export interface Sized {
  readonly shape: readonly number[]
  readonly numel: number
}

/** A copy of `shape`, counted. */
export function sized(shape: readonly number[]): Sized {
  return { shape: Object.freeze([...shape]), numel: elementCount(shape) }
}

/** Values with a shape. */
export interface Stored extends Sized {
  readonly storage: Storage
}
