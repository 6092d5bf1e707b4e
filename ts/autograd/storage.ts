/** Values and shapes, apart from any position on the tape. */

import { elementCount } from '../check'
import type { Floats } from '../native'

/** Values, and how often this package has changed them in place. Variables over the same values share one storage. */
export interface Storage {
  /** Replaced by a copy once, at most: see `Variable.exposed`. */
  data: Floats
  version: number
  /** Whether this package allocated the array and no program has received it yet. */
  unseen: boolean
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
