/** Named tensors in the safetensors format. */

import { types } from 'node:util'
import { Variable } from '../autograd/variable'
import { checkOptions, checkString, checkUnshared, describe, refuseExtra } from '../check'
import type { ByteArray, DType } from '../dtype'
import { entriesOf } from '../foreign'
import { type FileEntry, native } from '../native'
import { IntTensor, intTensor, intValues } from '../tensor/int-tensor'
import { type Tensor, variableOf, wrap } from '../tensor/tensor'
import { readFile, writeFileAtomic } from './atomic'

/** A tensor of any dtype; `dtype` tells which, also to TypeScript. */
export type AnyTensor = Tensor<'float32'> | Tensor<'float64'> | IntTensor

/** Options of {@link saveSafetensors} and {@link serializeSafetensors}. */
export interface SafetensorsOptions {
  /** Strings by name, stored in the file. Default: none. */
  metadata?: Readonly<Record<string, string>> | undefined
}

/**
 * Writes tensors to a safetensors file, which Python reads with `safetensors.torch.load_file`.
 *
 * The file is written atomically: under a temporary name in the same folder, then renamed.
 *
 * @param tensors by name, such as a module's `stateDict()`.
 * @param path the file; one that exists is replaced.
 * @param options `metadata`: strings by name, stored in the file. Default: none.
 * @throws TypeError if something is not a `Map`, a tensor or a string; an `Error` of Node if the file cannot be
 *   written.
 *
 * @example
 * ```ts
 * import { loadSafetensors, nn, saveSafetensors } from '@elman/rnn'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 *
 * const file = join(tmpdir(), 'model.safetensors')
 * saveSafetensors(new nn.RNN(3, 4).stateDict(), file)
 * const model = new nn.RNN(3, 4)
 * model.loadStateDict(loadSafetensors(file))
 * ```
 *
 * @see https://huggingface.co/docs/safetensors/api/torch
 */
export function saveSafetensors(
  tensors: ReadonlyMap<string, Tensor<DType> | IntTensor>,
  path: string,
  options?: SafetensorsOptions,
): void {
  if (arguments.length > 3) refuseExtra('saveSafetensors', 3, arguments)
  const target = checkString('path', path)
  writeFileAtomic(target, serializeSafetensors(tensors, options))
}

/**
 * Reads the tensors of a safetensors file, in the order of the file.
 *
 * F32 and F64 keep their dtype, F16 and BF16 become float32, I32 and I64 an {@link IntTensor}.
 *
 * @param path the file.
 * @throws RangeError if the file is malformed, or an integer does not fit into 32 bits; an error that names tensor and
 *   dtype for any other dtype; an `Error` of Node if the file cannot be read.
 *
 * @example
 * ```ts
 * import { loadSafetensors, saveSafetensors, tensor } from '@elman/rnn'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 *
 * const file = join(tmpdir(), 'one-tensor.safetensors')
 * saveSafetensors(new Map([['x', tensor([[1, 2]])]]), file)
 * for (const [name, { shape, dtype }] of loadSafetensors(file)) {
 *   console.log(name, shape, dtype) // x [ 1, 2 ] float32
 * }
 * ```
 *
 * @see https://huggingface.co/docs/safetensors/api/torch
 */
export function loadSafetensors(path: string): Map<string, AnyTensor> {
  if (arguments.length > 1) refuseExtra('loadSafetensors', 1, arguments)
  return deserializeSafetensors(readFile(checkString('path', path)))
}

/**
 * Tensors as the bytes of a safetensors file, as {@link saveSafetensors} writes it.
 *
 * @param tensors by name.
 * @param options `metadata`: strings by name, stored with the tensors. Default: none.
 * @returns a whole file.
 * @throws TypeError if something is not a `Map`, a tensor or a string.
 *
 * @example
 * ```ts
 * import { deserializeSafetensors, serializeSafetensors, tensor } from '@elman/rnn'
 *
 * const bytes = serializeSafetensors(new Map([['x', tensor([1, 2])]]))
 * console.log(deserializeSafetensors(bytes).get('x')?.toArray()) // [ 1, 2 ]
 * ```
 *
 * @see https://huggingface.co/docs/safetensors/api/torch
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, Tensor<DType> | IntTensor>,
  options?: SafetensorsOptions,
): ByteArray {
  if (arguments.length > 2) refuseExtra('serializeSafetensors', 2, arguments)
  const { metadata } = checkOptions('serializeSafetensors', options, ['metadata'])
  return encode(tensors, metadata === undefined ? null : checkMetadata(metadata))
}

/**
 * Tensors from the bytes of a safetensors file, as {@link loadSafetensors} reads it.
 *
 * @param bytes a whole file; they are copied.
 * @returns the tensors by name, in the order of the file.
 * @throws TypeError if it is not a `Uint8Array`; else as {@link loadSafetensors}.
 *
 * @example
 * ```ts
 * import { deserializeSafetensors, nn, serializeSafetensors } from '@elman/rnn'
 *
 * const bytes = serializeSafetensors(new nn.Linear(2, 1).stateDict())
 * console.log([...deserializeSafetensors(bytes).keys()]) // [ 'weight', 'bias' ]
 * ```
 *
 * @see https://huggingface.co/docs/safetensors/api/torch
 */
export function deserializeSafetensors(bytes: Uint8Array): Map<string, AnyTensor> {
  if (arguments.length > 1) refuseExtra('deserializeSafetensors', 1, arguments)
  return decode(bytes).tensors
}

/** Tensors and metadata as bytes. */
export function encode(tensors: unknown, metadata: Record<string, string> | null): ByteArray {
  const map = entriesOf(tensors)
  if (map === null) {
    throw new TypeError(`Expected a Map of tensors by name, got: ${describe(tensors)}`)
  }
  const entries = Array.from(map, ([name, value]) =>
    entryOf(checkString('the name of a tensor', name), value),
  )
  return native.serializeSafetensors(entries, metadata) as ByteArray
}

/** Bytes as tensors and metadata. */
export function decode(bytes: unknown): {
  tensors: Map<string, AnyTensor>
  metadata: Map<string, string>
} {
  if (!types.isUint8Array(bytes)) {
    throw new TypeError(`bytes should be a Uint8Array, got: ${describe(bytes)}`)
  }
  checkUnshared('bytes', bytes)
  const { entries, metadata } = native.deserializeSafetensors(bytes)
  return {
    tensors: new Map(entries.map((entry) => [entry.name, tensorOf(entry)])),
    metadata: new Map(Object.entries(metadata)),
  }
}

function entryOf(name: string, value: unknown): FileEntry {
  if (value instanceof IntTensor) {
    const data = intValues(value, name)
    return { name, dtype: 'int32', shape: [...value.shape], data }
  }
  const variable = variableOf(value)
  if (variable === null) {
    throw new TypeError(`expected ${name} to be a Tensor or IntTensor, got: ${describe(value)}`)
  }
  return { name, dtype: variable.dtype, shape: [...variable.shape], data: variable.values() }
}

function tensorOf({ shape, data }: FileEntry): AnyTensor {
  if (types.isInt32Array(data)) return intTensor(data, shape)
  return wrap(Variable.of(data, shape)) as AnyTensor
}

function checkMetadata(metadata: unknown): Record<string, string> {
  if (typeof metadata !== 'object' || metadata === null) {
    throw new TypeError(`metadata should be an object of strings, got: ${describe(metadata)}`)
  }
  const entries = Object.entries(metadata).map(([key, value]: [string, unknown]) => [
    key,
    checkString(`metadata ${key}`, value),
  ])
  return Object.fromEntries(entries) as Record<string, string>
}
