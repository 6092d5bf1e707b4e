/** Valid calls of the native recurrent core, for each cell. */

import { addon, type Call, call, floats, ints } from './addon-call'

type Core = InstanceType<typeof addon.RecurrentCore>
/** Arrays of a call, null where there is none. */
type List = Parameters<Core['forward']>[1]
type Config = ConstructorParameters<typeof addon.RecurrentCore>[1]

/** Arrays by the names of their slots; several stand in a list. */
type Arrays = Readonly<Record<string, List[number] | List>>

/** The addon's own table of the order. */
export const slots = addon.recurrentSlots()

/** Arrays in the order of some slots; null where there is none. */
export function inOrder(order: readonly string[], arrays: Arrays): List {
  return order.flatMap((name) => arrays[name] ?? null)
}

const layers = { numLayers: 1, bidirectional: false, bare: false, bias: true }
const elman: Config = { ...layers, inputSize: 1, hiddenSize: 1, nonlinearity: 'tanh' }
const jordan: Config = { ...elman, outputSize: 1, outputNonlinearity: 'identity', bare: true }

/** A native core of Elman layers. */
export function elmanCore(config: Config = {}): Core {
  return new addon.RecurrentCore('elman', { ...elman, ...config }, 'float32', 'a test')
}

/** What the calls of a cell work on, with T = 2 and B = 2. */
interface Cell {
  readonly core: Core
  /** Elements of input, output and state. */
  readonly input: number
  readonly output: number
  readonly state: number
  readonly teacher?: number
  readonly checkpointEvery?: number
}

const sequences = addon.Sequences.padded(2, 2, false)
const lengths = (): Int32Array => ints(2, 1)

function parametersOf(core: Core): Float32Array[] {
  return core.parameters().map(({ shape }, place) =>
    floats(
      shape.reduce((count, size) => count * size, 1),
      place,
    ),
  )
}

/** The places of the arrays of a list that is an argument. */
function placesOf(argument: number, list: readonly unknown[]) {
  return list.flatMap((one, within) => (one === null ? [] : [[argument, within] as const]))
}

function passes({ core, checkpointEvery = 0, ...cell }: Cell): Call[] {
  const { input, output, state, teacher } = cell
  const taught = teacher !== undefined
  const saved = core.savedLength(sequences, lengths(), taught, checkpointEvery)
  const inputs = (): Arrays => ({
    lengths: lengths(),
    input: floats(input),
    teacher: taught ? floats(teacher, 4) : null,
    states: floats(state, 1),
    parameters: parametersOf(core),
  })
  // Of dropout, its seed, the segments, and no fingerprint.
  const numbers = (): Float64Array => Float64Array.of(0.5, 7, checkpointEvery, Number.NaN)
  const forward = (): unknown[] => [
    sequences,
    inOrder(slots.forwardRead, inputs()),
    inOrder(slots.forwardWritten, {
      output: floats(output),
      saved: floats(saved),
      final_states: floats(state),
    }),
    numbers(),
  ]
  const backward = (): unknown[] => [
    sequences,
    inOrder(slots.backwardRead, {
      ...inputs(),
      output: floats(output),
      saved: floats(saved, 2),
      grad_output: floats(output),
      grad_final_states: floats(state),
    }),
    inOrder(slots.backwardWritten, {
      grad_input: floats(input),
      grad_teacher: taught ? floats(teacher) : null,
      grad_states: floats(state),
      grad_parameters: parametersOf(core),
    }),
    numbers(),
  ]
  const written = (args: unknown[]) => placesOf(2, args[2] as unknown[])
  const on = (): Core => core
  return [
    call('RecurrentCore#savedLength', () => [sequences, lengths(), taught, checkpointEvery], {
      on,
      sizes: [3],
    }),
    call('RecurrentCore#forward', forward, { on, written: written(forward()) }),
    call('RecurrentCore#backward', backward, { on, written: written(backward()) }),
  ]
}

/** Where things lie in the memory of a stream depends on its address: there is nothing to compare. */
function forget(memory: unknown): void {
  ;(memory as Float32Array).fill(0)
}

function streams({ core, input, output, state }: Cell): Call[] {
  const memory = core.streamLength(2)
  const [x, y] = [input / 2, output / 2] // of one step
  return [
    call('RecurrentCore#streamLength', () => [2], { on: () => core, sizes: [0] }),
    {
      ...call(
        'RecurrentCore#stream',
        () => [2, parametersOf(core), floats(memory), floats(x), floats(y)],
        { sizes: [0], written: [[2], [4]] },
      ),
      run: (args) => {
        const step = Reflect.apply(core.stream, core, args) as () => void
        step()
        forget(args[2])
        return step
      },
    },
    {
      ...call('RecurrentCore#resetStream', () => [2, floats(memory), [floats(state)]], {
        sizes: [0],
        written: [[1]],
      }),
      run: (args) => {
        Reflect.apply(core.resetStream, core, args)
        forget(args[1])
      },
    },
  ]
}

function constructors(): Call[] {
  return Object.entries({ elman, jordan }).map(([cell, config]) => ({
    ...call('RecurrentCore', () => [cell, { ...config }, 'float32', 'a test']),
    run: (args) => Reflect.construct(addon.RecurrentCore, args),
  }))
}

/** One valid call of each function of the recurrent core that takes arguments, for each cell. */
export const recurrentCalls: readonly Call[] = [
  ...constructors(),
  ...cells().flatMap((cell) => [...passes(cell), ...streams(cell)]),
  ...elmanOnnx(),
]

function cells(): Cell[] {
  // I = 2, H = 3, L = 2
  const deep = elmanCore({ inputSize: 2, hiddenSize: 3, numLayers: 2 })
  const stack = { core: deep, input: 8, output: 12, state: 12 }
  // I = 2, H = 3, O = 1
  const sizes = { inputSize: 2, hiddenSize: 3, outputNonlinearity: 'sigmoid' }
  const network = new addon.RecurrentCore('jordan', { ...jordan, ...sizes }, 'float32', 'a test')
  const own = { core: network, input: 8, output: 4, state: 2 }
  return [stack, { ...stack, checkpointEvery: 1 }, own, { ...own, teacher: 4 }]
}

function elmanOnnx(): Call[] {
  const core = elmanCore({ inputSize: 2, hiddenSize: 3 })
  return [call('RecurrentCore#serializeOnnx', () => [parametersOf(core), true], { on: () => core })]
}
