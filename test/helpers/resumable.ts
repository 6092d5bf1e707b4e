/**
 * Training that can be interrupted: `resumable.ts FOLDER FROM TO`.
 *
 * For every optimizer and every schedule, it trains from step FROM (loaded from the checkpoint of that step unless FROM
 * is 0) to step TO, and writes the checkpoint `FOLDER/<optimizer>-<schedule>-<step>`, with the losses as extra value.
 */

import { join } from 'node:path'
import {
  loadCheckpoint,
  manualSeed,
  nn,
  optim,
  randn,
  saveCheckpoint,
  type Tensor,
} from '@elman/rnn'
import { endEpoch } from './schedules'

class Model extends nn.Module {
  rnn = new nn.RNN(3, 4, { numLayers: 2, dropout: 0.5 })
  lstm = new nn.LSTM(4, 4, { numLayers: 2, dropout: 0.5, projSize: 3 })
  gru = new nn.GRU(3, 4, { numLayers: 2, dropout: 0.5 })
  drop = new nn.Dropout(0.3)
  head = new nn.Linear(4, 2)

  forward(input: Tensor): Tensor {
    const [below] = this.rnn.forward(input)
    const [remembered] = this.lstm.forward(below)
    const [output] = this.gru.forward(remembered)
    return this.head.forward(this.drop.forward(output))
  }
}

const { StepLR, CosineAnnealingLR, ReduceLROnPlateau } = optim.lrScheduler

const optimizers = {
  SGD: (model: Model) => new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }),
  Adam: (model: Model) => new optim.Adam(model.parameters(), { lr: 0.01, amsgrad: true }),
  AdamW: (model: Model) => new optim.AdamW(model.parameters(), { lr: 0.01 }),
  RMSprop: (model: Model) =>
    new optim.RMSprop(
      [
        { params: [...model.rnn.parameters(), ...model.gru.parameters()], centered: true },
        { params: [...model.lstm.parameters(), ...model.head.parameters()] },
      ],
      { lr: 0.01, momentum: 0.5 },
    ),
}

type AnyOptimizer = ReturnType<(typeof optimizers)[keyof typeof optimizers]>

const schedulers = {
  StepLR: (optimizer: AnyOptimizer) => new StepLR(optimizer, 2, { gamma: 0.7 }),
  CosineAnnealingLR: (optimizer: AnyOptimizer) => new CosineAnnealingLR(optimizer, 5),
  ReduceLROnPlateau: (optimizer: AnyOptimizer) =>
    new ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.8, cooldown: 1 }),
}

const [folder = '', ...steps] = process.argv.slice(2)
const [from = 0, to = 0] = steps.map(Number)

for (const [optimizerName, makeOptimizer] of Object.entries(optimizers)) {
  for (const [schedulerName, makeScheduler] of Object.entries(schedulers)) {
    const file = (step: number): string => join(folder, `${optimizerName}-${schedulerName}-${step}`)
    // A process that continues starts from other random numbers than the one before.
    manualSeed(from === 0 ? 11 : 99)
    const model = new Model()
    const optimizer = makeOptimizer(model)
    const scheduler = makeScheduler(optimizer)
    const losses: number[] = []
    if (from > 0) {
      const extra = loadCheckpoint(file(from), { model, optimizer, scheduler })
      losses.push(...(extra as number[]))
    }
    const criterion = new nn.BCEWithLogitsLoss()
    for (let step = from; step < to; step += 1) {
      optimizer.zeroGrad()
      const target = randn([5, 2, 2]).sigmoid().detach()
      const loss = criterion.forward(model.forward(randn([5, 2, 3])), target)
      loss.backward()
      nn.utils.clipGradNorm_(model.parameters(), 0.1)
      nn.utils.clipGradValue_(model.parameters(), 0.05)
      optimizer.step()
      losses.push(loss.item())
      endEpoch(scheduler, loss.item())
    }
    saveCheckpoint({ model, optimizer, scheduler, extra: losses }, file(to))
  }
}
