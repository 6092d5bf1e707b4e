/** A stack of recurrent layers as one operation: forward, and back-propagation through time. */

import { multiplyAddsOfAnElement, record, willRecord } from '../autograd/node'
import { Saved } from '../autograd/saved'
import { type Sized, Variable } from '../autograd/variable'
import { Background, Turns } from '../background'
import { allocateUnset } from '../dtype'
import type { Floats, NativeRnnCore, NativeSequences } from '../native'
import { gradientPool, type Room, resultPool } from '../pool'

/** What calls on inputs of the same sizes have in common. */
export interface Rows {
  /** How the time steps of the sequences lie in the input and in the output. */
  readonly sequences: NativeSequences
  readonly output: Sized
  readonly hN: Sized
  /** What the addon says that it keeps, without lengths and checkpoints; not asked yet if missing. */
  savedLength?: number
}

/** Everything that one call of the stack works on. */
export interface RnnCall {
  readonly core: NativeRnnCore
  readonly rows: Rows
  /** Those of padded sequences, if they differ. */
  readonly lengths: Int32Array | null
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
  readonly input: Variable
  /** (L·D, B, H), or null for zeros. */
  readonly hx: Variable | null
  /** The probability of dropout between layers in this call; 0 outside training. */
  readonly dropout: number
  /** Draws what names the mask: if there is one, after all that can fail, so that an error leaves the random numbers where they were. */
  readonly drawSeed: () => number
  /** Steps of a segment, if only the states before each segment are kept for the backward pass; else null. */
  readonly checkpointEvery: number | null
}

/** The gradients of a call; null where not wanted. */
interface Gradients {
  readonly input: Floats | null
  readonly hx: Floats | null
  readonly parameters: Floats[] | null
}

/** What a call makes. */
interface Made {
  readonly output: Variable
  readonly hN: Variable
  /** What the native forward leaves for the native backward, beside the output; null if that will not run. */
  readonly saved: Floats | null
  /** Names the mask of dropout; 0 if there is none. */
  seed: number
  /** That of parameters, input, hx and output as the forward pass has seen and left them. */
  fingerprint: number
}

/** The output and last hidden states of a call, on the tape if a gradient is needed. */
export function rnn(call: RnnCall): [output: Variable, hN: Variable] {
  const inputs = inputsOf(call)
  const made = makeRoom(call, willRecord(inputs) ? allocateSaved(call) : null)
  made.fingerprint = forward(call, made)
  recordCall(call, inputs, made)
  return [made.output, made.hN]
}

/** The same off the event loop, from arguments and parameters as they are now. */
export async function rnnAsync(
  call: RnnCall,
  signal: AbortSignal | null,
): Promise<[output: Variable, hN: Variable]> {
  signal?.throwIfAborted()
  const inputs = inputsOf(call)
  const made = makeRoom(call, willRecord(inputs) ? allocateSaved(call) : null)
  const background = new Background(new Turns())
  try {
    background.note(() => forward(call, made))
    recordCall(call, inputs, made) // now, since what needs a gradient may be something else later
    made.fingerprint = await background.run(signal)
    for (const array of [made.output.values(), made.hN.values(), made.saved]) {
      if (array !== null) await background.deliver(array)
    }
    signal?.throwIfAborted()
  } finally {
    background.release()
  }
  return [made.output, made.hN]
}

/** Puts a call on the tape, if it has to be. */
function recordCall(call: RnnCall, inputs: readonly Variable[], made: Made): void {
  const { output, hN, saved } = made
  if (saved === null) return
  const { hx } = call
  record({
    name: 'RnnBackward0',
    inputs,
    outputs: [output, hN],
    saves: [...inputs, output],
    fingerprinted: true,
    holds: [saved],
    work: workOf(call),
    backward: ([gradOutput = null, gradHN = null], wanted) => {
      const [toInput = false, ...toRest] = wanted
      const toHx = hx !== null && (toRest.shift() ?? false)
      const toParameters = toRest.includes(true)
      const { dtype } = call.input
      const gradients = {
        input: toInput ? gradientPool.allocate(dtype, inRows(call, call.input)) : null,
        hx: toHx ? gradientPool.allocate(dtype, hx) : null,
        parameters: toParameters
          ? call.parameters.map((parameter) => gradientPool.allocate(dtype, parameter))
          : null,
      }
      backward(call, made, saved, gradOutput, gradHN, gradients)
      const parts = gradients.parameters ?? toRest.map(() => null)
      return hx === null ? [gradients.input, ...parts] : [gradients.input, gradients.hx, ...parts]
    },
  })
}

/** How long the backward pass takes: each row meets each weight twice, and once more if it is computed again. */
function workOf({ input, parameters, checkpointEvery }: RnnCall): number {
  const rows = input.numel / (input.shape.at(-1) ?? 1)
  const weights = parameters.reduce((total, { numel }) => total + numel, 0)
  return ((checkpointEvery === null ? 2 : 3) * rows * weights) / multiplyAddsOfAnElement
}

/** The gradients that the pullback of {@link rnnVjp} gives. */
export interface Cotangents {
  readonly input: Variable
  readonly hx: Variable
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
}

/** The output and last hidden states without a tape, and the function that carries gradients back through them. */
export function rnnVjp(call: RnnCall): {
  output: Variable
  hN: Variable
  pullback: (gradOutput: Floats | null, gradHN: Floats | null) => Cotangents
} {
  const saved = allocateSaved(call)
  const made = makeRoom(call, saved)
  made.fingerprint = forward(call, made)
  const { output, hN } = made
  const kept = new Saved('vjp', [...inputsOf(call), output], true)
  const pullback = (gradOutput: Floats | null, gradHN: Floats | null): Cotangents => {
    kept.check()
    const room = (of: Room & Sized): Variable =>
      Variable.made(of, gradientPool.allocate(call.input.dtype, of))
    const gradients = {
      input: room(inRows(call, call.input)),
      hx: room(hN),
      parameters: call.parameters.map(room),
    }
    backward(call, made, saved, gradOutput, gradHN, {
      input: gradients.input.values(),
      hx: gradients.hx.values(),
      parameters: valuesOf(gradients.parameters),
    })
    return gradients
  }
  return { output, hN, pullback }
}

/** What the tape sees of a call. */
function inputsOf({ input, hx, parameters }: RnnCall): Variable[] {
  return hx === null ? [input, ...parameters] : [input, hx, ...parameters]
}

/** What a stack of one layer leaves: nothing but the output. */
const nothing = { float32: new Float32Array(0), float64: new Float64Array(0) }

/** Room for what the native forward leaves for the native backward, beside the output. */
function allocateSaved(call: RnnCall): Floats {
  const { dtype } = call.input
  const length = savedLength(call)
  return length === 0 ? nothing[dtype] : allocateUnset(dtype, length)
}

function savedLength({ core, rows, lengths, checkpointEvery }: RnnCall): number {
  if (lengths !== null || checkpointEvery !== null) {
    return core.savedLength(rows.sequences, checkpointEvery, lengths)
  }
  rows.savedLength ??= core.savedLength(rows.sequences, null, null)
  return rows.savedLength
}

/** Room for the results. */
function makeRoom(call: RnnCall, saved: Floats | null): Made {
  const { dtype } = call.input
  const { output, hN } = call.rows
  // Without a backward pass alone: who keeps the last states of many sequences would keep all their outputs too.
  const data = (room: Room): Floats =>
    saved === null
      ? allocateUnset(dtype, room.numel, room.cleared)
      : resultPool.allocate(dtype, room)
  return {
    output: Variable.made(output, data(inRows(call, output))),
    hN: Variable.made(hN, data(hN)),
    saved,
    seed: 0,
    fingerprint: 0,
  }
}

/** Fills the results; returns the fingerprint. */
function forward(call: RnnCall, made: Made): number {
  const { core, rows, input, hx, dropout, checkpointEvery, lengths } = call
  const parameters = valuesOf(call.parameters)
  const values = input.values()
  const state = hx?.values() ?? null
  made.seed = dropout > 0 ? call.drawSeed() : 0
  return core.forward(
    rows.sequences,
    parameters,
    values,
    state,
    dropout,
    made.seed,
    made.output.values(),
    made.hN.values(),
    made.saved,
    checkpointEvery,
    lengths,
  )
}

function backward(
  call: RnnCall,
  { output, seed, fingerprint }: Made,
  saved: Floats,
  gradOutput: Floats | null,
  gradHN: Floats | null,
  gradients: Gradients,
): void {
  call.core.backward(
    call.rows.sequences,
    valuesOf(call.parameters),
    call.input.values(),
    call.hx?.values() ?? null,
    call.dropout,
    seed,
    output.values(),
    saved,
    gradOutput,
    gradHN,
    gradients.input,
    gradients.hx,
    gradients.parameters,
    fingerprint,
    call.checkpointEvery,
    call.lengths,
  )
}

function valuesOf(variables: readonly Variable[]): Floats[] {
  return variables.map((variable) => variable.values())
}

/** Room for rows in the order of the input's. Where some are padding, the addon clears all first. */
function inRows({ lengths }: RnnCall, { shape, numel }: Sized): Room & Sized {
  return { shape, numel, cleared: lengths !== null }
}
