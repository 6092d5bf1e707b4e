/** Puts operations on the tape. */

import type { Floats } from '../native'
import { isRecording } from './grad-mode'
import { GraphNode, type Operation, Variable } from './variable'

/** Multiply-adds of a large GEMM that take as long as one element of an addition. */
export const multiplyAddsOfAnElement = 32

/** Whether an operation on these inputs will be recorded: recording is on, and one of them needs a gradient. */
export function willRecord(inputs: readonly Variable[]): boolean {
  return isRecording() && inputs.some((input) => input.requiresGrad)
}

/** Puts an operation on the tape, as the origin of its outputs; does nothing unless {@link willRecord}. */
export function record(operation: Operation): void {
  if (!willRecord(operation.inputs)) return
  const node = new GraphNode(operation)
  operation.outputs.forEach((variable, output) => {
    variable.origin = { node, output }
  })
}

/** The output of an operation with a single one, whose backward function reads `saves`. */
export function apply(
  name: string,
  data: Floats,
  shape: readonly number[],
  inputs: readonly Variable[],
  saves: readonly Variable[] | 'output',
  backward: (gradient: Floats, wanted: readonly boolean[]) => (Floats | null)[],
  rest: Pick<Operation, 'work' | 'holds'> = {},
): Variable {
  const output = Variable.of(data, shape)
  const nothing = inputs.map(() => null)
  record({
    ...rest,
    name,
    inputs,
    outputs: [output],
    saves: saves === 'output' ? [output] : saves,
    backward: ([gradient], wanted) => (gradient ? backward(gradient, wanted) : nothing),
  })
  return output
}
