/**
 * Optimizers, which update parameters from their gradients, and learning rate schedules.
 *
 * @module
 */

export { Adam, type AdamOptions } from './adam'
export { AdamW } from './adamw'
export type { OptimizerParameters, ParamGroup, PartialOptions } from './groups'
export * as lrScheduler from './lr-scheduler/index'
export type { Optimizer } from './optimizer'
export { RMSprop, type RMSpropOptions } from './rmsprop'
export { SGD, type SGDOptions } from './sgd'
export type { OptimizerStateDict } from './state'
