/** The contract of recurrent modules, kept by nn.JordanRNN, alone and with a teacher. */

import { describe } from 'vitest'
import { describeContract } from './contract'
import { jordan, taughtJordan } from './contract/kinds'

describeContract(jordan)
describe('with a teacher,', () => describeContract(taughtJordan))
