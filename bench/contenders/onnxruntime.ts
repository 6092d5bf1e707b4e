/** onnxruntime-node: inference only, on a model of RNN, GRU or LSTM nodes. */

import { InferenceSession, Tensor } from 'onnxruntime-node'
import { fingerprint, type Numbers, numbersOf, type Values } from '../lib/numbers'
import { cellFacts, type Shape } from '../lib/shape'
import { type Library, type Probe, type Ready, Refusal, type Work } from './contender'
import { onnxModel } from './onnx-model'

export function open(): Library {
  const { version } = require('onnxruntime-node/package.json') as { version: string }
  return { version: `onnxruntime-node ${version}`, prepare }
}

async function prepare({ shape, dtype, threads }: Work): Promise<Ready | Refusal> {
  if (dtype !== 'float32') return new Refusal(`its recurrent nodes know no ${dtype}`)
  const numbers = numbersOf(shape)
  const session = await InferenceSession.create(onnxModel(shape, numbers), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  })
  const feeds = inputs(shape, numbers)
  const call = () => session.run(feeds)
  return { probe: probeOf(await call(), shape), call, dispose: () => session.release() }
}

/** The model's inputs. */
function inputs({ B, H, L, D, cell }: Shape, { input, states }: Numbers): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = { input: tensorOf(input) }
  const size = D * B * H
  cellFacts[cell].states.forEach((state, index) => {
    for (let layer = 0; layer < L; layer += 1) {
      const values = states[index]?.values.subarray(layer * size, (layer + 1) * size)
      if (values) feeds[`${state}x_${layer}`] = tensorOf({ shape: [D, B, H], values })
    }
  })
  return feeds
}

function tensorOf({ shape, values }: Values): Tensor {
  return new Tensor('float32', Float32Array.from(values), shape)
}

/** The states of all layers are one array. */
function probeOf(outputs: InferenceSession.ReturnType, { L, cell }: Shape): Probe {
  const data = (name: string) => (outputs[name] as Tensor).data as Float32Array
  const lasts = cellFacts[cell].states.map((state) => `${state}N`)
  const all = (last: string) => Array.from({ length: L }, (_, layer) => data(`${last}_${layer}`))
  return {
    output: fingerprint(data('output')),
    ...Object.fromEntries(lasts.map((last) => [last, fingerprint(...all(last))])),
  }
}
