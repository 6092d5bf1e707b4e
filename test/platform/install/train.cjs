/** Trains a small network and gives the losses, with the package as the caller has imported it. */
module.exports = function train({ manualSeed, nn, optim, rand }) {
  manualSeed(0)
  const rnn = new nn.RNN(1, 16)
  const head = new nn.Linear(16, 1)
  const optimizer = new optim.Adam([...rnn.parameters(), ...head.parameters()], { lr: 0.01 })
  const criterion = new nn.MSELoss()
  const losses = []
  for (let step = 0; step < 60; step += 1) {
    const input = rand([5, 32, 1])
    const [, hN] = rnn.forward(input)
    const loss = criterion.forward(head.forward(hN.select(0, 0)), input.select(0, 4))
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    losses.push(loss.item())
  }
  const [first, last] = [losses[0], losses[losses.length - 1]]
  if (!(last < first / 4)) throw new Error(`the loss went from ${first} to ${last}`)
  return losses
}
