/** The contract of recurrent cells, kept by nn.RNNCell, nn.LSTMCell and nn.GRUCell. */

import { describeCellContract } from './contract'
import { gruCell, lstmCell, rnnCell } from './contract/kinds'

describeCellContract(rnnCell)
describeCellContract(lstmCell)
describeCellContract(gruCell)
