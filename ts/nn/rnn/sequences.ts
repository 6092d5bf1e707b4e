/** The native description of a batch of sequences, kept from one call to the next. */

import { type NativeSequences, native } from '../../native'
import type { Layout } from './arguments'

/** Remembers the last shape: training and inference ask for the same one again and again. */
export class SequencesCache {
  #last: { readonly layout: Layout; readonly sequences: NativeSequences } | null = null

  /** How the rows of a padded input of this layout lie. */
  padded(layout: Layout): NativeSequences {
    if (this.#last === null || !sameLayout(this.#last.layout, layout)) {
      const { steps, batch, batchFirst, lengths } = layout
      this.#last = {
        layout,
        sequences: native.Sequences.padded(steps, batch, batchFirst, lengths),
      }
    }
    return this.#last.sequences
  }
}

function sameLayout(a: Layout, b: Layout): boolean {
  return (
    a.steps === b.steps &&
    a.batch === b.batch &&
    a.batchFirst === b.batchFirst &&
    sameLengths(a.lengths, b.lengths)
  )
}

function sameLengths(a: Int32Array | null, b: Int32Array | null): boolean {
  if (a === null || b === null) return a === b
  return a.length === b.length && a.every((length, row) => length === b[row])
}
