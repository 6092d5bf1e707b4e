/** What gates cost: a training step and a forward pass of nn.RNN, nn.GRU and nn.LSTM at one shape, in turns. */

import { type Contender, type Prepared, Refusal, type Settings } from '../contenders/contender'
import { openProcess } from '../contenders/index'
import {
  type Cell,
  cellFacts,
  cells,
  type Shape,
  shape,
  shapeName,
  type Task,
  withCell,
} from '../lib/shape'
import { takeTurns } from '../lib/turns'
import type { GatesResult } from '../report/results'
import { milliseconds, ratio } from '../report/table'
import type { Bench } from './bench'

/** Large enough that arithmetic takes the time; then a small one. */
const defaults: readonly Shape[] = [shape(128, 64, 512, 512), shape(50, 16, 32, 64)]

type Form = Omit<Contender, 'name'>

export async function runGates({ options, results, save }: Bench): Promise<void> {
  const shapes = options.shapesGiven ? options.shapes : options.quick ? defaults.slice(1) : defaults
  const found: GatesResult[] = []
  results.gates = found
  const opened = new Map<Cell, Form>()
  try {
    for (const cell of cells) opened.set(cell, await open(options))
    for (const one of shapes) {
      for (const threads of options.threads) {
        for (const task of ['step', 'forward'] as const) {
          const prepared: Prepared[] = []
          for (const [cell, form] of opened) {
            const work = { task, shape: withCell(one, cell), dtype: 'float32', threads } as const
            const ready = await form.prepare(work)
            if (ready instanceof Refusal) throw new Error(ready.reason)
            prepared.push(ready)
          }
          const effort = { seconds: options.seconds, turns: 8, repeats: 5 }
          const timings = await takeTurns(prepared, effort)
          for (const { dispose } of prepared) await dispose()
          const [rnn = Number.NaN, gru = Number.NaN, lstm = Number.NaN] = timings.map(
            ({ median }) => median,
          )
          const result: GatesResult = { shape: one, task, threads, rnn, gru, lstm }
          found.push(result)
          console.log(summary(result, task))
        }
      }
      save()
    }
  } finally {
    for (const form of opened.values()) form.close()
  }
}

/** This package in a process of its own, so that no cell computes in another's garbage. */
async function open({ python, patience }: Settings): Promise<Form> {
  const opened = await openProcess('ours', { python, patience })
  if (opened instanceof Refusal) throw new Error(opened.reason)
  return opened
}

function summary(result: GatesResult, task: Task): string {
  const times = cells.map(
    (cell) =>
      `${cellFacts[cell].title} ${milliseconds(result[cell])} (${ratio(result[cell] / result.rnn)} ×)`,
  )
  return `${shapeName(result.shape)} ${task}, ${result.threads} thr.: ${times.join(', ')}`
}
