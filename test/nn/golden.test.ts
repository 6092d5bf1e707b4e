/** What a seed gives, against PyTorch. */

import { manualSeed, nn, rand, randn, type Tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { checkAll, compare, Golden, type Options, readCases } from '../helpers/golden'

type InitStep = { names: string[] } & (
  | { kind: 'RNN'; arguments: [number, number]; options: Options<typeof nn.RNN, 2> }
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

function perform(step: InitStep): Map<string, Tensor> {
  switch (step.kind) {
    case 'RNN':
      return new nn.RNN(...step.arguments, step.options).stateDict()
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

describe('a seed gives the numbers of PyTorch', () => {
  const golden = new Golden('init.safetensors')
  const cases = readCases<InitCase>('init.json')

  /** Normal numbers go through log, sin and cos, which no two mathematics libraries round alike. */
  function tolerance({ kind }: InitStep, { dtype }: Tensor): number {
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
