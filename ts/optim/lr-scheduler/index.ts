/**
 * Learning rate schedules, which change the learning rates of an optimizer over the epochs.
 *
 * @module
 */

export {
  CosineAnnealingLR,
  type CosineAnnealingLROptions,
  type CosineAnnealingLRSettings,
} from './cosine-annealing-lr'
export type { EpochScheduler, EpochState } from './epoch-scheduler'
export {
  type PlateauState,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
} from './reduce-lr-on-plateau'
export type { AnyOptimizer, LRScheduler } from './scheduler'
export { StepLR, type StepLROptions, type StepLRSettings } from './step-lr'
