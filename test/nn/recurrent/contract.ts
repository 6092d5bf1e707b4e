/**
 * What every recurrent module keeps to, whatever its cell: `describeContract` runs it all for one kind of module, which
 * a {@link Description} tells of. What a cell computes is compared elsewhere: with PyTorch's numbers in golden.test.ts,
 * with its equation in the module's own tests.
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
