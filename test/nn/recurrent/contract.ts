/**
 * The contract of every recurrent module, whatever its cell: `describeContract` runs all of it for one module, given by
 * a {@link Description}. The values of a cell are tested elsewhere: against PyTorch in golden.test.ts, against its
 * equation in the module's own tests.
 */

import { describe } from 'vitest'
import { describeBackward } from './contract/backward'
import { type Description, Kind } from './contract/description'
import { describeErrors } from './contract/errors'
import { describeForward } from './contract/forward'
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
