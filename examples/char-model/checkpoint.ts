/**
 * Saving a run and continuing it. A resumed run does exactly what the run would have done without the
 * break, so everything that it depends on is kept: weights, optimizer and random numbers by
 * `saveCheckpoint`, and with them the place in the text and the hidden state.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadCheckpoint, type optim, saveCheckpoint, tensor } from '@elman/rnn'
import { readText, withReason, writeText } from '../lib/files'
import { UserError } from '../lib/program'
import type { Cell, CharModel } from './model'
import { Mean, Run } from './run'
import type { Book } from './text'

/** The options that a run cannot change on its way (except `epochs`). */
export interface Settings {
  /** path of the text, null for Moby Dick */
  text: string | null
  epochs: number
  rate: number
  clip: number
  batch: number
  steps: number
  cell: Cell
  embedding: number
  hidden: number
  layers: number
  seed: number
}

export const settingNames = [
  ...(['text', 'epochs', 'rate', 'clip', 'batch', 'steps'] as const),
  ...(['cell', 'embedding', 'hidden', 'layers', 'seed'] as const),
] satisfies (keyof Settings)[]

/** What `extra` of the checkpoint holds. */
type Extra = {
  fingerprint: string
  run: Pick<Run, 'epoch' | 'chunk' | 'curve' | 'scores'>
  memory: { shape: number[]; data: number[] }[] | null
  epochLoss: [number, number]
  recentLoss: [number, number]
}

const checkpointFile = (folder: string) => join(folder, 'checkpoint.safetensors')
const settingsFile = (folder: string) => join(folder, 'settings.json')

/** The settings of the run in a folder. */
export function readSettings(folder: string): Settings {
  const path = settingsFile(folder)
  if (!existsSync(path) || !existsSync(checkpointFile(folder))) {
    throw new UserError(`there is no run in ${folder} to resume`)
  }
  try {
    const settings = JSON.parse(readText(path))
    if (settingNames.every((name) => name in settings)) return settings
  } catch {
    // told below
  }
  throw new UserError(`${path} is damaged`)
}

/** Where a run is kept, and its settings. */
type Place = Settings & { output: string }

/** Saves a run. */
export function saveRun(
  options: Place,
  { fingerprint }: Book,
  model: CharModel,
  optimizer: optim.Adam,
  { memory, epochLoss, recentLoss, ...run }: Run,
): void {
  const extra: Extra = {
    fingerprint,
    run,
    memory: memory?.map(({ shape, data }) => ({ shape: [...shape], data: [...data] })) ?? null,
    epochLoss: [epochLoss.total, epochLoss.count],
    recentLoss: [recentLoss.total, recentLoss.count],
  }
  const path = checkpointFile(options.output)
  withReason(`cannot write ${path}`, () => saveCheckpoint({ model, optimizer, extra }, path))
  const settings = Object.fromEntries(settingNames.map((name) => [name, options[name]]))
  writeText(settingsFile(options.output), `${JSON.stringify(settings, null, 2)}\n`)
}

/** Loads what {@link saveRun} saved: into model and optimizer, and as the run to go on with. */
export function loadRun(
  { output }: Place,
  { fingerprint }: Book,
  model: CharModel,
  optimizer: optim.Adam,
): Run {
  const extra = loadCheckpoint(checkpointFile(output), { model, optimizer }) as Extra
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
