/** The addon without the TypeScript around it, and one valid call of each of its exports. */

import { createRequire } from 'node:module'

export const addon: typeof import('../../index.js') = createRequire(import.meta.url)(
  '../../index.js',
)

/** A valid call. A place is the number of an argument, or that of a list and one in it. */
export interface Call {
  readonly name: string
  /** Makes the arguments anew: calls write into them. */
  readonly args: () => unknown[]
  readonly run: (args: readonly unknown[]) => unknown
  /** The arguments that are sizes: integers from 0. */
  readonly sizes: readonly number[]
  /** The arguments that are integers of any size and sign. */
  readonly integers: readonly number[]
  /** The arguments that are written; all other arrays are only read. */
  readonly written: readonly Place[]
}

export type Place = readonly [number] | readonly [number, number]
type Array = Float32Array | Float64Array | Int32Array | Uint8Array

/** Some numbers that are not all alike. */
function floats(count: number, from = 0): Float32Array {
  return Float32Array.from({ length: count }, (_, place) => Math.sin(from + place + 1))
}

function ints(...values: number[]): Int32Array {
  return Int32Array.from(values)
}

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

// T = 2, B = 2, I = 2, H = 3, L = 2
const core = new addon.RnnCore(2, 3, 2, 'tanh', true, false, 'float32')
const sequences = addon.Sequences.padded(2, 2, false)
const lengths = (): Int32Array => ints(2, 1)
const packed = addon.Sequences.packed(ints(2, 1), ints(1, 0))
const saved = core.savedLength(sequences, null, lengths())
const checkpoints = core.savedLength(sequences, 1, lengths())
const shapes = [6, 9, 3, 3, 9, 9, 3, 3]
const parameters = (): Float32Array[] => shapes.map((count, place) => floats(count, place))

const jordan = new addon.JordanCore(2, 3, 1, 'tanh', 'sigmoid', true, 'float32')
const hidden = jordan.savedLength(sequences, lengths())
const jordanParameters = (): Float32Array[] =>
  [6, 3, 3, 3, 3, 1].map((count, place) => floats(count, place))

const streamed = core.streamLength(2)

/** Where things lie in the memory of a stream depends on its address: there is nothing to compare. */
function forget(memory: unknown): void {
  ;(memory as Float32Array).fill(0)
}

/** A call of a function of the addon. */
function call(
  name: string,
  args: () => unknown[],
  rest: { sizes?: number[]; integers?: number[]; written?: Place[]; on?: () => object } = {},
): Call {
  const { sizes = [], integers = [], written = [], on = () => addon } = rest
  const method = name.split(/[.#]/).at(-1) ?? ''
  const run = (given: readonly unknown[]): unknown => {
    const receiver = on()
    return Reflect.apply(Reflect.get(receiver, method), receiver, given)
  }
  return { name, args, run, sizes, integers, written }
}

function activations(): Call[] {
  return ['tanh', 'relu', 'sigmoid'].flatMap((name) => [
    call(name, () => [floats(5), floats(5)], { written: [[1]] }),
    call(`${name}Backward`, () => [floats(5), floats(5, 1), floats(5)], { written: [[2]] }),
  ])
}

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
  call('Task#deliver', () => [floats(5), 0, 5], { on: () => new addon.Task(), sizes: [1, 2] }),
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
  {
    ...call('RnnCore', () => [2, 3, 2, 'tanh', true, false, 'float32'], { sizes: [0, 1, 2] }),
    run: (args) => Reflect.construct(addon.RnnCore, args),
  },
  {
    ...call('JordanCore', () => [2, 3, 1, 'tanh', 'sigmoid', true, 'float32'], {
      sizes: [0, 1, 2],
    }),
    run: (args) => Reflect.construct(addon.JordanCore, args),
  },
  call('JordanCore#savedLength', () => [sequences, lengths()], { on: () => jordan }),
  ...[null, floats(4, 5)].flatMap((teacher) => [
    call(
      'JordanCore#forward',
      () => [
        sequences,
        jordanParameters(),
        floats(8),
        floats(2),
        teacher?.slice() ?? null,
        floats(4),
        floats(2),
        floats(hidden),
        lengths(),
      ],
      { on: () => jordan, written: [[5], [6], [7]] },
    ),
    call(
      'JordanCore#backward',
      () => [
        sequences,
        jordanParameters(),
        floats(8),
        floats(2),
        teacher?.slice() ?? null,
        floats(4),
        floats(hidden),
        floats(4),
        floats(2),
        floats(8),
        floats(2),
        teacher && floats(4),
        jordanParameters(),
        null,
        lengths(),
      ],
      {
        on: () => jordan,
        written: [
          [9],
          [10],
          ...(teacher ? [[11] as const] : []),
          ...jordanParameters().map((_, place) => [12, place] as const),
        ],
      },
    ),
  ]),
  call('RnnCore#savedLength', () => [sequences, null, lengths()], { on: () => core }),
  call(
    'RnnCore#forward',
    () => {
      const [input, hx, output] = [floats(8), floats(12, 1), floats(12)]
      const results = [output, floats(12), floats(saved)]
      return [sequences, parameters(), input, hx, 0.5, 7, ...results, null, lengths()]
    },
    { on: () => core, integers: [5], written: [[6], [7], [8]] },
  ),
  call(
    'RnnCore#backward',
    () => {
      const call = [sequences, parameters(), floats(8), floats(12, 1), 0.5, 7]
      const kept = [floats(12), floats(saved, 2)]
      const gradients = [floats(12), floats(12), floats(8), floats(12), parameters()]
      return [...call, ...kept, ...gradients, null, null, lengths()]
    },
    {
      on: () => core,
      integers: [5],
      written: [[10], [11], ...shapes.map((_, place) => [12, place] as const)],
    },
  ),
  call('RnnCore#savedLength', () => [sequences, 1, lengths()], { on: () => core }),
  call(
    'RnnCore#forward',
    () => {
      const [input, hx, output] = [floats(8), floats(12, 1), floats(12)]
      const results = [output, floats(12), floats(checkpoints)]
      return [sequences, parameters(), input, hx, 0.5, 7, ...results, 1, lengths()]
    },
    { on: () => core, integers: [5], written: [[6], [7], [8]] },
  ),
  call(
    'RnnCore#backward',
    () => {
      const call = [sequences, parameters(), floats(8), floats(12, 1), 0.5, 7]
      const kept = [floats(12), floats(checkpoints, 2)]
      const gradients = [floats(12), floats(12), floats(8), floats(12), parameters()]
      return [...call, ...kept, ...gradients, null, 1, lengths()]
    },
    {
      on: () => core,
      integers: [5],
      written: [[10], [11], ...shapes.map((_, place) => [12, place] as const)],
    },
  ),
  call('RnnCore#streamLength', () => [2], { on: () => core, sizes: [0] }),
  {
    ...call('RnnCore#stream', () => [2, parameters(), floats(streamed), floats(4), floats(6)], {
      sizes: [0],
      written: [[2], [4]],
    }),
    run: (args) => {
      const step = Reflect.apply(core.stream, core, args) as () => void
      step()
      forget(args[2])
      return step
    },
  },
  {
    ...call('RnnCore#resetStream', () => [2, floats(streamed), floats(12)], {
      sizes: [0],
      written: [[1]],
    }),
    run: (args) => {
      Reflect.apply(core.resetStream, core, args)
      forget(args[1])
    },
  },
  call('RnnCore#serializeOnnx', () => [parameters(), true], { on: () => core }),
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
export function arrayAt(args: readonly unknown[], [place, within]: Place): Array {
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

function isArray(value: unknown): value is Array {
  return ArrayBuffer.isView(value)
}
