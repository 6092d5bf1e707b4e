/** What denormal numbers cost: a network on numbers of ordinary size, on denormal ones, and on these with `setFlushDenormal`. */

import { noGrad, randn, setFlushDenormal, setNumThreads } from '@elman/rnn'
import type { Prepared } from '../contenders/contender'
import { makeRecurrent, stateOf } from '../contenders/ours'
import { cellFacts, type Shape, shape, shapeName, type Task, withCell } from '../lib/shape'
import { timed } from '../lib/timed'
import { takeTurns } from '../lib/turns'
import type { DenormalsResult } from '../report/results'
import { milliseconds, ratio } from '../report/table'
import type { Bench } from './bench'

/** Below the smallest normal float32, 2^-126. */
const denormal = 2 ** -130

const defaults: readonly Shape[] = [shape(1, 1, 64, 64), shape(50, 16, 32, 64)]

export async function runDenormals({ options, results, save }: Bench): Promise<void> {
  const found: DenormalsResult[] = []
  results.denormals = found
  setNumThreads(1)
  const shapes = options.shapesGiven ? options.shapes : defaults
  for (const one of shapes.map((shape) => withCell(shape, options.cell))) {
    for (const task of ['step', 'forward'] as const) {
      const contenders = [
        preparedOf(callOf(one, task, 1), false),
        preparedOf(callOf(one, task, denormal), false),
        preparedOf(callOf(one, task, denormal), true),
      ]
      const effort = { seconds: options.seconds, turns: 8, repeats: 5 }
      const timings = await takeTurns(contenders, effort)
      const [normal = Number.NaN, denormals = Number.NaN, flushed = Number.NaN] = timings.map(
        ({ median }) => median,
      )
      found.push({ shape: one, task, normal, denormal: denormals, flushed })
      const times = `${milliseconds(denormals)} (${ratio(denormals / normal)} ×), flushed ${milliseconds(flushed)}`
      console.log(`${shapeName(one)} ${task}: ${milliseconds(normal)}, with denormals ${times}`)
    }
    save()
  }
}

/** A network without biases, whose input, states and upstream gradient are of size `scale`; so all its sums are. */
function callOf(one: Shape, task: Task, scale: number): () => void {
  const { T, B, I, H, L, D, cell } = one
  const rnn = makeRecurrent(cell, I, H, { numLayers: L, bidirectional: D === 2 })
  for (const [name, { data }] of rnn.namedParameters()) if (name.startsWith('bias')) data.fill(0)
  const numbers = (shape: number[]) => randn(shape).mul(scale)
  const [input, gradient] = [numbers([T, B, I]), numbers([T, B, D * H])]
  const hx = stateOf(cellFacts[cell].states.map(() => numbers([L * D, B, H])))
  return () => {
    if (task === 'step') rnn.vjp(input, hx).pullback(gradient, null)
    else noGrad(() => rnn.forward(input, hx))
  }
}

function preparedOf(call: () => void, flush: boolean): Prepared {
  return {
    probe: {},
    async sample(calls, samples) {
      setFlushDenormal(flush)
      try {
        return await timed(call, calls, samples)
      } finally {
        setFlushDenormal(false)
      }
    },
    dispose() {},
  }
}
