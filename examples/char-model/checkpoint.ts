/**
 * What a checkpoint holds in addition to weights, optimizer and random numbers, so that a resumed run does exactly what
 * it would have done without the break: the place in the text, the hidden state, and the curves so far.
 */

import { tensor } from '@elman/rnn'
import { UserError } from '../lib/program'
import type { Parts, SavedRun } from '../lib/saved-run'
import { Mean, Run } from './run'
import type { Book } from './text'

type Extra = {
  fingerprint: string
  run: Pick<Run, 'epoch' | 'chunk' | 'curve' | 'scores'>
  memory: { shape: number[]; data: number[] }[] | null
  epochLoss: [number, number]
  recentLoss: [number, number]
}

/** Saves a run. */
export function saveRun(
  saved: SavedRun,
  { fingerprint }: Book,
  parts: Parts,
  { memory, epochLoss, recentLoss, ...run }: Run,
): void {
  const extra: Extra = {
    fingerprint,
    run,
    memory: memory?.map(({ shape, data }) => ({ shape: [...shape], data: [...data] })) ?? null,
    epochLoss: [epochLoss.total, epochLoss.count],
    recentLoss: [recentLoss.total, recentLoss.count],
  }
  saved.save(parts, extra)
}

/** Loads what {@link saveRun} saved, if the run is resumed: into the parts, and as the run to go on with. */
export function loadRun(saved: SavedRun, { fingerprint }: Book, parts: Parts): Run {
  const extra = saved.load(parts) as Extra | undefined
  if (extra === undefined) return new Run()
  if (extra.fingerprint !== fingerprint) {
    throw new UserError('the text has changed since the run stopped, so the run cannot be resumed')
  }
  const { memory, epochLoss, recentLoss, run } = extra
  return Object.assign(new Run(), run, {
    memory: memory?.map(({ shape, data }) => tensor(Float32Array.from(data), { shape })) ?? null,
    epochLoss: new Mean(...epochLoss),
    recentLoss: new Mean(...recentLoss),
  })
}
