/** The contract of recurrent modules for nn.JordanRNN, without and with a teacher. */

import { describe } from 'vitest'
import { describeContract } from './contract'
import { jordan, taughtJordan } from './contract/kinds'

describeContract(jordan)
describe('with a teacher,', () => describeContract(taughtJordan))
