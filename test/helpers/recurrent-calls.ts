/** Valid calls of the native recurrent core, for each cell. */

import { addon, type Call, call, floats, ints } from './addon-call'

type Core = InstanceType<typeof addon.RecurrentCore>
type Pass = ReturnType<Core['forward']>
type Argument = Parameters<Pass>[number]
type Config = ConstructorParameters<typeof addon.RecurrentCore>[1]

/** Arguments by the names of their slots; several stand in a list. */
type Arguments = Readonly<Record<string, Argument | readonly Argument[]>>

/** The addon's own table of the order. */
export const slots = addon.recurrentSlots()

/** Arguments in the order of some slots; null where there is none. */
export function inOrder(order: readonly string[], named: Arguments): Argument[] {
  return order.flatMap((name) => named[name] ?? null)
}

const layers = { numLayers: 1, bidirectional: false, bare: false, bias: true }
const elman: Config = { ...layers, inputSize: 1, hiddenSize: 1, nonlinearity: 'tanh' }
const jordan: Config = { ...elman, outputSize: 1, outputNonlinearity: 'identity', bare: true }

/** A native core of Elman layers. */
export function elmanCore(config: Config = {}): Core {
  return new addon.RecurrentCore('elman', { ...elman, ...config }, 'float32', 'a test')
}

/** A native core of LSTM layers, I = 2, H = 3, L = 2. */
function lstmCore(config: Config = {}): Core {
  const sizes = { inputSize: 2, hiddenSize: 3, numLayers: 2, projSize: 0 }
  const all = { ...layers, ...sizes, ...config }
  return new addon.RecurrentCore('lstm', all, 'float32', 'a test')
}

/** What the calls of a cell work on, with T = 2 and B = 2. */
interface Cell {
  readonly core: Core
  /** Elements of input, output and each state. */
  readonly input: number
  readonly output: number
  readonly states: readonly number[]
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

/** Where the arguments of some slots are. */
function placesOf(order: readonly string[], given: Arguments, names: readonly string[]) {
  const places = order.flatMap((name) => [given[name] ?? null].flat().map(() => name))
  return places.flatMap((name, place) => {
    const written = names.includes(name) && inOrder(order, given)[place] !== null
    return written ? [[place] as const] : []
  })
}

function passes({ core, checkpointEvery = 0, ...cell }: Cell): Call[] {
  const { input, output, states, teacher } = cell
  const taught = teacher !== undefined
  const saved = core.savedLength(sequences, lengths(), taught, checkpointEvery || null)
  const inputs = (): Arguments => ({
    sequences,
    dropout: 0.5,
    seed: 7,
    checkpoint_every: checkpointEvery,
    lengths: lengths(),
    input: floats(input),
    teacher: taught ? floats(teacher, 4) : null,
    states: states.map((state) => floats(state, 1)),
    parameters: parametersOf(core),
  })
  const forward = (): Arguments => ({
    ...inputs(),
    output: floats(output),
    saved: floats(saved),
    final_states: states.map((state) => floats(state)),
  })
  const backward = (): Arguments => ({
    ...inputs(),
    fingerprint: Number.NaN,
    output: floats(output),
    saved: floats(saved, 2),
    grad_output: floats(output),
    grad_final_states: states.map((state) => floats(state)),
    grad_input: floats(input),
    grad_teacher: taught ? floats(teacher) : null,
    grad_states: states.map((state) => floats(state)),
    grad_parameters: parametersOf(core),
  })
  const pass = (method: 'forward' | 'backward', given: () => Arguments, written: string[]) => ({
    ...call(`RecurrentCore#${method}`, () => inOrder(slots[method], given()), {
      integers: [slots[method].indexOf('seed'), slots[method].indexOf('checkpoint_every')],
      written: placesOf(slots[method], given(), written),
    }),
    run: (args: readonly unknown[]) => Reflect.apply(core[method](), undefined, args),
  })
  const results = ['output', 'saved', 'final_states']
  const gradients = ['grad_input', 'grad_teacher', 'grad_states', 'grad_parameters']
  const parameters = slots.forward.indexOf('parameters') + states.length - 1
  const asList = (): unknown[] => {
    const args: unknown[] = inOrder(slots.forward, forward())
    const count = parametersOf(core).length
    args.splice(parameters, count, args.slice(parameters, parameters + count))
    return args
  }
  return [
    call(
      'RecurrentCore#savedLength',
      () => [sequences, lengths(), taught, checkpointEvery || null],
      {
        on: () => core,
      },
    ),
    pass('forward', forward, results),
    pass('backward', backward, gradients),
    {
      ...pass('forward', forward, []),
      args: asList,
      written: [...results, ...states.slice(1)].map(
        (_, place) => [parameters + 1 + place] as const,
      ),
    },
  ]
}

/** Where things lie in the memory of a stream depends on its address: there is nothing to compare. */
function forget(memory: unknown): void {
  ;(memory as Float32Array).fill(0)
}

function streams({ core, input, output, states }: Cell): Call[] {
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
      ...call(
        'RecurrentCore#resetStream',
        () => [2, floats(memory), states.map((state) => floats(state))],
        { sizes: [0], written: [[1]] },
      ),
      run: (args) => {
        Reflect.apply(core.resetStream, core, args)
        forget(args[1])
      },
    },
    {
      ...call(
        'RecurrentCore#streamStates',
        () => [2, floats(memory), states.map((state) => floats(state))],
        { sizes: [0], written: [[1], ...states.map((_, place) => [2, place] as const)] },
      ),
      run: (args) => {
        Reflect.apply(core.streamStates, core, args)
        forget(args[1])
        for (const state of args[2] as unknown[]) forget(state)
      },
    },
  ]
}

function constructors(): Call[] {
  const gru: Config = { ...layers, inputSize: 1, hiddenSize: 1 }
  const lstm: Config = { ...gru, hiddenSize: 2, projSize: 1 }
  return Object.entries({ elman, jordan, lstm, gru }).map(([cell, config]) => ({
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
  const stack = { core: deep, input: 8, output: 12, states: [12] }
  const gated = { core: lstmCore(), input: 8, output: 12, states: [12, 12] }
  const projected = { ...gated, core: lstmCore({ projSize: 1 }), output: 4, states: [4, 12] }
  // I = 2, H = 3, O = 1
  const sizes = { inputSize: 2, hiddenSize: 3, outputNonlinearity: 'sigmoid' }
  const network = new addon.RecurrentCore('jordan', { ...jordan, ...sizes }, 'float32', 'a test')
  const own = { core: network, input: 8, output: 4, states: [2] }
  const gates = [gated, { ...projected, checkpointEvery: 1 }]
  return [stack, { ...stack, checkpointEvery: 1 }, own, { ...own, teacher: 4 }, ...gates]
}

function elmanOnnx(): Call[] {
  const core = elmanCore({ inputSize: 2, hiddenSize: 3 })
  return [core, lstmCore()].map((one) =>
    call('RecurrentCore#serializeOnnx', () => [parametersOf(one), true], { on: () => one }),
  )
}
