/** What all modes work with. */

import type { Field } from '../contenders/contender'
import type { PeakMeter } from '../lib/peak'
import type { Options } from '../options'
import type { Results } from '../report/results'

export interface Bench {
  readonly options: Options
  readonly field: Field
  readonly meter: PeakMeter
  /** what has been found so far; modes add to it */
  readonly results: Results
  /** Writes the files, so that nothing is lost if the rest is broken off. */
  save(): void
}
