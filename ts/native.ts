/**
 * The compiled addon: every other file imports native functions and their types from here. napi writes the types
 * (index.d.ts) from the signatures and doc comments of src/.
 *
 * The arrays of one call share a dtype, are row-major and exactly as long as their shapes. Results are allocated in
 * TypeScript and written in place. The addon keeps no array after a call, except those of a stream; a task works on
 * copies.
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

/** The two passes of a `RecurrentCore`, bound once. */
export interface NativePasses {
  readonly forward: RecurrentPass
  readonly backward: RecurrentPass
}

/** The addon, typed. */
export const native = loadAddon()
