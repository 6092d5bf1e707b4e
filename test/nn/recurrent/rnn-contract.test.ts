/** The contract of recurrent modules, kept by nn.RNN. */

import { describeContract } from './contract'
import { rnn } from './contract/kinds'

describeContract(rnn)
