/** Layers of a recurrent cell over whole sequences as one operation: forward, and back-propagation through time. */

import { multiplyAddsOfAnElement, record, willRecord } from '../autograd/node'
import { Saved } from '../autograd/saved'
import { type Sized, Variable } from '../autograd/variable'
import { Background, TimeSlices } from '../background'
import { allocateUnset } from '../dtype'
import type { Floats, NativePasses, NativeRecurrentCore, NativeSequences } from '../native'
import { type Allocation, gradientSlabs, resultSlabs } from '../slab'

/** What calls on inputs of the same sizes have in common. */
export interface Geometry {
  /** How the time steps of the sequences lie in the input, the teacher and the output. */
  readonly sequences: NativeSequences
  readonly output: Sized
  /** Of each state at the end, and at the beginning. */
  readonly states: readonly Sized[]
  /** What the addon says that it keeps without lengths and checkpoints: without a teacher, and with one. */
  readonly savedLengths: [own?: number, taught?: number]
}

/** Everything that one call works on. */
export interface RecurrentCall {
  /** The operation's name on the tape. */
  readonly name: string
  readonly core: NativeRecurrentCore
  readonly passes: NativePasses
  readonly geometry: Geometry
  /** Those of padded sequences, if they differ. */
  readonly lengths: Int32Array | null
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
  readonly input: Variable
  /** Outputs that are fed back in the place of the network's own, if there are any. */
  readonly teacher: Variable | null
  /** The initial states; null for zeros. */
  readonly states: readonly (Variable | null)[]
  /** The probability of dropout between layers in this call; 0 outside training. */
  readonly dropout: number
  /** Draws the seed of dropout, after validation: an error leaves the random numbers where they were. */
  readonly drawSeed: () => number
  /** Steps of a segment, if only the states before each segment are kept for the backward pass; else null. */
  readonly checkpointEvery: number | null
}

/** What a call makes. */
interface Results {
  readonly output: Variable
  readonly states: readonly Variable[]
  /** What the native forward keeps for the native backward, without the output; null if there will be none. */
  readonly saved: Floats | null
  /** Of the mask of dropout; 0 if there is none. */
  seed: number
  /** That of all inputs and the output as the forward pass has seen and left them. */
  fingerprint: number
}

/** The output and the final states of a call, on the tape if a gradient is needed. */
export function recurrent(call: RecurrentCall): [output: Variable, states: readonly Variable[]] {
  const inputs = inputsOf(call)
  const results = allocateResults(call, willRecord(inputs) ? allocateSaved(call) : null)
  results.fingerprint = forward(call, results)
  recordCall(call, inputs, results)
  return [results.output, results.states]
}

/** The same off the event loop, from arguments and parameters as they are now. */
export async function recurrentAsync(
  call: RecurrentCall,
  signal: AbortSignal | null,
): Promise<[output: Variable, states: readonly Variable[]]> {
  signal?.throwIfAborted()
  const inputs = inputsOf(call)
  const results = allocateResults(call, willRecord(inputs) ? allocateSaved(call) : null)
  const { output, states, saved } = results
  const background = new Background(new TimeSlices())
  try {
    background.record(() => forward(call, results))
    recordCall(call, inputs, results) // now, since what needs a gradient may be something else later
    results.fingerprint = await background.run(signal)
    for (const result of [output, ...states]) await background.copyBack(result.values())
    if (saved !== null) await background.copyBack(saved)
    signal?.throwIfAborted()
  } finally {
    background.release()
  }
  return [output, states]
}

/** The gradients of a call; null where there is nothing to have one. */
export interface Cotangents {
  readonly input: Variable
  readonly teacher: Variable | null
  readonly states: readonly Variable[]
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
}

/** The output and the final states without a tape, and the function that carries gradients back through them. */
export function recurrentVjp(call: RecurrentCall): {
  output: Variable
  states: readonly Variable[]
  pullback: (gradients: readonly (Floats | null)[]) => Cotangents
} {
  const saved = allocateSaved(call)
  const results = allocateResults(call, saved)
  results.fingerprint = forward(call, results)
  const { output, states } = results
  const kept = new Saved('vjp', [...inputsOf(call), output], true)
  const pullback = (gradients: readonly (Floats | null)[]): Cotangents => {
    kept.check()
    const gradientOf = (of: Allocation & Sized): Variable =>
      Variable.made(of, gradientSlabs.allocate(call.input.dtype, of))
    const made = {
      input: gradientOf(inRows(call, call.input)),
      teacher: call.teacher && gradientOf(inRows(call, call.teacher)),
      states: states.map(gradientOf),
      parameters: call.parameters.map(gradientOf),
    }
    const written = [made.input, made.teacher, ...made.states, ...made.parameters]
    backward(call, results, saved, gradients, written.map(valuesOf))
    return made
  }
  return { output, states, pullback }
}

/** Puts a call on the tape, if it has to be. */
function recordCall(call: RecurrentCall, inputs: readonly Variable[], results: Results): void {
  const { output, states, saved } = results
  if (saved === null) return
  record({
    name: call.name,
    inputs,
    outputs: [output, ...states],
    saves: [...inputs, output],
    fingerprinted: true,
    holds: [saved],
    work: workOf(call),
    backward: (gradients, wanted) => {
      const written = allocateGradients(call, wanted)
      backward(call, results, saved, gradients, written)
      return presentGradients(call, written)
    },
  })
}

/** How long the backward pass takes: each row meets each weight twice, and once more if it is computed again. */
function workOf({ input, parameters, checkpointEvery }: RecurrentCall): number {
  const rows = input.numel / (input.shape.at(-1) ?? 1)
  const weights = parameters.reduce((total, { numel }) => total + numel, 0)
  return ((checkpointEvery === null ? 2 : 3) * rows * weights) / multiplyAddsOfAnElement
}

/** What the tape sees of a call: the inputs that there are, in the order in which the addon takes them. */
function inputsOf({ input, teacher, states, parameters }: RecurrentCall): Variable[] {
  const inputs = [input]
  if (teacher !== null) inputs.push(teacher)
  for (const state of states) if (state !== null) inputs.push(state)
  for (const parameter of parameters) inputs.push(parameter)
  return inputs
}

/**
 * The gradients that the native backward writes: of input, teacher, states and parameters, null where not wanted.
 *
 * @param wanted for each of {@link inputsOf}.
 */
function allocateGradients(call: RecurrentCall, wanted: readonly boolean[]): (Floats | null)[] {
  const { input, teacher, states, parameters } = call
  const { dtype } = input
  let next = 0
  const gradientOf = (of: Variable | null, rows: boolean): Floats | null =>
    of !== null && wanted[next++] === true
      ? gradientSlabs.allocate(dtype, rows ? inRows(call, of) : of)
      : null
  const written = [gradientOf(input, true), gradientOf(teacher, true)]
  for (const state of states) written.push(gradientOf(state, false))
  const all = wanted.includes(true, next) // the addon writes those of all parameters or of none
  for (const parameter of parameters) {
    written.push(all ? gradientSlabs.allocate(dtype, parameter) : null)
  }
  return written
}

/** Those of them that belong to {@link inputsOf}. */
function presentGradients(
  { teacher, states }: RecurrentCall,
  written: readonly (Floats | null)[],
): (Floats | null)[] {
  return written.filter((_, place) => {
    if (place === 1) return teacher !== null
    return states[place - 2] !== null // undefined for all but states
  })
}

/** What one layer keeps whose cell keeps nothing. */
const nothing = { float32: new Float32Array(0), float64: new Float64Array(0) }

/** Allocates what the native forward keeps for the native backward, without the output. */
function allocateSaved(call: RecurrentCall): Floats {
  const { dtype } = call.input
  const length = savedLength(call)
  return length === 0 ? nothing[dtype] : allocateUnset(dtype, length)
}

function savedLength({ core, geometry, lengths, teacher, checkpointEvery }: RecurrentCall): number {
  const { sequences, savedLengths } = geometry
  const taught = teacher !== null
  if (lengths !== null || checkpointEvery !== null) {
    return core.savedLength(sequences, lengths, taught, checkpointEvery)
  }
  const place = taught ? 1 : 0
  savedLengths[place] ??= core.savedLength(sequences, null, taught)
  return savedLengths[place]
}

function allocateResults(call: RecurrentCall, saved: Floats | null): Results {
  const { dtype } = call.input
  const { output, states } = call.geometry
  // A live result keeps its slab, so inference results get buffers of their own.
  const data = (of: Allocation): Floats =>
    saved === null ? allocateUnset(dtype, of.numel, of.cleared) : resultSlabs.allocate(dtype, of)
  return {
    output: Variable.made(output, data(inRows(call, output))),
    states: states.map((state) => Variable.made(state, data(state))),
    saved,
    seed: 0,
    fingerprint: 0,
  }
}

/** Writes the results; returns the fingerprint. `recurrentSlots` of the addon lists the arguments. */
function forward(call: RecurrentCall, results: Results): number {
  const { passes, geometry, dropout, checkpointEvery } = call
  const { output, states, saved } = results
  const arrays = inputArrays(call)
  arrays.push(output.values(), saved)
  for (const state of states) arrays.push(state.values())
  results.seed = dropout > 0 ? call.drawSeed() : 0
  return passes.forward(geometry.sequences, dropout, results.seed, checkpointEvery ?? 0, ...arrays)
}

/**
 * Writes the gradients of the inputs. `recurrentSlots` of the addon lists the arguments.
 *
 * @param gradients those of the output and of the final states.
 */
function backward(
  call: RecurrentCall,
  { output, seed, fingerprint }: Results,
  saved: Floats,
  gradients: readonly (Floats | null)[],
  written: readonly (Floats | null)[],
): void {
  const { passes, geometry, dropout, checkpointEvery } = call
  const arrays = inputArrays(call)
  arrays.push(output.values(), saved)
  for (const gradient of gradients) arrays.push(gradient)
  pushGradients(arrays, written, call.parameters.length)
  const { sequences } = geometry
  passes.backward(sequences, dropout, seed, checkpointEvery ?? 0, fingerprint, ...arrays)
}

/** Arguments of the addon that are arrays, or lists of them; null where there is none. */
type Arrays = (Floats | Int32Array | (Floats | null)[] | null)[]

/** What both passes read first. */
function inputArrays({ lengths, input, teacher, states, parameters }: RecurrentCall): Arrays {
  const arrays: Arrays = [lengths, input.values(), valuesOf(teacher)]
  for (const state of states) arrays.push(valuesOf(state))
  if (parameters.length > most) arrays.push(parameters.map(valuesOf))
  else for (const parameter of parameters) arrays.push(parameter.values())
  return arrays
}

/** More parameters, or their gradients, are handed over as a list: JavaScript limits the number of arguments. */
const most = 1000

/** Adds gradients, of which the last are those of the parameters. */
function pushGradients(
  arrays: Arrays,
  gradients: readonly (Floats | null)[],
  parameters: number,
): void {
  const apart = parameters > most ? gradients.length - parameters : gradients.length
  for (let place = 0; place < apart; place += 1) arrays.push(gradients[place] ?? null)
  if (apart < gradients.length) arrays.push(gradients.slice(apart))
}

function valuesOf(variable: Variable | null): Floats | null {
  return variable?.values() ?? null
}

/** Rows that lie as the input's. Where some are padding, the addon clears all first. */
function inRows({ lengths }: RecurrentCall, { shape, numel }: Sized): Allocation & Sized {
  return { shape, numel, cleared: lengths !== null }
}
