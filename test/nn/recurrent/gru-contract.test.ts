/** The contract of recurrent modules, kept by nn.GRU. */

import { describeContract } from './contract'
import { gru } from './contract/kinds'

describeContract(gru)
