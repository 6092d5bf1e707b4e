/** A Jordan network as one operation: forward, and back-propagation through time. */

import { multiplyAddsOfAnElement, record, willRecord } from '../autograd/node'
import { type Sized, Variable } from '../autograd/variable'
import { allocateUnset } from '../dtype'
import type { Floats, NativeJordanCore, NativeSequences } from '../native'
import { gradientPool } from '../pool'

/** What calls on inputs of the same sizes have in common. */
export interface JordanRows {
  /** How the time steps of the sequences lie in `input`, `teacher` and the output. */
  readonly sequences: NativeSequences
  readonly output: Sized
  readonly yN: Sized
  /** What the addon says that it keeps, without lengths; not asked yet if missing. */
  savedLength?: number
}

/** Everything that one call of the network works on. */
export interface JordanCall {
  readonly core: NativeJordanCore
  readonly rows: JordanRows
  /** Those of the sequences, if they differ. */
  readonly lengths: Int32Array | null
  /** In the order of the state dict. */
  readonly parameters: readonly Variable[]
  readonly input: Variable
  /** (B, O), or null for zeros. */
  readonly y0: Variable | null
  /** What is fed back, in the shape of the output; null for the output itself. */
  readonly teacher: Variable | null
}

/** The outputs and the last ones of a call, on the tape if a gradient is needed. */
export function jordan(call: JordanCall): [output: Variable, yN: Variable] {
  const { core, rows, lengths, parameters, input, y0, teacher } = call
  const { sequences } = rows
  const { dtype } = input
  const padded = lengths !== null // the addon clears the rows of its results first
  const inputs = [input, y0, teacher, ...parameters].filter((one) => one !== null)
  const saved = willRecord(inputs) ? allocateUnset(dtype, savedLength(call)) : null
  const output = Variable.like(rows.output, allocateUnset(dtype, rows.output.numel, padded))
  const yN = Variable.like(rows.yN, allocateUnset(dtype, rows.yN.numel))
  const fingerprint = core.forward(
    sequences,
    parameters.map((parameter) => parameter.values()),
    input.values(),
    y0?.values() ?? null,
    teacher?.values() ?? null,
    output.values(),
    yN.values(),
    saved,
    lengths,
  )
  if (saved === null) return [output, yN]
  record({
    name: 'JordanBackward0',
    inputs,
    outputs: [output, yN],
    saves: [...inputs, output],
    fingerprinted: true,
    holds: [saved],
    work: workOf(call),
    backward: ([gradOutput = null, gradYN = null], wanted) => {
      const places = wanted.slice()
      const room = (variable: Variable | null, cleared: boolean): Floats | null =>
        variable !== null && places.shift() === true
          ? gradientPool.allocate(dtype, { numel: variable.numel, cleared })
          : null
      const [ofInput, ofY0, ofTeacher] = [
        room(input, padded),
        room(y0, false),
        room(teacher, padded),
      ]
      const ofParameters = places.includes(true)
        ? parameters.map((parameter) => gradientPool.allocate(dtype, parameter))
        : null
      core.backward(
        sequences,
        parameters.map((parameter) => parameter.values()),
        input.values(),
        y0?.values() ?? null,
        teacher?.values() ?? null,
        output.values(),
        saved,
        gradOutput,
        gradYN,
        ofInput,
        ofY0,
        ofTeacher,
        ofParameters,
        fingerprint,
        lengths,
      )
      return [
        ofInput,
        ...(y0 === null ? [] : [ofY0]),
        ...(teacher === null ? [] : [ofTeacher]),
        ...(ofParameters ?? parameters.map(() => null)),
      ]
    },
  })
  return [output, yN]
}

/** Elements that the native forward leaves for the native backward, beside the output. */
function savedLength({ core, rows, lengths }: JordanCall): number {
  if (lengths !== null) return core.savedLength(rows.sequences, lengths)
  rows.savedLength ??= core.savedLength(rows.sequences, null)
  return rows.savedLength
}

/** How long the backward pass takes: each row meets each weight twice. */
function workOf({ input, parameters }: JordanCall): number {
  const rows = input.numel / (input.shape.at(-1) ?? 1)
  const weights = parameters.reduce((total, { numel }) => total + numel, 0)
  return (2 * rows * weights) / multiplyAddsOfAnElement
}
