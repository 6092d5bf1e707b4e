/** The tape: accumulation, release of graphs, and errors instead of wrong gradients. */

import {
  cat,
  type DType,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { expectSameBits, filled } from '../helpers/numbers'

const twice = /^Trying to backward through the graph a second time/
const modified =
  /^one of the variables needed for gradient computation has been modified by an inplace operation/

const leaf = (values: number[]): Tensor<DType> => tensor(values, { requiresGrad: true })

describe('backward', () => {
  it('needs a gradient for more than one element, and one that fits', () => {
    const x = leaf([1, 2])
    expect(() => x.mul(2).backward()).toThrow(
      new RangeError('grad can be implicitly created only for scalar outputs'),
    )
    expect(() => x.mul(2).backward(ones([3]))).toThrow(
      new RangeError(
        'Mismatch in shape: grad_output[0] has a shape of [3] and output[0] has a shape of [2].',
      ),
    )
    // @ts-expect-error: not a tensor
    expect(() => x.mul(2).backward('x')).toThrow(
      new TypeError("gradients can be either Tensors or null, but got 'x'"),
    )
    expect(() => x.mul(2).backward(ones([2], { dtype: 'float64' }))).toThrow(TypeError)
    expect(x.grad).toBeNull()
    expect(() => tensor([1]).backward()).toThrow(
      'element 0 of tensors does not require grad and does not have a grad_fn',
    )
    x.mul(2).backward(tensor([1, -1]))
    expect(x.grad?.toArray()).toEqual([2, -2])
  })

  it('of a leaf is its seed, copied', () => {
    const x = leaf([1, 2])
    const seed = tensor([3, 4])
    x.backward(seed)
    expect(x.grad?.toArray()).toEqual([3, 4])
    expect(x.grad?.data).not.toBe(seed.data)
    const scalar = leaf([5])
    scalar.backward()
    expect(scalar.grad?.item()).toBe(1)
  })

  it('adds up over calls, in place, until the gradient is set to null', () => {
    const x = leaf([1, 2])
    x.mul(3).sum().backward()
    const { grad } = x
    expect(x.grad).toBe(grad)
    x.mul(4).sum().backward()
    expect(x.grad).toBe(grad)
    expect(grad?.toArray()).toEqual([7, 7])
    Object.assign(x, { grad: null })
    expect(x.grad).toBeNull()
    x.mul(x).sum().backward()
    expect(x.grad?.toArray()).toEqual([2, 4])
    expect(grad?.toArray()).toEqual([7, 7])
  })

  it('adds up where paths meet, and keeps gradients apart', () => {
    const [a, b] = [leaf([1, 2]), leaf([3, 4])]
    const sum = a.add(b)
    const seed = tensor([1, 1])
    cat([sum, sum.mul(2), a]).backward(tensor([1, 1, 1, 1, 1, 1]))
    expect(a.grad?.toArray()).toEqual([4, 4])
    expect(b.grad?.toArray()).toEqual([3, 3])
    a.add(b).backward(seed)
    expect(seed.toArray()).toEqual([1, 1])
    expect(a.grad?.data).not.toBe(b.grad?.data)
  })

  it('takes a gradient that it adds to as a seed too', () => {
    const [a, b] = [leaf([1, 2]), leaf([3, 4])]
    a.add(b).backward(tensor([1, 2]))
    a.add(b).backward(a.grad)
    expect([a.grad?.toArray(), b.grad?.toArray()]).toEqual([
      [2, 4],
      [2, 4],
    ])
    a.backward(a.grad)
    expect(a.grad?.toArray()).toEqual([4, 8])
    a.add(b).backward(a.grad?.reshape([2]))
    expect([a.grad?.toArray(), b.grad?.toArray()]).toEqual([
      [8, 16],
      [6, 12],
    ])
  })

  it('gives results of operations no gradient of their own', () => {
    const x = leaf([1, 2])
    const y = x.mul(2)
    y.sum().backward()
    expect(y.grad).toBeNull()
    expect(y.requiresGrad).toBe(true)
  })

  it('goes back over 10 000 steps without running out of stack', () => {
    const x = leaf([1])
    let y: Tensor<DType> = x
    for (let step = 0; step < 10_000; step += 1) y = y.add(1)
    y.backward()
    expect(x.grad?.item()).toBe(1)
  })

  it('visits every node of a graph with many paths once', () => {
    const x = leaf([1])
    let y: Tensor<DType> = x
    for (let level = 0; level < 40; level += 1) y = y.add(y)
    y.backward()
    expect(x.grad?.item()).toBe(2 ** 40)
  })
})

describe('a graph', () => {
  it('is gone after backward', () => {
    const x = leaf([1, 2])
    const loss = x.tanh().sum()
    loss.backward()
    expect(() => loss.backward()).toThrow(twice)
    expect(x.grad?.data[0]).toBeCloseTo(1 - Math.tanh(1) ** 2, 6)
  })

  it('cannot be shared with another that has run, and nothing changes then', () => {
    const x = leaf([1, 2])
    const other = leaf([5, 5])
    const y = x.tanh()
    y.sum().backward()
    const before = x.grad?.toArray()
    expect(() => other.mul(y).sum().backward()).toThrow(twice)
    expect(x.grad?.toArray()).toEqual(before)
    expect(other.grad).toBeNull()
  })

  it('of a module is gone too', () => {
    const rnn = new nn.RNN(2, 3)
    const [output, hN] = rnn.forward(randn([4, 1, 2]))
    output.sum().backward()
    expect(() => hN.sum().backward()).toThrow(twice)
  })
})

describe('a change in place between forward and backward is an error', () => {
  const linear = (): { model: nn.Linear<DType>; loss: Tensor<DType>; input: Tensor<DType> } => {
    const model = new nn.Linear(2, 2)
    const input = tensor([[1, 2]], { requiresGrad: true })
    return { model, input, loss: model.forward(input).sum() }
  }

  it('by an optimizer', () => {
    for (const Class of [optim.SGD, optim.Adam]) {
      const { model, loss, input } = linear()
      model.forward(input).sum().backward()
      new Class(model.parameters()).step()
      const before = model.weight.grad?.toArray()
      expect(() => loss.backward()).toThrow(modified)
      expect(model.weight.grad?.toArray()).toEqual(before)
    }
  })

  it('by loadStateDict, resetParameters and to', () => {
    for (const change of [
      (model: nn.Linear<DType>) => model.loadStateDict(model.stateDict()),
      (model: nn.Linear<DType>) => model.resetParameters(),
      (model: nn.Linear<DType>) => model.to('float64'),
    ]) {
      const { model, loss, input } = linear()
      change(model)
      expect(() => loss.backward()).toThrow(modified)
      expect(model.weight.grad).toBeNull()
      expect(input.grad).toBeNull()
    }
  })

  it('for a recurrent module, and says what came', () => {
    const rnn = new nn.RNN(2, 3)
    const [output] = rnn.forward(randn([4, 1, 2]))
    rnn.resetParameters()
    expect(() => output.sum().backward()).toThrow(
      /\[float32 \[3, 2\]\], kept by RnnBackward0, is at version 2; expected version 1 instead/,
    )
  })

  it('through a gradient that is clipped while it is part of a graph', () => {
    const x = leaf([3, 4])
    x.mul(x).sum().backward()
    const y = leaf([1, 1])
    const { grad } = x
    if (grad === null) throw new Error('no gradient')
    const loss = y.mul(grad).sum()
    nn.utils.clipGradNorm_([x], 1)
    expect(() => loss.backward()).toThrow(modified)
  })

  it('but changes that do not matter are fine', () => {
    const { model, loss } = linear()
    // The bias enters no gradient.
    const bias = model.bias
    if (bias === null) throw new Error('no bias')
    bias.grad = ones([2])
    new optim.SGD([bias]).step()
    loss.backward()
    expect(model.weight.grad?.toArray()).toEqual([
      [1, 2],
      [1, 2],
    ])
  })
})

describe('noGrad', () => {
  it('records nothing, may be nested, and returns what the function returns', () => {
    const x = leaf([1])
    const y = noGrad(() => {
      const inner = noGrad(() => x.mul(2))
      expect(inner.requiresGrad).toBe(false)
      return x.mul(3)
    })
    expect(y.requiresGrad).toBe(false)
    expect(y.item()).toBe(3)
    expect(x.mul(2).requiresGrad).toBe(true)
    expect(noGrad(() => 'x')).toBe('x')
  })

  it('ends when the function throws', () => {
    expect(() =>
      noGrad(() => {
        throw new Error('inside')
      }),
    ).toThrow('inside')
    expect(leaf([1]).mul(2).requiresGrad).toBe(true)
  })

  it('refuses what would run later, before and after', () => {
    let ran = false
    const run = () => {
      ran = true
    }
    const asynchronous = /^noGrad expects a synchronous function, or one that returns the promise/
    const generating = /^noGrad expects a function that runs at once: the body of a generator/
    // @ts-expect-error: asynchronous
    expect(() => noGrad(async () => run())).toThrow(asynchronous)
    expect(() =>
      // @ts-expect-error: a generator
      noGrad(function* () {
        yield run()
      }),
    ).toThrow(generating)
    expect(() =>
      // @ts-expect-error: an asynchronous generator
      noGrad(async function* () {
        yield run()
      }),
    ).toThrow(generating)
    const generate = function* (): Generator<void> {
      yield run()
    }
    // @ts-expect-error: returns a generator
    expect(() => noGrad(() => generate())).toThrow(generating)
    // Generators as other compilers write them.
    const written = { next: run, return: run, throw: run }
    expect(() => noGrad(() => written)).toThrow(generating)
    expect(ran).toBe(false)
    // @ts-expect-error: returns a promise
    expect(() => noGrad(() => Promise.resolve(1))).toThrow(asynchronous)
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library
    const thenable: PromiseLike<number> = { then: () => Promise.resolve() as never }
    // @ts-expect-error: returns a promise of another library
    expect(() => noGrad(() => thenable)).toThrow(asynchronous)
    // @ts-expect-error: not a function
    expect(() => noGrad(1)).toThrow(TypeError)
    expect(leaf([1]).mul(2).requiresGrad).toBe(true)
    expect([...noGrad(() => new Map([[1, 2]]).values())]).toEqual([2])
  })

  it('detaches hN, so that it can be carried', () => {
    const rnn = new nn.RNN(2, 3)
    const [output, hN] = noGrad(() => rnn.forward(randn([4, 1, 2])))
    expect(output.requiresGrad).toBe(false)
    expect(hN.requiresGrad).toBe(false)
  })
})

describe('leaves', () => {
  it('detach shares the data and forgets the past', () => {
    const x = leaf([1, 2])
    const y = x.mul(2)
    const cut = y.detach()
    expect(cut.data).toBe(y.data)
    expect(cut.requiresGrad).toBe(false)
    y.mul(cut).sum().backward()
    expect(x.grad?.toArray()).toEqual([4, 8])
  })

  it('requiresGrad can be changed for leaves only', () => {
    const x = tensor([1])
    x.requiresGrad = true
    const y = x.mul(2)
    expect(() => {
      y.requiresGrad = false
    }).toThrow(/^you can only change requires_grad flags of leaf variables/)
    expect(() => Object.assign(x, { requiresGrad: 1 })).toThrow(TypeError)
    y.backward()
    expect(x.grad?.item()).toBe(2)
  })

  it('frozen after the forward pass get no gradient', () => {
    const [x, y] = [leaf([2]), leaf([3])]
    const loss = x.mul(y)
    x.requiresGrad = false
    loss.backward()
    expect(x.grad).toBeNull()
    expect(y.grad?.item()).toBe(2)
  })

  it('grad takes tensors that fit, and null', () => {
    const x = leaf([1, 2])
    const g = tensor([5, 6])
    x.grad = g
    expect(x.grad).toBe(g)
    x.mul(1).sum().backward()
    expect(g.toArray()).toEqual([6, 7])
    expect(() => {
      x.grad = zeros([3])
    }).toThrow(
      new RangeError(
        "attempting to assign a gradient of size '[3]' to a tensor of size '[2]'. Please ensure that the gradient and the tensor are the same size",
      ),
    )
    expect(() => {
      x.grad = zeros([2], { dtype: 'float64' })
    }).toThrow(TypeError)
    expect(() => {
      Object.assign(x, { grad: 3 })
    }).toThrow(TypeError)
    expect(x.grad).toBe(g)
  })
})

describe('truncated back-propagation', () => {
  it('carries hN without its past', () => {
    const rnn = new nn.RNN(2, 3, { dtype: 'float64' })
    const [first, second] = [
      filled([4, 1, 2], 1, { dtype: 'float64' }),
      filled([4, 1, 2], 2, { dtype: 'float64' }),
    ]
    const [, carried] = rnn.forward(first)
    const [output] = rnn.forward(second, carried.detach())
    output.sum().backward()
    const truncated = rnn.weight_hh_l0.grad
    rnn.zeroGrad()
    const [alone] = rnn.forward(second, tensor(carried.data.slice(), { shape: carried.shape }))
    alone.sum().backward()
    if (truncated === null || rnn.weight_hh_l0.grad === null) throw new Error('no gradient')
    expectSameBits(truncated, rnn.weight_hh_l0.grad)
  })
})
