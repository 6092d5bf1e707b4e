/** What denormal numbers cost: an nn.RNN on states of ordinary size, on denormal ones, and on these with `setFlushDenormal`. */

import { nn, noGrad, ones, setFlushDenormal, setNumThreads, type Tensor, zeros } from '@elman/rnn'
import type { Prepared } from '../contenders/contender'
import { type Shape, shape, shapeName } from '../lib/shape'
import { timed } from '../lib/timed'
import { takeTurns } from '../lib/turns'
import type { DenormalsResult } from '../report/results'
import { milliseconds, ratio } from '../report/table'
import type { Bench } from './bench'

/** Below the smallest normal float32, 1.2e-38. */
const denormal = 1e-39

const defaults: readonly Shape[] = [shape(1, 1, 64, 64), shape(50, 16, 64, 64)]

export async function runDenormals({ options, results, save }: Bench): Promise<void> {
  const found: DenormalsResult[] = []
  results.denormals = found
  setNumThreads(1)
  for (const one of options.shapesGiven ? options.shapes : defaults) {
    for (const task of ['step', 'forward'] as const) {
      const contenders = [
        preparedOf(callOf(one, task, 0.1), false),
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

/** A network that keeps its states: h_t = tanh(h_{t-1}), without input. */
function callOf(
  { T, B, I, H, L }: Shape,
  task: DenormalsResult['task'],
  state: number,
): () => void {
  const rnn = new nn.RNN(I, H, { numLayers: L, bias: false })
  for (const [name, { data, shape }] of rnn.namedParameters()) {
    const diagonal = name.startsWith('weight_hh') ? 1 : 0
    data.fill(0)
    for (let i = 0; i < H; i += 1) data[i * (shape[1] ?? 0) + i] = diagonal
  }
  const input = zeros([T, B, I])
  const hx: Tensor = zeros([L, B, H])
  hx.data.fill(state)
  const gradient = ones([T, B, H])
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
