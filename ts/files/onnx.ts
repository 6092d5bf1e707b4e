/** Modules as ONNX models. */

import { checkOptions, checkString, describe, refuseExtra } from '../check'
import type { ByteArray, DType } from '../dtype'
import { isRNNBase } from '../nn/recurrent/base'
import type { GRU } from '../nn/recurrent/gru'
import { LSTM } from '../nn/recurrent/lstm'
import { partsOf } from '../nn/recurrent/module'
import type { RNN } from '../nn/recurrent/rnn'
import { writeFileAtomic } from './atomic'

/** Options of {@link exportOnnx}. */
export interface ExportOnnxOptions {
  /** The file; one that exists is replaced. Default: none is written. */
  path?: string | undefined
}

/**
 * Exports an `nn.RNN`, `nn.LSTM` or `nn.GRU` as an ONNX model, which ONNX Runtime and others run.
 *
 * The model is the module in `eval()`, with its weights at the time of the call.
 *
 * | value of the model | shape |
 * |---|---|
 * | input `input` | (T, B, I), or (B, T, I) if the module is `batchFirst`; T and B are dynamic dimensions, named `sequence` and `batch` |
 * | input `h0` | (L·D, B, H), or (L·D, 1, H) for the same state in all sequences; zeros for the start of a sequence |
 * | output `output` | (T, B, D·H), or (B, T, D·H) if the module is `batchFirst` |
 * | output `hN` | (L·D, B, H) |
 * | input `c0`, output `cN` | as `h0` and `hN`; for `nn.LSTM` only |
 *
 * Each layer is one node `RNN`, `LSTM` or `GRU` (with `linear_before_reset` 1) of operator set 14. Results are those of
 * `forward`, up to rounding. ONNX Runtime computes these nodes in float32, so a module of float64 is refused;
 * `rnn.to('float32')` converts one. ONNX has no projection, so an `nn.LSTM` with `projSize` is refused.
 *
 * The file is written atomically: under a temporary name in the same folder, then renamed.
 *
 * @param rnn the module.
 * @param options `path`: the file. Default: none is written.
 * @returns the bytes of the model.
 * @throws TypeError if it is not an `nn.RNN`, `nn.LSTM` or `nn.GRU`, or one of float64 or with a projection; RangeError
 *   if its parameters exceed 2 GiB, the limit of an ONNX file, or there is no memory; an `Error` of Node if the file
 *   cannot be written.
 *
 * @example
 * ```ts
 * import { exportOnnx, nn } from '@elman/rnn'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 *
 * const lstm = new nn.LSTM(3, 4, { numLayers: 2 })
 * const bytes = exportOnnx(lstm, { path: join(tmpdir(), 'model.onnx') })
 * console.log(bytes.length > 0) // true
 * ```
 *
 * @see https://onnx.ai/onnx/operators/onnx__RNN.html
 */
export function exportOnnx(
  rnn: RNN<DType> | LSTM<DType> | GRU<DType>,
  options?: ExportOnnxOptions,
): ByteArray {
  if (arguments.length > 2) refuseExtra('exportOnnx', 2, arguments)
  const given = checkOptions('exportOnnx', options, ['path'])
  const path = given.path === undefined ? undefined : checkString('path', given.path)
  const refused = (): TypeError =>
    new TypeError(
      `exportOnnx(): argument 'rnn' must be nn.RNN, nn.LSTM or nn.GRU, not ${describe(rnn)}`,
    )
  if (!isRNNBase(rnn)) throw refused()
  const { core, dtype, parameters } = partsOf(rnn)
  const operator = core.onnxOperator()
  if (operator === null && rnn instanceof LSTM) {
    throw new TypeError(
      `exportOnnx(): expected an LSTM without a projection, which ONNX's LSTM does not have, got proj_size=${rnn.projSize}`,
    )
  }
  if (operator === null) throw refused()
  if (dtype !== 'float32') {
    throw new TypeError(
      `exportOnnx(): expected a module of float32, which is what ONNX Runtime's ${operator} computes in, got ${dtype}. Convert it: rnn.to('float32')`,
    )
  }
  const values = parameters.map((parameter) => parameter.values())
  const bytes = core.serializeOnnx(values, rnn.batchFirst) as ByteArray
  if (path !== undefined) writeFileAtomic(path, bytes)
  return bytes
}
