/** What a module works out from the sizes of an input, kept from one call to the next. */

import { type NativeSequences, native } from '../../native'
import type { PaddedLayout } from './arguments'

/** Remembers what was made for the last sizes: training and inference ask for the same ones again and again. */
export class LayoutCache<Made> {
  readonly #make: (sequences: NativeSequences, layout: PaddedLayout) => Made
  #last: { readonly layout: PaddedLayout; readonly made: Made } | null = null

  /** @param make from how the rows of an input lie; it must not read the `lengths` of the layout. */
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
