/** The native description of a batch of sequences without their lengths, kept from one call to the next. */

import { type NativeSequences, native } from '../../native'
import type { Layout, PaddedLayout } from './arguments'

/** Remembers the last shape: training and inference ask for the same one again and again. */
export class SequencesCache {
  #last: { readonly layout: PaddedLayout; readonly sequences: NativeSequences } | null = null

  /** How the rows of an input of this layout lie. */
  of(layout: Layout): NativeSequences {
    if ('batchSizes' in layout) return layout.sequences // packed sequences have their own
    if (this.#last === null || !sameShape(this.#last.layout, layout)) {
      const { steps, batch, batchFirst } = layout
      this.#last = { layout, sequences: native.Sequences.padded(steps, batch, batchFirst) }
    }
    return this.#last.sequences
  }
}

function sameShape(a: PaddedLayout, b: PaddedLayout): boolean {
  return a.steps === b.steps && a.batch === b.batch && a.batchFirst === b.batchFirst
}
