/**
 * Helpers for training.
 *
 * @module
 */

export { type ClipGradNormOptions, clipGradNorm_, clipGradValue_ } from './clip-grad'
export * as rnn from './rnn/index'
