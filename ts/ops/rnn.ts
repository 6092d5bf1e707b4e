/** A stack of recurrent layers as one operation: forward, and back-propagation through time. */

import { record, willRecord } from '../autograd/node'
import { Saved } from '../autograd/saved'
import { Variable } from '../autograd/variable'
import { elementCount } from '../check'
import { allocate } from '../dtype'
import type { Floats, NativeRnnCore, NativeSequences } from '../native'

/** Everything that one call of the stack works on. */
export interface RnnCall {
  readonly core: NativeRnnCore
  /** How the time steps of the sequences lie in `input` and in the output. */
  readonly sequences: NativeSequences
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
  readonly input: Variable
  /** (L·D, B, H), or null for zeros. */
  readonly hx: Variable | null
  /** The probability of dropout between layers in this call; 0 outside training. */
  readonly dropout: number
  /** Names the mask. */
  readonly seed: number
  readonly outputShape: readonly number[]
  readonly hNShape: readonly number[]
}

/** The gradients of a call; null where not wanted. */
interface Gradients {
  readonly input: Floats | null
  readonly hx: Floats | null
  readonly parameters: Floats[] | null
}

/** The output and last hidden states of a call, on the tape if a gradient is needed. */
export function rnn(call: RnnCall): [output: Variable, hN: Variable] {
  const inputs = inputsOf(call)
  if (!willRecord(inputs)) return forward(call, null)
  const saved = allocateSaved(call)
  const [output, hN] = forward(call, saved)
  const { hx } = call
  record({
    name: 'RnnBackward0',
    inputs,
    outputs: [output, hN],
    saves: [...inputs, output],
    backward: ([gradOutput = null, gradHN = null], wanted) => {
      const [toInput = false, ...toRest] = wanted
      const toHx = hx !== null && (toRest.shift() ?? false)
      const gradients = {
        input: toInput ? zerosLike(call.input) : null,
        hx: toHx ? zerosLike(hx) : null,
        parameters: toRest.includes(true) ? call.parameters.map(zerosLike) : null,
      }
      backward(call, output, saved, gradOutput, gradHN, gradients)
      const parts = gradients.parameters ?? toRest.map(() => null)
      return hx === null ? [gradients.input, ...parts] : [gradients.input, gradients.hx, ...parts]
    },
  })
  return [output, hN]
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
  const [output, hN] = forward(call, saved)
  const kept = [...inputsOf(call), output].map((variable) => new Saved(variable))
  const pullback = (gradOutput: Floats | null, gradHN: Floats | null): Cotangents => {
    for (const one of kept) one.check('vjp')
    const gradients = {
      input: zerosLike(call.input),
      hx: zerosLike(hN),
      parameters: call.parameters.map(zerosLike),
    }
    backward(call, output, saved, gradOutput, gradHN, gradients)
    return {
      input: Variable.of(gradients.input, call.input.shape),
      hx: Variable.of(gradients.hx, hN.shape),
      parameters: call.parameters.map(({ shape, dtype }, place) =>
        Variable.of(gradients.parameters[place] ?? allocate(dtype, 0), shape),
      ),
    }
  }
  return { output, hN, pullback }
}

/** What the tape sees of a call. */
function inputsOf({ input, hx, parameters }: RnnCall): Variable[] {
  return hx === null ? [input, ...parameters] : [input, hx, ...parameters]
}

/** Room for what the native forward leaves for the native backward, beside the output. */
function allocateSaved({ core, sequences, input }: RnnCall): Floats {
  return allocate(input.dtype, core.savedLength(sequences))
}

function forward(call: RnnCall, saved: Floats | null): [output: Variable, hN: Variable] {
  const { dtype } = call.input
  const output = allocate(dtype, elementCount(call.outputShape))
  const hN = allocate(dtype, elementCount(call.hNShape))
  call.core.forward(
    call.sequences,
    call.parameters.map((parameter) => parameter.values()),
    call.input.values(),
    call.hx?.values() ?? null,
    call.dropout,
    call.seed,
    output,
    hN,
    saved,
  )
  return [Variable.of(output, call.outputShape), Variable.of(hN, call.hNShape)]
}

function backward(
  call: RnnCall,
  output: Variable,
  saved: Floats,
  gradOutput: Floats | null,
  gradHN: Floats | null,
  gradients: Gradients,
): void {
  call.core.backward(
    call.sequences,
    call.parameters.map((parameter) => parameter.values()),
    call.input.values(),
    call.hx?.values() ?? null,
    call.dropout,
    call.seed,
    output.values(),
    saved,
    gradOutput,
    gradHN,
    gradients.input,
    gradients.hx,
    gradients.parameters,
  )
}

function zerosLike({ dtype, numel }: Variable): Floats {
  return allocate(dtype, numel)
}
