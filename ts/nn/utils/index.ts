/** Helpers for training. */

export { type ClipGradNormOptions, clipGradNorm_ } from './clip-grad'
