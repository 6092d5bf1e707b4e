/** Trains too; its types are checked under both ways in which TypeScript finds a package. */
import { manualSeed, nn, optim, rand, type Tensor } from '@elman/rnn'

manualSeed(1)
const rnn = new nn.RNN(2, 8, { nonlinearity: 'relu' })
const optimizer = new optim.SGD(rnn.parameters(), { lr: 0.1 })
const losses: number[] = []
for (let step = 0; step < 50; step += 1) {
  const [output]: [Tensor, Tensor] = rnn.forward(rand([3, 4, 2]))
  const loss = new nn.MSELoss().forward(output, output.mul(0).detach())
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  losses.push(loss.item())
}
const [first = 0, last = 1] = [losses[0], losses.at(-1)]
if (!(last < first)) throw new Error(`the loss went from ${first} to ${last}`)

// @ts-expect-error: a size is a number
export const wrong = () => new nn.RNN('two', 3)
console.log('done')
