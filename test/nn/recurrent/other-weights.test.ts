/** Loads of weights into another recurrent module: the error says whose they are. */

import { nn, type Tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../../helpers/numbers'

const { RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell, JordanRNN, Linear } = nn

/** The first lines of the error of a load. */
function linesOf(source: nn.Module | Map<string, Tensor>, target: nn.Module): string[] {
  const before = target.parameters().map(({ data }) => [...data])
  const map = source instanceof nn.Module ? source.stateDict() : source
  const error = errorOf(() => target.loadStateDict(map))
  expect(error).toBeInstanceOf(RangeError)
  expect(target.parameters().map(({ data }) => [...data])).toEqual(before)
  return (error as RangeError).message.split('\n\t').slice(1)
}

const of = (given: string, expected: string, where = ''): string =>
  `The weights in state_dict${where} are those of ${given}, expected those of ${expected}.`

const sizes = 'with input size 3, hidden size 4'

describe('the error of a load names the module whose weights came', () => {
  const cases: [source: nn.Module, given: string, target: nn.Module, expected: string][] = [
    [new LSTM(3, 4), `an LSTM ${sizes}`, new GRU(3, 4), `a GRU ${sizes}`],
    [new GRU(3, 4), `a GRU ${sizes}`, new LSTM(3, 4), `an LSTM ${sizes}`],
    [new RNN(3, 4), `an RNN ${sizes}`, new LSTM(3, 4), `an LSTM ${sizes}`],
    [new LSTM(3, 4), `an LSTM ${sizes}`, new RNN(3, 4), `an RNN ${sizes}`],
    [new GRU(3, 4), `a GRU ${sizes}`, new RNN(3, 12), 'an RNN with input size 3, hidden size 12'],
    [
      new LSTM(3, 4, { projSize: 2 }),
      `an LSTM ${sizes}, projection size 2`,
      new LSTM(3, 4),
      `an LSTM ${sizes}`,
    ],
    [
      new LSTM(3, 4, { numLayers: 2, bias: false }),
      `an LSTM ${sizes}, 2 layers, no bias`,
      new LSTM(3, 5, { bidirectional: true }),
      'an LSTM with input size 3, hidden size 5, both directions',
    ],
    [new LSTMCell(3, 4), `an LSTMCell ${sizes}`, new GRUCell(3, 4), `a GRUCell ${sizes}`],
    [new GRUCell(3, 4), `a GRUCell ${sizes}`, new RNNCell(3, 4), `an RNNCell ${sizes}`],
    [new RNNCell(3, 4), `an RNNCell ${sizes}`, new LSTMCell(3, 4), `an LSTMCell ${sizes}`],
    [new LSTMCell(3, 4), `an LSTMCell ${sizes}`, new LSTM(3, 4), `an LSTM ${sizes}`],
    [
      new JordanRNN(3, 4, 2),
      `a JordanRNN ${sizes}, output size 2`,
      new RNNCell(3, 4),
      `an RNNCell ${sizes}`,
    ],
    [
      new RNN(3, 4),
      `an RNN ${sizes}`,
      new JordanRNN(3, 4, 1, { bias: false }),
      `a JordanRNN ${sizes}, output size 1, no bias`,
    ],
  ]
  it.each(cases)('%s', (source, given, target, expected) => {
    const [first, second] = linesOf(source, target)
    expect(first).toBe(of(given, expected))
    expect(second).toMatch(/^(Missing key|Unexpected key|size mismatch)/)
  })

  it('in models, where they are', () => {
    const model = (rnn: nn.Module, cell: nn.Module): nn.Module =>
      Object.assign(new nn.Module(), { encoder: { rnn }, cells: [cell], head: new Linear(4, 2) })
    const lines = linesOf(
      model(new LSTM(3, 4), new GRUCell(3, 4)),
      model(new GRU(3, 4), new RNNCell(3, 4)),
    )
    expect(lines.slice(0, 2)).toEqual([
      of(`an LSTM ${sizes}`, `a GRU ${sizes}`, ' for "encoder.rnn"'),
      of(`a GRUCell ${sizes}`, `an RNNCell ${sizes}`, ' for "cells.0"'),
    ])
    expect(lines).toHaveLength(10)
  })

  it('and says that they are transposed', () => {
    for (const [Class, name] of [
      [LSTM, 'an LSTM'],
      [GRU, 'a GRU'],
      [RNN, 'an RNN'],
    ] as const) {
      const module = new Class(3, 4)
      const map = module.stateDict()
      for (const [key, value] of map) {
        if (key.startsWith('weight')) map.set(key, value.transpose(0, 1))
      }
      expect(linesOf(map, module)[0]).toBe(of(`${name} ${sizes}, transposed`, `${name} ${sizes}`))
    }
  })

  it('and nothing where that is not the matter', () => {
    const surplus = new LSTM(3, 4).stateDict().set('more', new Linear(1, 1).weight)
    expect(linesOf(surplus, new LSTM(3, 4))).toEqual(['Unexpected key(s) in state_dict: "more".'])
    expect(linesOf(new Linear(3, 4), new Linear(4, 3))[0]).toMatch(/^size mismatch/)
    expect(new LSTM(3, 4).loadStateDict(new LSTM(3, 4).stateDict()).missingKeys).toEqual([])
    const deep = new LSTM(3, 4, { numLayers: 2 })
    expect(
      deep.loadStateDict(new LSTM(3, 4).stateDict(), { strict: false }).missingKeys,
    ).toHaveLength(4)
  })
})
