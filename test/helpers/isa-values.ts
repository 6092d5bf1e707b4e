/**
 * Prints results of the instruction set in use: the numbers of a training step, for comparison with other sets, and its
 * errors for limit values.
 */

import { backendInfo, manualSeed, nn, optim, randn } from '@elman/rnn'
import { wrongAtLimits } from './limits'

manualSeed(1)
const rnn = new nn.RNN(19, 37, { numLayers: 2, bidirectional: true })
const optimizer = new optim.Adam(rnn.parameters(), { lr: 0.01 })
const input = randn([7, 5, 19])
const values: number[] = []
for (let step = 0; step < 2; step += 1) {
  const [output, hN] = rnn.forward(input, null, { lengths: [3, 7, 1, 5, 7] })
  optimizer.zeroGrad()
  output.mul(output).mean().add(hN.sigmoid().mean()).backward()
  optimizer.step()
  values.push(...output.data, ...hN.data)
}
for (const { grad } of rnn.parameters()) values.push(...(grad?.data ?? []))
console.log(JSON.stringify({ isa: backendInfo().isa, values, wrong: wrongAtLimits() }))
