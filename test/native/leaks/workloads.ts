/** The workloads of the leak tests: an action for each name, created by each call. */

import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { nn, noGrad, optim, randn, tensor, zeros } from '@elman/rnn'

type Action = () => void | Promise<void>

/** T, B, I, H: the arrays of a step are 120 KB together, the smallest of them 1 KB. */
const [T, B, I, H] = [20, 8, 16, 32]

/** Trains a model with all that a step can have: dropout, a state that is carried on, clipping, Adam. */
function training(): Action {
  const rnn = new nn.RNN(I, H, { numLayers: 2, dropout: 0.1 })
  const head = new nn.Linear(H, 10)
  const parameters = [...rnn.parameters(), ...head.parameters()]
  const optimizer = new optim.Adam(parameters)
  const criterion = new nn.CrossEntropyLoss()
  const input = randn([T, B, I])
  const targets = tensor(new Int32Array(T * B), { shape: [T, B] })
  let state = zeros([2, B, H])
  return () => {
    optimizer.zeroGrad()
    const [output, hN] = rnn.forward(input, state)
    criterion.forward(head.forward(output), targets).backward()
    nn.utils.clipGradNorm_(parameters, 1)
    optimizer.step()
    state = hN.detach()
  }
}

/** Trains an LSTM with a projection and a GRU above it, with the states of the one carried on. */
function trainingGated(): Action {
  const lstm = new nn.LSTM(I, H, { projSize: 24 })
  const gru = new nn.GRU(24, H)
  const optimizer = new optim.Adam([...lstm.parameters(), ...gru.parameters()])
  const input = randn([T, B, I])
  let state: nn.LSTMState = [zeros([1, B, 24]), zeros([1, B, H])]
  return () => {
    optimizer.zeroGrad()
    const [below, [h, c]] = lstm.forward(input, state)
    gru.forward(below)[0].mean().add(c.mean()).backward()
    optimizer.step()
    state = [h.detach(), c.detach()]
  }
}

/** The training of an `nn.RNN` in the background, with one cancelled call each time. */
function trainingAsync(): Action {
  const rnn = new nn.RNN(I, H, { numLayers: 2 })
  const optimizer = new optim.SGD(rnn.parameters())
  const input = randn([T, B, I])
  return async () => {
    optimizer.zeroGrad()
    const controller = new AbortController()
    const lost = rnn.forwardAsync(input, null, { signal: controller.signal }).catch(() => {})
    const [output] = await rnn.forwardAsync(input)
    controller.abort()
    await output.mean().backwardAsync()
    await lost
    optimizer.step()
  }
}

/** Inference on padded sequences, with other lengths each time. */
function inference(): Action {
  const rnn = new nn.RNN(I, H, { numLayers: 2, bidirectional: true }).eval()
  const input = randn([T, B, I])
  let call = 0
  return () => {
    call += 1
    const lengths = Array.from({ length: B }, (_, row) => 1 + ((call + row) % T))
    noGrad(() => rnn.forward(input, null, { lengths }))
  }
}

/** A stream that is made for each call, some steps of it, and the states that these lead to. */
function streaming(): Action {
  const rnn = new nn.RNN(I, H, { numLayers: 2 })
  return () => {
    const stream = rnn.stream({ batchSize: B })
    for (let step = 0; step < 4; step += 1) stream.step()
    stream.reset(stream.hidden)
  }
}

/** A worker thread that loads the package, trains, leaves work unfinished in the background and ends. */
function workers(): Action {
  const path = createRequire(import.meta.url).resolve('@elman/rnn')
  const source = `
    const { nn, optim, randn } = require(${JSON.stringify(path)})
    const rnn = new nn.RNN(${I}, ${H}, { numLayers: 2 })
    const optimizer = new optim.Adam(rnn.parameters())
    const [output] = rnn.forward(randn([${T}, ${B}, ${I}]))
    output.mean().backward()
    optimizer.step()
    rnn.stream().step()
    rnn.forwardAsync(randn([${T}, ${B}, ${I}]))
    process.exit(7)`
  return () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, execArgv: [] })
      worker.once('error', reject)
      worker.once('exit', (code) =>
        code === 7 ? resolve() : reject(new Error(`a worker ended with ${code}`)),
      )
    })
}

/** Keeps the smallest array of each training step, to show that the test finds such a leak. */
function leaking(): Action {
  const kept: unknown[] = []
  const train = training()
  return () => {
    train()
    kept.push(new Float32Array(B * H).fill(1))
  }
}

/** The workloads by name, each with the number of times of the full run. */
export const workloads: Readonly<
  Record<string, { readonly times: number; readonly make: () => Action }>
> = {
  training: { times: 10_000, make: training },
  'training of gates': { times: 5000, make: trainingGated },
  'training in the background': { times: 10_000, make: trainingAsync },
  inference: { times: 100_000, make: inference },
  streams: { times: 100_000, make: streaming },
  workers: { times: 100, make: workers },
}

/** The workloads that must be found to leak. */
export const leaks: typeof workloads = {
  'an array kept by each training step': { times: 10_000, make: leaking },
}
