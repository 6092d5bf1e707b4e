/** Schedules of any class. */

import { optim } from '@elman/rnn'

const { CosineAnnealingLR, ReduceLROnPlateau, StepLR } = optim.lrScheduler

/** A schedule of any class. */
export type AnyScheduler = InstanceType<
  typeof ReduceLROnPlateau | typeof StepLR | typeof CosineAnnealingLR
>

/** Ends an epoch; only some schedules take its metric. */
export function endEpoch(scheduler: AnyScheduler, metric: number): void {
  if (scheduler instanceof ReduceLROnPlateau) scheduler.step(metric)
  else scheduler.step()
}
