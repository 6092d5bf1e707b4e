/** The native description of a batch of sequences without their lengths, kept from one call to the next. */

import { type NativeSequences, native } from '../../native'
import type { Layout } from './arguments'

/** Remembers the last shape: training and inference ask for the same one again and again. */
export class SequencesCache {
  #last: { readonly layout: Layout; readonly sequences: NativeSequences } | null = null

  /** How the rows of an input of this layout lie. */
  of(layout: Layout): NativeSequences {
    if (this.#last === null || !sameLayout(this.#last.layout, layout)) {
      this.#last = { layout, sequences: make(layout) }
    }
    return this.#last.sequences
  }
}

function make(layout: Layout): NativeSequences {
  if ('batchSizes' in layout) {
    return native.Sequences.packed(layout.batchSizes, layout.sortedIndices)
  }
  return native.Sequences.padded(layout.steps, layout.batch, layout.batchFirst)
}

function sameLayout(a: Layout, b: Layout): boolean {
  if ('batchSizes' in a || 'batchSizes' in b) {
    return (
      'batchSizes' in a &&
      'batchSizes' in b &&
      sameIntegers(a.batchSizes, b.batchSizes) &&
      sameIntegers(a.sortedIndices, b.sortedIndices)
    )
  }
  return a.steps === b.steps && a.batch === b.batch && a.batchFirst === b.batchFirst
}

function sameIntegers(a: Int32Array | null, b: Int32Array | null): boolean {
  if (a === null || b === null) return a === b
  if (a.length !== b.length) return false
  for (let place = 0; place < a.length; place += 1) {
    if (a[place] !== b[place]) return false
  }
  return true
}
