/** Optimizers: they change parameters from their gradients. */

export { Adam, type AdamOptions } from './adam'
export type { OptimizerParameters, ParamGroup, PartialOptions } from './groups'
export type { Optimizer } from './optimizer'
export { SGD, type SGDOptions } from './sgd'
export type { OptimizerStateDict } from './state'
