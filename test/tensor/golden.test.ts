/** Operations, layers and losses, against PyTorch. */

import { cat, nn, stack, type Tensor } from '@elman/rnn'
import { describe, it } from 'vitest'
import {
  checkAll,
  compare,
  type DType,
  Golden,
  GRADIENTS,
  type Indices,
  type Options,
  readCases,
  VALUES,
} from '../helpers/golden'

interface OperationCase {
  id: string
  op: string
  dtype: DType
  tensors: string[]
  indices: string[]
  arguments: number[]
  options: Record<string, unknown>
}

/** What an operation is computed from, and where its gradients will be. */
class Operands {
  readonly one: OperationCase
  readonly golden: Golden
  readonly leaves = new Map<string, Tensor<DType>>()

  constructor(one: OperationCase, golden: Golden) {
    this.one = one
    this.golden = golden
  }

  tensor(name: string): Tensor<DType> {
    const leaf = this.golden.leaf(`${this.one.id}/${name}`)
    this.leaves.set(name, leaf)
    return leaf
  }

  all(): Tensor<DType>[] {
    return this.one.tensors.map((name) => this.tensor(name))
  }

  indices(name: string): Indices {
    return this.golden.indices(`${this.one.id}/${name}`)
  }

  /** A module that holds the stored parameters, whose gradients then count as those of leaves. */
  module<Module extends nn.Module<DType>>(
    create: (outer: number, inner: number, has: Set<string>) => Module,
  ): Module {
    const [outer = 0, inner = 0] = this.golden.tensor(`${this.one.id}/weight`).shape
    const module = create(outer, inner, new Set(this.one.tensors))
    const parameters = [...module.namedParameters()]
    module.loadStateDict(
      new Map(parameters.map(([name]) => [name, this.golden.tensor(`${this.one.id}/${name}`)])),
    )
    for (const [name, parameter] of module.namedParameters()) this.leaves.set(name, parameter)
    return module
  }
}

const OPERATIONS: Record<
  string,
  (operands: Operands, first: number, second: number, third: number) => Tensor<DType>
> = {
  tanh: (on) => on.tensor('x').tanh(),
  relu: (on) => on.tensor('x').relu(),
  sigmoid: (on) => on.tensor('x').sigmoid(),
  add: (on, number) => on.tensor('x').add(on.one.tensors.includes('y') ? on.tensor('y') : number),
  mul: (on, number) => on.tensor('x').mul(on.one.tensors.includes('y') ? on.tensor('y') : number),
  square: (on) => {
    const x = on.tensor('x')
    return x.mul(x)
  },
  sum: (on) => on.tensor('x').sum(),
  mean: (on) => on.tensor('x').mean(),
  select: (on, dim, index) => on.tensor('x').select(dim, index),
  narrow: (on, dim, start, length) => on.tensor('x').narrow(dim, start, length),
  transpose: (on, dim0, dim1) => on.tensor('x').transpose(dim0, dim1),
  reshape: (on) => on.tensor('x').reshape(on.one.arguments),
  cat: (on, dim) => (on.one.arguments.length === 0 ? cat(on.all()) : cat(on.all(), dim)),
  stack: (on, dim) => stack(on.all(), dim),
  Linear: (on) => {
    const { dtype } = on.one
    const linear = on.module(
      (outputs, inputs, has) => new nn.Linear(inputs, outputs, { bias: has.has('bias'), dtype }),
    )
    return linear.forward(on.tensor('x'))
  },
  Embedding: (on) => {
    const { dtype } = on.one
    const options = on.one.options as Options<typeof nn.Embedding, 2>
    const embedding = on.module((count, dim) => new nn.Embedding(count, dim, { ...options, dtype }))
    return embedding.forward(on.indices('x'))
  },
  MSELoss: (on) => pointwise(nn.MSELoss, on),
  L1Loss: (on) => pointwise(nn.L1Loss, on),
  BCEWithLogitsLoss: (on) => pointwise(nn.BCEWithLogitsLoss, on),
  CrossEntropyLoss: (on) => {
    const loss = new nn.CrossEntropyLoss(on.one.options as Options<typeof nn.CrossEntropyLoss, 0>)
    return loss.forward(on.tensor('x'), on.indices('target'))
  },
}

function pointwise(
  Loss: typeof nn.MSELoss | typeof nn.L1Loss | typeof nn.BCEWithLogitsLoss,
  on: Operands,
): Tensor<DType> {
  const loss = new Loss(on.one.options as Options<typeof nn.MSELoss, 0>)
  return loss.forward(on.tensor('x'), on.tensor('y'))
}

function checkOperation(one: OperationCase, golden: Golden): string[] {
  const operation = OPERATIONS[one.op]
  if (operation === undefined) throw new Error(`${one.op} is not known to this test`)
  const operands = new Operands(one, golden)
  const [first = 0, second = 0, third = 0] = one.arguments
  const output = operation(operands, first, second, third)
  const differences = compare('value', output, golden.tensor(`${one.id}/output`), VALUES[one.dtype])
  if (differences.length > 0) return differences
  output.backward(golden.tensor(`${one.id}/gradOutput`))
  return one.tensors.flatMap((name) => {
    const got = operands.leaves.get(name)?.grad
    return compare(
      `gradient of ${name}`,
      got,
      golden.tensor(`${one.id}/grad/${name}`),
      GRADIENTS[one.dtype],
    )
  })
}

describe('operations, layers and losses give the values and gradients of PyTorch', () => {
  const golden = new Golden('ops.safetensors')
  const cases = readCases<OperationCase>('ops.json')

  it.each([...new Set(cases.map(({ op }) => op))])('%s', (op) => {
    checkAll(
      cases.filter((one) => one.op === op),
      ({ id }) => id,
      (one) => checkOperation(one, golden),
    )
  })
})
