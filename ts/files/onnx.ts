/** A module as an ONNX model. */

import { checkOptions, checkString, describe } from '../check'
import { isRNNBase } from '../nn/recurrent/base'
import { partsOf } from '../nn/recurrent/module'
import type { RNN } from '../nn/recurrent/rnn'
import { writeFileAtomic } from './atomic'

/** Options of {@link exportOnnx}. */
export interface ExportOnnxOptions {
  /** The file; one that exists is replaced. Default: none is written. */
  path?: string | undefined
}

/**
 * Writes an `nn.RNN` as an ONNX model, which ONNX Runtime and others run: as what the module is in `eval()`, with the
 * weights as they are now.
 *
 * | value of the model | shape |
 * |---|---|
 * | input `input` | (T, B, I), or (B, T, I) if the module is `batchFirst`; T and B are named `sequence` and `batch`, and each call of the model chooses them |
 * | input `h0` | (L·D, B, H), or (L·D, 1, H) for the same state in all sequences: zeros where a sequence begins |
 * | output `output` | (T, B, D·H), or (B, T, D·H) if the module is `batchFirst` |
 * | output `hN` | (L·D, B, H) |
 *
 * Each layer is one node `RNN` of operator set 14. The numbers are those of `forward`, up to rounding. ONNX Runtime has
 * no RNN of float64, so a module of float64 is refused; `rnn.to('float32')` converts one.
 *
 * The file is there as a whole or not at all: it is written under another name in the same folder and then renamed.
 *
 * @param rnn the module.
 * @param options `path`: the file. Default: none is written.
 * @returns the bytes of the model.
 * @throws TypeError if it is no `nn.RNN`, or one of float64; RangeError if its parameters are more than the 2 GiB of
 *   which an ONNX file consists at most, or there is no memory; an `Error` of Node if the file cannot be written.
 *
 * @example
 * ```ts
 * import { exportOnnx, nn } from '@elman/rnn'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 *
 * const rnn = new nn.RNN(3, 4, { numLayers: 2 })
 * const bytes = exportOnnx(rnn, { path: join(tmpdir(), 'model.onnx') })
 * console.log(bytes.length > 0) // true
 * ```
 *
 * @see https://onnx.ai/onnx/operators/onnx__RNN.html
 */
export function exportOnnx(rnn: RNN, options?: ExportOnnxOptions): Uint8Array {
  const given = checkOptions('exportOnnx', options, ['path'])
  const path = given.path === undefined ? undefined : checkString('path', given.path)
  const refused = (): TypeError =>
    new TypeError(`exportOnnx(): argument 'rnn' must be nn.RNN, not ${describe(rnn)}`)
  if (!isRNNBase(rnn)) throw refused()
  const { core, dtype, parameters } = partsOf(rnn)
  const operator = core.onnxOperator()
  if (operator === null) throw refused()
  if (dtype !== 'float32') {
    throw new TypeError(
      `exportOnnx(): expected a module of float32, which is what ONNX Runtime's ${operator} computes in, got ${dtype}. Convert it: rnn.to('float32')`,
    )
  }
  const values = parameters.map((parameter) => parameter.values())
  const bytes = core.serializeOnnx(values, rnn.batchFirst)
  if (path !== undefined) writeFileAtomic(path, bytes)
  return bytes
}
