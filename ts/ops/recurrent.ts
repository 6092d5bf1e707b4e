/** Layers of a recurrent cell over whole sequences as one operation: forward, and back-propagation through time. */

import { multiplyAddsOfAnElement, record, willRecord } from '../autograd/record'
import { Saved } from '../autograd/saved'
import type { Sized } from '../autograd/storage'
import { Variable } from '../autograd/variable'
import { Background, TimeSlices } from '../background'
import { allocateUnset } from '../dtype'
import { throwIfAborted } from '../foreign'
import type { Floats, NativePasses, NativeRecurrentCore, NativeSequences } from '../native'
import { type Allocation, gradientSlabs, resultSlabs } from '../slab'

/** What calls with inputs of the same sizes share. */
export interface Geometry {
  /** The layout of the time steps in the input, the teacher and the output. */
  readonly sequences: NativeSequences
  readonly output: Sized
  /** The shapes of the states, initial and final. */
  readonly states: readonly Sized[]
  /** Cached: the length of the saved array without lengths and checkpoints; without a teacher, and with one. */
  readonly savedLengths: [own?: number, taught?: number]
}

/** The arguments of one call. */
export interface RecurrentCall {
  /** The operation's name on the tape. */
  readonly name: string
  readonly core: NativeRecurrentCore
  readonly passes: NativePasses
  readonly geometry: Geometry
  /** The lengths of padded sequences; null if all are T. */
  readonly lengths: Int32Array | null
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
  readonly input: Variable
  /** Values that are fed back instead of the network's own outputs (teacher forcing); null for none. */
  readonly teacher: Variable | null
  /** The initial states; null for zeros. */
  readonly states: readonly (Variable | null)[]
  /** The probability of dropout between layers in this call; 0 outside training. */
  readonly dropout: number
  /** Draws the dropout seed. Called after validation, so that an error does not advance the random number generator. */
  readonly drawSeed: () => number
  /** Steps of a segment, if only the states before each segment are kept for the backward pass; otherwise null. */
  readonly checkpointEvery: number | null
}

/** The results of a call. */
interface Results {
  readonly output: Variable
  readonly states: readonly Variable[]
  /** What the forward pass saves for the backward pass, without the output; null if there is no backward pass. */
  readonly saved: Floats | null
  /** The dropout seed; 0 without dropout. */
  seed: number
  /** The fingerprint of all inputs and the output at the forward pass. */
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

/** The same off the event loop, with arguments and parameters at the time of the call. */
export async function recurrentAsync(
  call: RecurrentCall,
  signal: AbortSignal | null,
): Promise<[output: Variable, states: readonly Variable[]]> {
  throwIfAborted(signal)
  const inputs = inputsOf(call)
  const results = allocateResults(call, willRecord(inputs) ? allocateSaved(call) : null)
  const { output, states, saved } = results
  const background = new Background(new TimeSlices())
  try {
    background.record(() => forward(call, results))
    recordCall(call, inputs, results) // now, since `requiresGrad` may change later
    results.fingerprint = await background.run(signal)
    for (const result of [output, ...states]) await background.copyBack(result.values())
    if (saved !== null) await background.copyBack(saved)
    throwIfAborted(signal)
  } finally {
    background.release()
  }
  return [output, states]
}

/** The gradients of a call; null for absent inputs. */
export interface Cotangents {
  readonly input: Variable
  readonly teacher: Variable | null
  readonly states: readonly Variable[]
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
}

/**
 * The output and the final states without a tape, and the function that maps their gradients to those of the inputs.
 */
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

/** Puts a call on the tape, if one of its inputs needs a gradient. */
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

/** The cost of the backward pass: two multiply-adds for each row and weight, three with recomputation. */
function workOf({ input, parameters, checkpointEvery }: RecurrentCall): number {
  const rows = input.numel / (input.shape.at(-1) ?? 1)
  const weights = parameters.reduce((total, { numel }) => total + numel, 0)
  return ((checkpointEvery === null ? 2 : 3) * rows * weights) / multiplyAddsOfAnElement
}

/** The inputs on the tape: those that are present, in the order of the addon's arguments. */
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
  const all = wanted.includes(true, next) // the addon writes the gradients of all parameters or of none
  for (const parameter of parameters) {
    written.push(all ? gradientSlabs.allocate(dtype, parameter) : null)
  }
  return written
}

/** The gradients in the order of {@link inputsOf}. */
function presentGradients(
  { teacher, states }: RecurrentCall,
  written: readonly (Floats | null)[],
): (Floats | null)[] {
  return written.filter((_, place) => {
    if (place === 1) return teacher !== null
    return states[place - 2] !== null // undefined for all but states
  })
}

/** Shared by calls that save nothing. */
const nothing = { float32: new Float32Array(0), float64: new Float64Array(0) }

/** Allocates what the forward pass saves for the backward pass, without the output. */
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
  // A live result pins its slab, so inference results get buffers of their own.
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

/** The first arguments of both passes. */
function inputArrays({ lengths, input, teacher, states, parameters }: RecurrentCall): Arrays {
  const arrays: Arrays = [lengths, input.values(), valuesOf(teacher)]
  for (const state of states) arrays.push(valuesOf(state))
  if (parameters.length > most) arrays.push(parameters.map(valuesOf))
  else for (const parameter of parameters) arrays.push(parameter.values())
  return arrays
}

/** More parameters or gradients than this go as a list: JavaScript limits the number of arguments. */
const most = 1000

/** Appends gradients to arguments; those of the parameters are the last. */
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

/** An array in the layout of the input. If it has padding, the addon clears it first. */
function inRows({ lengths }: RecurrentCall, { shape, numel }: Sized): Allocation & Sized {
  return { shape, numel, cleared: lengths !== null }
}
