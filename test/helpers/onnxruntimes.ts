/**
 * ONNX Runtime, to check exported models: the WebAssembly build, which runs wherever Node does and is half the size of
 * onnxruntime-node, with the same kernels. onnxruntime-node is used too if `npm run bench` has installed it.
 */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type { Tensor } from '@elman/rnn'
import * as web from 'onnxruntime-web'

web.env.wasm.numThreads = 1

/** A model that was loaded. */
export interface Loaded {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  run(feeds: Record<string, Tensor>): Promise<Record<string, Result>>
}

/** An output of a model. */
export interface Result {
  readonly dims: readonly number[]
  readonly data: Float32Array
}

function loader({ InferenceSession, Tensor }: typeof web) {
  return async (model: Uint8Array): Promise<Loaded> => {
    const session = await InferenceSession.create(model)
    const { inputNames, outputNames } = session
    const run = async (feeds: Record<string, Tensor>): Promise<Record<string, Result>> => {
      const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
        name,
        new Tensor('float32', data as Float32Array, shape),
      ])
      const results = await session.run(Object.fromEntries(tensors))
      return Object.fromEntries(
        Object.entries(results).map(([name, { dims, data }]) => [
          name,
          { dims, data: data as Float32Array },
        ]),
      )
    }
    return { inputNames, outputNames, run }
  }
}

const bench = resolve('bench/package.json')
const node = existsSync(resolve('bench/node_modules/onnxruntime-node'))
  ? [['onnxruntime-node', loader(createRequire(bench)('onnxruntime-node'))] as const]
  : []

/** What there is of it: names, and what loads a model. */
export const onnxRuntimes = [['onnxruntime-web', loader(web)] as const, ...node]
