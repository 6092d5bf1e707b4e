/**
 * The one door to the compiled addon: every other file takes its native functions, and their types, from here. napi
 * writes the types (index.d.ts) from the signatures and doc comments of src/.
 *
 * All arrays of one call have the same dtype, are row-major and exactly as long as their shapes say; results are
 * allocated on this side and written in place. The addon keeps none of the arrays, except for those of a stream; a task
 * works on copies.
 */

import type { RecurrentPass } from '../index.js'
import { loadAddon } from './addon'

export type {
  FileEntry,
  Floats,
  Generator as NativeGenerator,
  RecurrentCore as NativeRecurrentCore,
  Sequences as NativeSequences,
} from '../index.js'

/** The two functions of a `RecurrentCore`, each made once. */
export interface NativePasses {
  readonly forward: RecurrentPass
  readonly backward: RecurrentPass
}

/** The addon, typed. */
export const native = loadAddon()
