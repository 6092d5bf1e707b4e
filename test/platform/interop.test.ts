/** `import` and `require` give the same classes, and the exported names are those in the documentation. */

import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import * as esm from '@elman/rnn'
import { describe, expect, it } from 'vitest'

const cjs = createRequire(import.meta.url)('@elman/rnn') as typeof esm

describe('the package', () => {
  it('exports these names and no others', () => {
    const names = [
      ...[
        'Tensor',
        'backendInfo',
        'cat',
        'deserializeSafetensors',
        'exportOnnx',
        'getNumThreads',
        'getRngState',
      ],
      ...[
        'loadCheckpoint',
        'loadSafetensors',
        'manualSeed',
        'nn',
        'noGrad',
        'ones',
        'optim',
        'rand',
      ],
      ...['randn', 'saveCheckpoint', 'saveSafetensors', 'serializeSafetensors', 'setFlushDenormal'],
      ...['setNumThreads', 'setRngState', 'stack', 'tensor', 'zeros'],
    ]
    expect(
      Object.keys(esm)
        .filter((name) => !['default', 'module.exports'].includes(name))
        .sort(),
    ).toEqual(names)
    expect(Object.keys(cjs).sort()).toEqual(names)
    expect(Object.keys(esm.nn).sort()).toEqual([
      ...[
        'BCEWithLogitsLoss',
        'CrossEntropyLoss',
        'Dropout',
        'Embedding',
        'GRU',
        'GRUCell',
        'JordanRNN',
        'L1Loss',
        'LSTM',
        'LSTMCell',
        'Linear',
        'MSELoss',
        'Module',
        'RNN',
        'RNNCell',
        'utils',
      ],
    ])
    expect(Object.keys(esm.nn.utils).sort()).toEqual(['clipGradNorm_', 'clipGradValue_', 'rnn'])
    expect(Object.keys(esm.nn.utils.rnn).sort()).toEqual([
      ...['PackedSequence', 'packPaddedSequence', 'packSequence', 'padPackedSequence'],
      'padSequence',
    ])
    expect(Object.keys(esm.optim).sort()).toEqual([
      'Adam',
      'AdamW',
      'RMSprop',
      'SGD',
      'lrScheduler',
    ])
    expect(Object.keys(esm.optim.lrScheduler).sort()).toEqual([
      ...['CosineAnnealingLR', 'ReduceLROnPlateau', 'StepLR'],
    ])
  })

  it('has one set of classes for both kinds of modules', () => {
    expect(cjs.Tensor).toBe(esm.Tensor)
    expect(cjs.nn.RNN).toBe(esm.nn.RNN)
    expect(cjs.zeros([1])).toBeInstanceOf(esm.Tensor)
    expect(new cjs.nn.Linear(1, 1)).toBeInstanceOf(esm.nn.Module)
    const [output] = new esm.nn.RNN(1, 1).forward(cjs.zeros([1, 1, 1]))
    expect(output).toBeInstanceOf(cjs.Tensor)
  })

  it('has one generator for both', () => {
    esm.manualSeed(3)
    const expected = cjs.rand([2]).toArray()
    cjs.manualSeed(3)
    expect(esm.rand([2]).toArray()).toEqual(expected)
  })

  it('loads by name in plain Node, in either way', () => {
    const run = (type: string, code: string): string =>
      execFileSync(process.execPath, [`--input-type=${type}`, '-e', code], { encoding: 'utf8' })
    expect(
      run('module', "import { nn } from '@elman/rnn'; console.log(String(new nn.RNN(3, 4)))"),
    ).toBe('RNN(3, 4)\n')
    expect(
      run('commonjs', "const { nn } = require('@elman/rnn'); console.log(new nn.RNN(3, 4))"),
    ).toBe('RNN(3, 4)\n')
    const both = `
      import { createRequire } from 'node:module'
      import { Tensor } from '@elman/rnn'
      const { tensor } = createRequire(process.cwd() + '/x.js')('@elman/rnn')
      console.log(tensor([1.5]) instanceof Tensor, tensor([1.5]))`
    expect(run('module', both)).toBe('true tensor([1.5000], size=(1,), dtype=float32)\n')
  })
})
