/** Seeded random numbers and initial weights, against PyTorch. */

import { type DType, manualSeed, nn, rand, randn, type Tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { checkAll, compare, Golden, type Options, readCases } from '../helpers/golden'

type InitStep = { names: string[] } & (
  | { kind: 'RNN'; arguments: [number, number]; options: Options<typeof nn.RNN, 2> }
  | { kind: 'LSTM'; arguments: [number, number]; options: Options<typeof nn.LSTM, 2> }
  | { kind: 'GRU'; arguments: [number, number]; options: Options<typeof nn.GRU, 2> }
  | { kind: 'LSTMCell'; arguments: [number, number]; options: Options<typeof nn.LSTMCell, 2> }
  | { kind: 'GRUCell'; arguments: [number, number]; options: Options<typeof nn.GRUCell, 2> }
  | { kind: 'RNNCell'; arguments: [number, number]; options: Options<typeof nn.RNNCell, 2> }
  | { kind: 'Linear'; arguments: [number, number]; options: Options<typeof nn.Linear, 2> }
  | { kind: 'Embedding'; arguments: [number, number]; options: Options<typeof nn.Embedding, 2> }
  | { kind: 'rand'; arguments: [number[]]; options: Parameters<typeof rand>[1] }
  | { kind: 'randn'; arguments: [number[]]; options: Parameters<typeof randn>[1] }
)

interface InitCase {
  id: string
  program: string
  seed: number
  steps: InitStep[]
}

function perform(step: InitStep): Map<string, Tensor<DType>> {
  switch (step.kind) {
    case 'RNN':
      return new nn.RNN(...step.arguments, step.options).stateDict()
    case 'LSTM':
      return new nn.LSTM(...step.arguments, step.options).stateDict()
    case 'GRU':
      return new nn.GRU(...step.arguments, step.options).stateDict()
    case 'LSTMCell':
      return new nn.LSTMCell(...step.arguments, step.options).stateDict()
    case 'GRUCell':
      return new nn.GRUCell(...step.arguments, step.options).stateDict()
    case 'RNNCell':
      return new nn.RNNCell(...step.arguments, step.options).stateDict()
    case 'Linear':
      return new nn.Linear(...step.arguments, step.options).stateDict()
    case 'Embedding':
      return new nn.Embedding(...step.arguments, step.options).stateDict()
    case 'rand':
      return new Map([['values', rand(...step.arguments, step.options)]])
    case 'randn':
      return new Map([['values', randn(...step.arguments, step.options)]])
  }
}

describe.each(['init', 'init-gated'])('a seed gives the numbers of PyTorch: %s', (file) => {
  const golden = new Golden(`${file}.safetensors`)
  const cases = readCases<InitCase>(`${file}.json`)

  /** Normal numbers go through log, sin and cos, which no two mathematics libraries round alike. */
  function tolerance({ kind }: InitStep, { dtype }: Tensor<DType>): number {
    if (kind !== 'Embedding' && kind !== 'randn') return 0
    return dtype === 'float64' ? 1e-12 : 1e-6
  }

  const programs = new Set(cases.map(({ program }) => program))

  it.each([...programs])('%s', (program) => {
    checkAll(
      cases.filter((one) => one.program === program),
      ({ seed }) => `manualSeed(${seed})`,
      ({ id, seed, steps }) => {
        manualSeed(seed)
        return steps.flatMap((step, number) => {
          const result = perform(step)
          expect([...result.keys()]).toEqual(step.names)
          return [...result].flatMap(([name, got]) => {
            const want = golden.tensor(`${id}/${number}/${name}`)
            return compare(
              `${step.kind}(${step.arguments}) ${name}`,
              got,
              want,
              tolerance(step, want),
            )
          })
        })
      },
    )
  })
})
