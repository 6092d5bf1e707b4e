/**
 * Sequences of different lengths: packing and padding.
 *
 * @module
 */

export {
  type PackPaddedSequenceOptions,
  type PackSequenceOptions,
  packPaddedSequence,
  packSequence,
} from './pack'
export { PackedSequence } from './packed-sequence'
export {
  type PadPackedSequenceOptions,
  type PadSequenceOptions,
  padPackedSequence,
  padSequence,
} from './pad'
