/** A cache of what a module derives from the sizes of an input. */

import { type NativeSequences, native } from '../../native'
import type { PaddedLayout } from './arguments'

/** A cache of one entry, for the last sizes: consecutive calls mostly have the same ones. */
export class LayoutCache<Made> {
  readonly #make: (sequences: NativeSequences, layout: PaddedLayout) => Made
  #last: { readonly layout: PaddedLayout; readonly made: Made } | null = null

  /** @param make creates an entry; it must not read the `lengths` of the layout. */
  constructor(make: (sequences: NativeSequences, layout: PaddedLayout) => Made) {
    this.#make = make
  }

  of(layout: PaddedLayout): Made {
    if (this.#last === null || !sameSizes(this.#last.layout, layout)) {
      const { steps, batch, batchFirst } = layout
      const sequences = native.Sequences.padded(steps, batch, batchFirst)
      this.#last = { layout, made: this.#make(sequences, layout) }
    }
    return this.#last.made
  }
}

function sameSizes(a: PaddedLayout, b: PaddedLayout): boolean {
  return (
    a.steps === b.steps &&
    a.batch === b.batch &&
    a.batchFirst === b.batchFirst &&
    a.batched === b.batched
  )
}
