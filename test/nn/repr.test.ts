/** Modules and optimizers as text: what PyTorch 2.13 prints for the same arguments. */

import { inspect } from 'node:util'
import { nn, optim, tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'

const { lrScheduler } = optim

describe('modules', () => {
  it.each<[nn.Module, string]>([
    [new nn.RNN(3, 3, { numLayers: 2, dropout: 1 }), 'RNN(3, 3, num_layers=2, dropout=1.0)'],
    [
      new nn.RNN(3, 3, { numLayers: 2, dropout: 0.1 + 0.2 }),
      'RNN(3, 3, num_layers=2, dropout=0.30000000000000004)',
    ],
    [
      new nn.LSTM(3, 4, { projSize: 2, numLayers: 2, bias: false, dropout: 1e-7 }),
      'LSTM(3, 4, proj_size=2, num_layers=2, bias=False, dropout=1e-07)',
    ],
    [new nn.GRU(3, 3, { numLayers: 2, dropout: 0.25 }), 'GRU(3, 3, num_layers=2, dropout=0.25)'],
    [
      new nn.GRU(3, 3, { numLayers: 2, dropout: 5e-324 }),
      'GRU(3, 3, num_layers=2, dropout=5e-324)',
    ],
    [new nn.Dropout(), 'Dropout(p=0.5, inplace=False)'],
    [new nn.Dropout(1), 'Dropout(p=1, inplace=False)'],
    [new nn.Dropout(0), 'Dropout(p=0, inplace=False)'],
    [new nn.Dropout(1e-4), 'Dropout(p=0.0001, inplace=False)'],
    [new nn.Dropout(1.5e-5), 'Dropout(p=1.5e-05, inplace=False)'],
    [new nn.Linear(2, 1), 'Linear(in_features=2, out_features=1, bias=True)'],
    [new nn.Linear(2, 1, { bias: false }), 'Linear(in_features=2, out_features=1, bias=False)'],
    [new nn.Embedding(4, 3, { paddingIdx: -1 }), 'Embedding(4, 3, padding_idx=3)'],
    [new nn.RNNCell(3, 4, { nonlinearity: 'relu' }), 'RNNCell(3, 4, nonlinearity=relu)'],
    [new nn.LSTMCell(3, 4, { bias: false }), 'LSTMCell(3, 4, bias=False)'],
    [new nn.GRUCell(3, 4), 'GRUCell(3, 4)'],
    [new nn.MSELoss({ reduction: 'sum' }), 'MSELoss()'],
    [new nn.L1Loss(), 'L1Loss()'],
    [new nn.BCEWithLogitsLoss(), 'BCEWithLogitsLoss()'],
    [new nn.CrossEntropyLoss({ ignoreIndex: 0 }), 'CrossEntropyLoss()'],
  ])('%s', (module, text) => {
    expect(String(module)).toBe(text)
    expect(inspect(module)).toBe(text)
  })

  it('show dropout as it is now', () => {
    const rnn = new nn.RNN(3, 3, { numLayers: 2 })
    rnn.dropout = 1e-5
    expect(String(rnn)).toBe('RNN(3, 3, num_layers=2, dropout=1e-05)')
  })
})

/** Torch's text without the options that this package does not have. */
function torchText(text: string): string {
  return text.replace(
    /^ {4}(capturable|decoupled_weight_decay|differentiable|foreach|fused): .*\n/gm,
    '',
  )
}

const parameter = () => tensor([0, 0], { requiresGrad: true })

describe('optimizers', () => {
  const sgd = new optim.SGD([{ params: parameter() }, { params: parameter(), lr: 0.5 }], {
    lr: 1e-5,
  })
  new lrScheduler.StepLR(sgd, 2)

  it.each<[object, string]>([
    [
      sgd,
      `SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    initial_lr: 1e-05
    lr: 1e-05
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0

Parameter Group 1
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    initial_lr: 0.5
    lr: 0.5
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
)`,
    ],
    [
      new optim.Adam([parameter()]),
      `Adam (
Parameter Group 0
    amsgrad: False
    betas: (0.9, 0.999)
    capturable: False
    decoupled_weight_decay: False
    differentiable: False
    eps: 1e-08
    foreach: None
    fused: None
    lr: 0.001
    maximize: False
    weight_decay: 0
)`,
    ],
    [
      new optim.AdamW([parameter()], { lr: 1 }),
      `AdamW (
Parameter Group 0
    amsgrad: False
    betas: (0.9, 0.999)
    capturable: False
    decoupled_weight_decay: True
    differentiable: False
    eps: 1e-08
    foreach: None
    fused: None
    lr: 1
    maximize: False
    weight_decay: 0.01
)`,
    ],
    [
      new optim.RMSprop([parameter()], { momentum: 0.9, centered: true }),
      `RMSprop (
Parameter Group 0
    alpha: 0.99
    capturable: False
    centered: True
    differentiable: False
    eps: 1e-08
    foreach: None
    lr: 0.01
    maximize: False
    momentum: 0.9
    weight_decay: 0
)`,
    ],
  ])('%s', (optimizer, text) => {
    expect(String(optimizer)).toBe(torchText(text))
    expect(inspect(optimizer)).toBe(torchText(text))
  })
})
