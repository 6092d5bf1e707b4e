/** The contract of recurrent modules, kept by nn.LSTM, with a projection and without. */

import { describe } from 'vitest'
import { describeContract } from './contract'
import { lstm, projectedLstm } from './contract/kinds'

describeContract(lstm)
describe('with a projection,', () => describeContract(projectedLstm))
