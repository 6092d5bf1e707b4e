/** Mistakes, and what TypeScript says of them; test/platform/compilers.test.ts compares it. */

import { nn, tensor, zeros } from '@elman/rnn'

const indices = tensor([1], { dtype: 'int32' })
new nn.MSELoss().forward(indices, zeros([1]))
new nn.CrossEntropyLoss().forward(zeros([1, 2]), zeros([1]))
new nn.Linear(2, 2).forward(zeros([2], { dtype: 'float64' }))
new nn.RNN(2, 2).weight_hh_l7.data
new nn.RNN(2, 2, { numLayers: 2, projSize: 1 })
