/** The contract of recurrent modules for nn.RNN. */

import { describeContract } from './contract'
import { rnn } from './contract/kinds'

describeContract(rnn)
