/** The addon without its TypeScript layer, and one valid call of each export. */

import { type AnyArray, addon, type Call, call, floats, ints, type Place } from './addon-call'
import { recurrentCalls } from './recurrent-calls'

export { addon, type Call, type Place }

const sgd = {
  lr: 0.1,
  momentum: 0.9,
  dampening: 0,
  weightDecay: 0.1,
  nesterov: false,
  maximize: false,
}
const adam = {
  lr: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  eps: 1e-8,
  weightDecay: 0.1,
  decoupled: true,
  maximize: false,
}
const rmsprop = { lr: 0.1, alpha: 0.9, eps: 1e-8, weightDecay: 0.1, momentum: 0.9, maximize: false }

function activations(): Call[] {
  return ['tanh', 'relu', 'sigmoid'].flatMap((name) => [
    call(name, () => [floats(5), floats(5)], { written: [[1]] }),
    call(`${name}Backward`, () => [floats(5), floats(5, 1), floats(5)], { written: [[2]] }),
  ])
}

const packed = addon.Sequences.packed(ints(2, 1), ints(1, 0))

const generator = new addon.Generator()
const seeded = (): object => {
  generator.manualSeed(7n)
  return generator
}

/** One valid call of each function that takes arguments. */
export const calls: readonly Call[] = [
  call('add', () => [floats(5), floats(5, 1), floats(5)], { written: [[2]] }),
  call('mul', () => [floats(5), floats(5, 1), floats(5)], { written: [[2]] }),
  call('addScalar', () => [floats(5), 0.5, floats(5)], { written: [[2]] }),
  call('mulScalar', () => [floats(5), 0.5, floats(5)], { written: [[2]] }),
  call('accumulate', () => [floats(5), floats(5, 1)], { written: [[0]] }),
  call('clip', () => [floats(5), 0.5], { written: [[0]] }),
  ...activations(),
  call('sum', () => [floats(5)]),
  call('fill', () => [floats(5), 0.5], { written: [[0]] }),
  call('fingerprint', () => [[floats(5), floats(3, 1)]]),
  call('verify', () => {
    const arrays = [floats(5), floats(3, 1)]
    return [arrays, addon.fingerprint(arrays), 'a test']
  }),
  call('Task#copy', () => [floats(5), 0, 5], { on: () => new addon.Task(), sizes: [1, 2] }),
  call('Task#copyBack', () => [floats(5), 0, 5], { on: () => new addon.Task(), sizes: [1, 2] }),
  call('copyStrided', () => [floats(6), 1, [2, 2], [3, 1], floats(4)], {
    sizes: [1],
    written: [[4]],
  }),
  call('addStrided', () => [floats(6), 1, [2, 2], [3, 1], floats(4)], {
    sizes: [1],
    written: [[0]],
  }),
  call('Sequences.padded', () => [3, 2, false], {
    sizes: [0, 1],
    on: () => addon.Sequences,
  }),
  call('Sequences.packed', () => [ints(2, 1), ints(1, 0)], { on: () => addon.Sequences }),
  call('Sequences#pack', () => [3, true, 2, floats(12), floats(6)], {
    sizes: [0, 2],
    on: () => packed,
    written: [[4]],
  }),
  call('Sequences#pad', () => [3, true, 2, floats(6), 0.5, floats(12)], {
    sizes: [0, 2],
    on: () => packed,
    written: [[5]],
  }),
  ...recurrentCalls,
  call('linearForward', () => [floats(6), floats(12), floats(4), 2, 3, 4, floats(8)], {
    sizes: [3, 4, 5],
    written: [[6]],
  }),
  call(
    'linearBackward',
    () => [floats(6), floats(12), floats(8), 2, 3, 4, floats(6), floats(12), floats(4)],
    { sizes: [3, 4, 5], written: [[6], [7], [8]] },
  ),
  call('embeddingForward', () => [floats(6), ints(2, 0), 3, 2, floats(4)], {
    sizes: [2, 3],
    written: [[4]],
  }),
  call('embeddingBackward', () => [floats(4), ints(2, 0), 3, 2, -1, floats(6)], {
    sizes: [2, 3],
    integers: [4],
    written: [[5]],
  }),
  call('dropout', () => [floats(5), 0.5, 7, floats(5)], { integers: [2], written: [[3]] }),
  call('crossEntropyForward', () => [floats(6), ints(2, 0), 2, 3, -100, 'mean', floats(1)], {
    sizes: [2, 3],
    integers: [4],
    written: [[6]],
  }),
  call(
    'crossEntropyBackward',
    () => [floats(6), ints(2, 0), 2, 3, -100, 'none', floats(2), floats(6)],
    { sizes: [2, 3], integers: [4], written: [[7]] },
  ),
  call('pointwiseForward', () => ['squared', floats(5), floats(5, 1), 'sum', floats(1)], {
    written: [[4]],
  }),
  call(
    'pointwiseBackward',
    () => ['logistic', floats(5), floats(5, 1), 'mean', floats(1), floats(5), floats(5)],
    { written: [[5], [6]] },
  ),
  call('sgdStep', () => [floats(5), floats(5, 1), floats(5, 2), false, sgd], {
    written: [[0], [2]],
  }),
  call(
    'adamStep',
    () => [floats(5), floats(5, 1), floats(5, 2), floats(5).fill(1), floats(5).fill(2), 3, adam],
    { sizes: [5], written: [[0], [2], [3], [4]] },
  ),
  call(
    'rmspropStep',
    () => [floats(5), floats(5, 1), floats(5).fill(2), floats(5).fill(1), floats(5), rmsprop],
    { written: [[0], [2], [3], [4]] },
  ),
  call('gradNorm', () => [[floats(5), floats(3)], 2]),
  call('Generator#manualSeed', () => [7n], { on: seeded }),
  call('Generator#setState', () => [new addon.Generator().getState()], { on: seeded }),
  call('Generator#uniform', () => [floats(5), -1, 1], { on: seeded, written: [[0]] }),
  call('Generator#normal', () => [floats(5), 0, 1], { on: seeded, written: [[0]] }),
  call('serializeSafetensors', () => [
    [{ name: 'w', dtype: 'float32', shape: [2, 2], data: floats(4) }],
    { format: 'pt' },
  ]),
  call('deserializeSafetensors', () => [addon.serializeSafetensors([], { a: 'b' })]),
  {
    ...call('setNumThreads', () => [addon.getNumThreads()], { sizes: [0] }),
  },
  call('setFlushDenormal', () => [false]),
]

/** The places of all typed arrays among some arguments. */
export function arrayPlaces(args: readonly unknown[]): Place[] {
  return args.flatMap((arg, place): Place[] => {
    if (isArray(arg)) return [[place]]
    if (!Array.isArray(arg)) return []
    return arg.flatMap((item, within): Place[] => (isArray(item) ? [[place, within]] : []))
  })
}

/** The array at a place. */
export function arrayAt(args: readonly unknown[], [place, within]: Place): AnyArray {
  const arg = within === undefined ? args[place] : (args[place] as unknown[])[within]
  if (!isArray(arg)) throw new Error('no array there')
  return arg
}

/** The same arguments with another one at a place. */
export function replaced(args: readonly unknown[], [place, within]: Place, by: unknown): unknown[] {
  if (within === undefined) return args.with(place, by)
  return args.with(place, (args[place] as unknown[]).with(within, by))
}

/** The bytes of all arrays among some arguments. */
export function bytesOf(args: readonly unknown[]): string[] {
  return arrayPlaces(args).map((place) => {
    const { buffer, byteOffset, byteLength } = arrayAt(args, place)
    return Buffer.from(buffer, byteOffset, byteLength).toString('hex')
  })
}

function isArray(value: unknown): value is AnyArray {
  return ArrayBuffer.isView(value)
}
