/**
 * The contract of every recurrent module, whatever its cell: `describeContract` runs all of it for one module, given by
 * a {@link Description}, and `describeCellContract` for a module of one step, given by a {@link CellDescription}, what
 * does not need time: shapes, flags, gradients, dtypes, bits and errors. The values are tested elsewhere: against PyTorch
 * in golden.test.ts, against its equation in the module's own tests.
 */

import { describe } from 'vitest'
import { describeBackward, describeGradients } from './contract/backward'
import { describeSteps } from './contract/cells'
import { type CellDescription, CellKind, type Description, Kind } from './contract/description'
import { describeErrors, describeRefusals } from './contract/errors'
import { describeCall, describeForward } from './contract/forward'
import { describeSequences } from './contract/sequences'

/** Declares the tests of the contract. */
export function describeContract<Hx>(description: Description<Hx>): void {
  const kind = new Kind(description)
  describe(`nn.${description.name} keeps to the contract of recurrent modules:`, () => {
    describeForward(kind)
    describeBackward(kind)
    describeSequences(kind)
    describeErrors(kind)
  })
}

/** Declares the tests of the contract for a cell. */
export function describeCellContract<Hx>(description: CellDescription<Hx>): void {
  const kind = new CellKind(description)
  describe(`nn.${description.name} keeps to the contract of cells:`, () => {
    describeCall(kind)
    describeGradients(kind)
    describeSteps(kind)
    describeRefusals(kind)
  })
}
