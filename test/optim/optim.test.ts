/** Optimizers and clipping; whole trajectories are compared with PyTorch's in golden.test.ts. */

import { type DType, nn, ones, optim, type Tensor, tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { bits, errorOf, expectClose } from '../helpers/numbers'

/** A float64 parameter with a gradient. */
function parameter(values: number[], gradient: number[]): Tensor<DType> {
  const made = tensor(values, { dtype: 'float64', requiresGrad: true })
  made.grad = tensor(gradient, { dtype: 'float64' })
  return made
}

describe('SGD', () => {
  it('goes down the gradient', () => {
    const p = parameter([1, 2], [10, -10])
    new optim.SGD([p], { lr: 0.1 }).step()
    expectClose(p.data, [0, 3], 1e-15)
    const q = parameter([1], [10])
    new optim.SGD([q]).step()
    expectClose(q.data, [0.99], 1e-15)
  })

  it('keeps momentum, the first time whole', () => {
    const p = parameter([0], [1])
    const optimizer = new optim.SGD([p], { lr: 1, momentum: 0.5, dampening: 0.25 })
    optimizer.step()
    expectClose(p.data, [-1], 1e-15)
    optimizer.step()
    expectClose(p.data, [-1 - (0.5 + 0.75)], 1e-15)
  })

  it('knows nesterov, weightDecay and maximize', () => {
    const p = parameter([2], [1])
    new optim.SGD([p], { lr: 1, momentum: 0.5, nesterov: true, weightDecay: 0.1 }).step()
    expectClose(p.data, [2 - 1.2 * 1.5], 1e-15)
    const q = parameter([2], [1])
    new optim.SGD([q], { lr: 1, maximize: true, weightDecay: 0.1 }).step()
    expectClose(q.data, [2 + 0.8], 1e-15)
  })
})

describe('Adam', () => {
  it('takes steps of lr at first', () => {
    const p = parameter([0, 0], [3, -0.001])
    new optim.Adam([p]).step()
    expectClose(p.data, [-0.001, 0.001], 1e-7)
  })

  it('counts the steps of each parameter alone', () => {
    const [p, q] = [parameter([0], [1]), parameter([0], [1])]
    const optimizer = new optim.Adam([p, q])
    q.grad = null
    optimizer.step()
    optimizer.step()
    q.grad = tensor([1], { dtype: 'float64' })
    optimizer.step()
    const { state } = optimizer.stateDict()
    expect([state.get(0)?.step, state.get(1)?.step]).toEqual([3, 1])
    expectClose(q.data, [-0.001], 1e-9)
  })

  it('never lets the denominator shrink with amsgrad', () => {
    const run = (amsgrad: boolean): number => {
      const p = parameter([0], [100])
      const optimizer = new optim.Adam([p], { amsgrad, betas: [0, 0.5] })
      optimizer.step()
      p.grad = tensor([1], { dtype: 'float64' })
      for (let step = 0; step < 20; step += 1) optimizer.step()
      return -p.data[0]
    }
    expect(run(true)).toBeLessThan(run(false) / 2)
  })

  it('learns a line', () => {
    const model = new nn.Linear(1, 1, { dtype: 'float64' })
    const x = tensor([[-1], [0], [1], [2]], { dtype: 'float64' })
    const y = tensor([[-1], [1], [3], [5]], { dtype: 'float64' })
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.05 })
    const loss = new nn.MSELoss()
    for (let step = 0; step < 600; step += 1) {
      optimizer.zeroGrad()
      loss.forward(model.forward(x), y).backward()
      optimizer.step()
    }
    expectClose(model.weight.data, [2], 1e-3)
    expectClose(model.bias?.data ?? [], [1], 1e-3)
  })
})

describe('AdamW', () => {
  it('shrinks the parameter by itself, whatever the gradient', () => {
    const p = parameter([2, 2], [3, -0.001])
    new optim.AdamW([p], { lr: 0.1 }).step()
    expectClose(p.data, [2 * (1 - 0.001) - 0.1, 2 * (1 - 0.001) + 0.1], 1e-5)
    const q = parameter([2], [0])
    new optim.AdamW([q], { lr: 0.1, weightDecay: 0.5 }).step()
    expectClose(q.data, [1.9], 1e-15)
  })
})

describe('RMSprop', () => {
  it('divides by the size of the gradient', () => {
    const p = parameter([0, 0], [3, -0.01])
    new optim.RMSprop([p], { eps: 0 }).step()
    expectClose(p.data, [-0.1, 0.1], 1e-14) // lr / √(1 - alpha)
  })

  it('knows momentum, centered, weightDecay and maximize', () => {
    const p = parameter([0], [2])
    const optimizer = new optim.RMSprop([p], { lr: 1, alpha: 0.75, eps: 0, momentum: 0.5 })
    optimizer.step()
    expectClose(p.data, [-2], 1e-15) // 2 / √(4 / 4)
    optimizer.step()
    expectClose(p.data, [-2 - (1 + 2 / Math.sqrt(1.75))], 1e-15)
    const q = parameter([2], [1])
    const options = { lr: 1, alpha: 0.5, eps: 1, centered: true, maximize: true }
    new optim.RMSprop([q], { ...options, weightDecay: 1 }).step()
    expectClose(q.data, [2 - 1 / (Math.sqrt(0.5 - 0.25) + 1)], 1e-15) // g = -1 + 2
  })
})

describe('groups', () => {
  it('have options of their own, which may be changed between steps', () => {
    const [p, q, r] = [parameter([0], [1]), parameter([0], [1]), parameter([0], [1])]
    const optimizer = new optim.SGD(
      [{ params: [p] }, { params: q, lr: 10 }, { params: new Set([r]), momentum: 0.9 }],
      { lr: 1 },
    )
    expect(optimizer.paramGroups.map(({ lr, momentum }) => [lr, momentum])).toEqual([
      [1, 0],
      [10, 0],
      [1, 0.9],
    ])
    expect(optimizer.paramGroups[1].params).toEqual([q])
    optimizer.step()
    optimizer.paramGroups[0].lr = 5
    optimizer.step()
    expectClose([p.data[0], q.data[0], r.data[0]], [-6, -20, -2.9], 1e-15)
  })

  it('zeroGrad reaches all of them', () => {
    const [p, q] = [parameter([0], [1]), parameter([0], [1])]
    new optim.SGD([{ params: [p] }, { params: [q] }]).zeroGrad()
    expect([p.grad, q.grad]).toEqual([null, null])
  })

  it('a parameter without a gradient stays as it is', () => {
    const [p, q] = [parameter([1], [1]), tensor([1], { dtype: 'float64', requiresGrad: true })]
    const optimizer = new optim.Adam([p, q], { lr: 1, weightDecay: 1 })
    optimizer.step()
    expect(q.item()).toBe(1)
    expect([...optimizer.stateDict().state.keys()]).toEqual([0])
  })
})

describe('an optimizer refuses', () => {
  const p = parameter([0], [1])
  const make = (Class: unknown, ...args: unknown[]): unknown =>
    Reflect.construct(Class as typeof optim.SGD, args)
  const cases: [name: string, call: () => unknown, expected: Error][] = [
    [
      'no parameters',
      () => make(optim.SGD, []),
      new RangeError('optimizer got an empty parameter list'),
    ],
    [
      'a single tensor',
      () => make(optim.SGD, p),
      new TypeError(
        'params argument given to the optimizer should be an iterable of Tensors or groups, but got Tensor',
      ),
    ],
    [
      'what is not iterable',
      () => make(optim.Adam, 3),
      new TypeError(
        'params argument given to the optimizer should be an iterable of Tensors or groups, but got 3',
      ),
    ],
    [
      'what is no tensor',
      () => make(optim.SGD, [3]),
      new TypeError('optimizer can only optimize Tensors, but one of the params is 3'),
    ],
    [
      'results of operations',
      () => make(optim.SGD, [p.mul(2)]),
      new RangeError("can't optimize a non-leaf Tensor"),
    ],
    [
      'parameters that come twice',
      () => make(optim.SGD, [{ params: [p] }, { params: [p] }]),
      new RangeError('some parameters appear in more than one parameter group, or twice in one'),
    ],
    [
      'a negative lr',
      () => make(optim.SGD, [p], { lr: -1 }),
      new RangeError('Invalid learning rate: -1'),
    ],
    [
      'an infinite lr',
      () => make(optim.SGD, [p], { lr: Number.POSITIVE_INFINITY }),
      new RangeError('Invalid learning rate: Infinity'),
    ],
    [
      'an lr that is no number',
      () => make(optim.SGD, [p], { lr: '1' }),
      new TypeError("Invalid learning rate should be a number, got: '1'"),
    ],
    [
      'a negative momentum',
      () => make(optim.SGD, [p], { momentum: -1 }),
      new RangeError('Invalid momentum value: -1'),
    ],
    [
      'a negative weightDecay',
      () => make(optim.Adam, [p], { weightDecay: -1 }),
      new RangeError('Invalid weight_decay value: -1'),
    ],
    [
      'nesterov without momentum',
      () => make(optim.SGD, [p], { nesterov: true }),
      new RangeError('Nesterov momentum requires a momentum and zero dampening'),
    ],
    [
      'a beta of 1',
      () => make(optim.Adam, [p], { betas: [1, 0.9] }),
      new RangeError('Invalid beta parameter at index 0: 1'),
    ],
    [
      'a beta beyond',
      () => make(optim.Adam, [p], { betas: [0.9, 1.9] }),
      new RangeError('Invalid beta parameter at index 1: 1.9'),
    ],
    [
      'one beta',
      () => make(optim.Adam, [p], { betas: 0.9 }),
      new TypeError('betas should be two numbers, got: 0.9'),
    ],
    [
      'a negative eps',
      () => make(optim.Adam, [p], { eps: -1 }),
      new RangeError('Invalid epsilon value: -1'),
    ],
    [
      'a negative alpha',
      () => make(optim.RMSprop, [p], { alpha: -1 }),
      new RangeError('Invalid alpha value: -1'),
    ],
    [
      'centered by a number',
      () => make(optim.RMSprop, [p], { centered: 1 }),
      new TypeError('centered should be of type bool, got: 1'),
    ],
    [
      'an option of RMSprop for AdamW',
      () => make(optim.AdamW, [p], { alpha: 0.9 }),
      new TypeError("AdamW() got an unexpected keyword argument 'alpha'"),
    ],
    [
      'an initialLr that is none',
      () => make(optim.AdamW, [{ params: [p], initialLr: -1 }]),
      new RangeError('Invalid initial_lr: -1'),
    ],
    [
      'unknown options',
      () => make(optim.SGD, [p], { learningRate: 1 }),
      new TypeError("SGD() got an unexpected keyword argument 'learningRate'"),
    ],
    [
      'unknown options of a group',
      () => make(optim.SGD, [{ params: [p], betas: [0.9, 0.9] }]),
      new TypeError("SGD() got an unexpected keyword argument 'betas'"),
    ],
  ]
  it.each(cases)('%s', (_, call, expected) => {
    const error = errorOf(call)
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
  })

  it('a step with something wrong, before anything has changed', () => {
    const [a, b] = [parameter([1], [1]), parameter([1], [1])]
    const optimizer = new optim.SGD([{ params: [a] }, { params: [b] }], { lr: 1, momentum: 0.9 })
    optimizer.paramGroups[1].lr = Number.NaN
    expect(() => optimizer.step()).toThrow(RangeError)
    expect(a.item()).toBe(1)
    expect(optimizer.stateDict.bind(optimizer)).toThrow(RangeError)
    optimizer.paramGroups[1].lr = 1
    optimizer.step()
    const [module, other] = [new nn.Linear(1, 1), new nn.Linear(1, 1)]
    const adam = new optim.Adam([...module.parameters(), ...other.parameters()])
    module
      .forward(ones([1, 1]))
      .add(other.forward(ones([1, 1])))
      .backward()
    adam.step()
    const before = bits(module.weight)
    other.to('float64')
    expect(() => adam.step()).toThrow(TypeError)
    expect(bits(module.weight)).toBe(before)
  })
})

describe('groups that a program has changed', () => {
  type Groups = Record<string, unknown>[] & { params: unknown[] }[]
  const p = () => parameter([1], [1])
  const twice = 'some parameters appear in more than one parameter group, or twice in one'
  const missing = (name: string): RangeError =>
    new RangeError(
      `parameter group didn't specify a value of required optimization parameter ${name}`,
    )
  const cases: [name: string, change: (groups: Groups) => void, expected: Error][] = [
    [
      'a number among the parameters',
      ([, group]) => group?.params.push(5),
      new TypeError('optimizer can only optimize Tensors, but one of the params is 5'),
    ],
    [
      'a result',
      ([, group]) => group?.params.push(p().mul(2)),
      new RangeError("can't optimize a non-leaf Tensor"),
    ],
    ['a parameter twice', ([a, b]) => b?.params.push(a?.params[0]), new RangeError(twice)],
    [
      'a hole',
      ([, group]) => {
        if (group) group.params.length = 2
      },
      new TypeError('optimizer can only optimize Tensors, but one of the params is undefined'),
    ],
    [
      'no list',
      ([, group]) => Object.assign(group ?? {}, { params: new Set([p()]) }),
      new TypeError('params of a group must be an array of Tensors, got: Set'),
    ],
    [
      'no group',
      (groups) => Reflect.apply(Array.prototype.push, groups, [null]),
      new TypeError('param_group must be an object with params, got: null'),
    ],
    [
      'a group without options',
      (groups) => Reflect.apply(Array.prototype.push, groups, [{ params: [p()], lr: 1 }]),
      missing('momentum'),
    ],
    ['no lr', ([, group]) => delete group?.lr, missing('lr')],
    [
      'null for weightDecay',
      ([, group]) => Object.assign(group ?? {}, { weightDecay: null }),
      missing('weightDecay'),
    ],
    [
      'an lr that is text',
      ([, group]) => Object.assign(group ?? {}, { lr: '0.1' }),
      new TypeError("Invalid learning rate should be a number, got: '0.1'"),
    ],
    [
      'an lr that is NaN',
      ([, group]) => Object.assign(group ?? {}, { lr: Number.NaN }),
      new RangeError('Invalid learning rate should be a number, got: NaN'),
    ],
  ]
  it.each(cases)('are refused before anything changes: %s', (_, change, expected) => {
    const [a, b] = [p(), p()]
    const optimizer = new optim.SGD([{ params: [a] }, { params: [b] }], { lr: 1, momentum: 0.9 })
    optimizer.step()
    const dict = optimizer.stateDict()
    const before = [a.item(), b.item(), dict.state.get(0)?.momentumBuffer]
    change(optimizer.paramGroups as unknown as Groups)
    for (const use of [() => optimizer.step(), () => optimizer.stateDict()]) {
      expect(errorOf(use)).toEqual(expected)
    }
    if (!/lr|weightDecay|learning|momentum/.test(expected.message)) {
      expect(errorOf(() => optimizer.zeroGrad())).toEqual(expected)
    }
    expect([a.item(), b.item(), dict.state.get(0)?.momentumBuffer]).toEqual(before)
    expect([a.grad, b.grad]).not.toContain(null)
  })

  it('may hold other parameters', () => {
    const [a, b, c] = [p(), p(), p()]
    const optimizer = new optim.SGD([{ params: [a] }, { params: [b] }], { lr: 1 })
    optimizer.paramGroups[0].params.push(c)
    optimizer.paramGroups[1].params = []
    optimizer.step()
    expect([a.item(), b.item(), c.item()]).toEqual([0, 1, 0])
    expect(optimizer.stateDict().paramGroups.map(({ params }) => params)).toEqual([[0, 1], []])
  })
})

describe('stateDict and loadStateDict', () => {
  type AnyClass = typeof optim.SGD | typeof optim.Adam | typeof optim.RMSprop
  type AnyOptimizer = optim.SGD | optim.Adam | optim.RMSprop
  const run = (Class: AnyClass, options: object): void => {
    const gradients = [1, -2, 0.5, 3, -1]
    const steps = (optimizer: { step(): void }, p: Tensor<DType>, list: number[]): void => {
      for (const gradient of list) {
        p.grad = tensor([gradient, gradient * gradient])
        optimizer.step()
      }
    }
    const make = (values: number[]): { p: Tensor<DType>; optimizer: AnyOptimizer } => {
      const p = tensor(values, { requiresGrad: true })
      return { p, optimizer: new Class([p], options) }
    }
    const whole = make([1, 2])
    steps(whole.optimizer, whole.p, gradients)
    const first = make([1, 2])
    steps(first.optimizer, first.p, gradients.slice(0, 2))
    const second = make([...first.p.data])
    second.optimizer.paramGroups[0].lr = 99
    const dict = first.optimizer.stateDict()
    // @ts-expect-error: the compiler does not see that both are of one class
    second.optimizer.loadStateDict(dict)
    steps(second.optimizer, second.p, gradients.slice(2))
    expect(bits(second.p)).toBe(bits(whole.p))
    // What was loaded was copied.
    steps(first.optimizer, first.p, [9])
    steps(whole.optimizer, whole.p, [4])
    steps(second.optimizer, second.p, [4])
    expect(bits(second.p)).toBe(bits(whole.p))
  }

  it('continue exactly', () => {
    run(optim.SGD, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 })
    run(optim.Adam, { lr: 0.1 })
    run(optim.Adam, { lr: 0.1, amsgrad: true, betas: [0.5, 0.6] })
    run(optim.AdamW, { lr: 0.1, weightDecay: 0.5 })
    run(optim.RMSprop, { lr: 0.1, momentum: 0.9, centered: true })
    run(optim.RMSprop, { lr: 0.1, centered: true })
  })

  it('have the layout of torch', () => {
    const [p, q, r] = [parameter([0, 0], [1, 2]), parameter([0], [1]), parameter([0], [1])]
    const optimizer = new optim.Adam([{ params: [p, q] }, { params: [r], lr: 0.5 }])
    optimizer.step()
    const { state, paramGroups } = optimizer.stateDict()
    expect(paramGroups).toEqual([
      {
        lr: 0.001,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weightDecay: 0,
        amsgrad: false,
        maximize: false,
        params: [0, 1],
      },
      {
        lr: 0.5,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weightDecay: 0,
        amsgrad: false,
        maximize: false,
        params: [2],
      },
    ])
    expect([...state.keys()]).toEqual([0, 1, 2])
    expect(Object.keys(state.get(0) ?? {})).toEqual(['step', 'expAvg', 'expAvgSq'])
    const sgd = new optim.SGD([p], { momentum: 0.9 })
    sgd.step()
    expect(Object.keys(sgd.stateDict().state.get(0) ?? {})).toEqual(['momentumBuffer'])
    const rmsprop = new optim.RMSprop([p], { momentum: 0.9, centered: true })
    rmsprop.step()
    expect(Object.keys(rmsprop.stateDict().state.get(0) ?? {})).toEqual([
      ...['step', 'squareAvg', 'momentumBuffer', 'gradAvg'],
    ])
    expect(rmsprop.stateDict().paramGroups).toEqual([
      {
        lr: 0.01,
        alpha: 0.99,
        eps: 1e-8,
        weightDecay: 0,
        momentum: 0.9,
        centered: true,
        maximize: false,
        params: [0],
      },
    ])
    expect(new optim.AdamW([p]).stateDict().paramGroups[0].weightDecay).toBe(0.01)
  })

  it('refuse what does not fit, and change nothing', () => {
    const p = parameter([0, 0], [1, 2])
    const optimizer = new optim.Adam([p])
    optimizer.step()
    const before = JSON.stringify([...optimizer.stateDict().state])
    const { state, paramGroups } = optimizer.stateDict()
    const load =
      (dict: unknown): (() => unknown) =>
      () =>
        Reflect.apply(optimizer.loadStateDict, optimizer, [dict])
    expect(load({ state, paramGroups: [] })).toThrow(
      /^loaded state dict has a different number of parameter groups/,
    )
    expect(load({ state, paramGroups: [{ ...paramGroups[0], params: [0, 1] }] })).toThrow(
      /^loaded state dict contains a parameter group that doesn't match the size of optimizer's group/,
    )
    const wrong = (entry: object): unknown => ({ state: new Map([[0, entry]]), paramGroups })
    expect(load(wrong({ step: 1, expAvg: zeros([3]) }))).toThrow(RangeError)
    expect(load(wrong({ step: 1.5 }))).toThrow(TypeError)
    expect(load(wrong({ step: -1 }))).toThrow(RangeError)
    expect(load(wrong({ momentumBuffer: zeros([2]) }))).toThrow(RangeError)
    expect(load(wrong({ expAvg: 3 }))).toThrow(
      new TypeError('expected expAvg in the state of parameter 0 to be a Tensor, got 3'),
    )
    expect(load({ state: new Map([[1, {}]]), paramGroups })).toThrow(RangeError)
    expect(load({ state: {}, paramGroups })).toThrow(TypeError)
    expect(load(null)).toThrow(TypeError)
    expect(load({ state, paramGroups: [{ ...paramGroups[0], lr: -1 }] })).toThrow(RangeError)
    expect(JSON.stringify([...optimizer.stateDict().state])).toBe(before)
  })
})

describe('clipGradNorm_', () => {
  const { clipGradNorm_ } = nn.utils

  it('scales all gradients together, and gives the norm before', () => {
    const [p, q] = [parameter([0, 0], [3, 0]), parameter([0], [4])]
    expect(clipGradNorm_([p, q], 1)).toBe(5)
    expectClose([...(p.grad?.data ?? []), ...(q.grad?.data ?? [])], [0.6, 0, 0.8], 1e-6)
    expect(clipGradNorm_([p, q], 10)).toBeCloseTo(1, 6)
    expectClose(q.grad?.data ?? [], [0.8], 1e-6)
  })

  it('knows other norms, single tensors, and parameters without gradients', () => {
    const p = parameter([0, 0], [3, -4])
    expect(clipGradNorm_(p, 100, { normType: 1 })).toBe(7)
    expect(clipGradNorm_([p], 100, { normType: Number.POSITIVE_INFINITY })).toBe(4)
    expect(clipGradNorm_([tensor([1], { requiresGrad: true })], 1)).toBe(0)
    expect(clipGradNorm_([], 1)).toBe(0)
    const single = tensor([0], { requiresGrad: true })
    single.grad = tensor([12])
    expect(clipGradNorm_([p, single], 100)).toBe(13)
  })

  // From torch.nn.utils.clip_grad_norm_(…, 1, norm_type=…), for gradients [3, 0, -4] and [1, 2].
  it.each<[number | 'inf' | '-inf', number, number]>([
    [0, 2, 0.5],
    [-1, 0, 1],
    [-2, 0, 1],
    ['inf', 4, 0.25],
    [Number.POSITIVE_INFINITY, 4, 0.25],
    ['-inf', 0, 1],
    [0.5, 37.7766, 1 / 37.7766],
  ])('has the norm of order %s', (normType, norm, scale) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const [p, q] = [
        parameter([0, 0, 0], [3, 0, -4]),
        tensor([0, 0], { dtype, requiresGrad: true }),
      ]
      q.grad = tensor([1, 2], { dtype })
      expect(clipGradNorm_([p, q], 1, { normType })).toBeCloseTo(norm, 4)
      expectClose(p.grad?.data ?? [], [3 * scale, 0, -4 * scale], 1e-5)
      expectClose(q.grad?.data ?? [], [scale, 2 * scale], 1e-5)
    }
  })

  it.each<[number | 'inf' | undefined, number, string]>([
    [undefined, Number.POSITIVE_INFINITY, '2.0'],
    [undefined, Number.NaN, '2.0'],
    [1.5, Number.NEGATIVE_INFINITY, '1.5'],
    ['inf', Number.POSITIVE_INFINITY, 'inf'],
    [-1, Number.NaN, '-1.0'],
  ])('refuses a norm that is not finite, if asked to: order %s of %s', (normType, value, order) => {
    const [p, q] = [parameter([0, 0], [3, 4]), parameter([0], [value])]
    const options = { normType, errorIfNonfinite: true }
    expect(() => clipGradNorm_([p, q], 1, options)).toThrow(
      new RangeError(
        `The total norm of order ${order} for gradients from \`parameters\` is non-finite, so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set \`error_if_nonfinite=False\``,
      ),
    )
    expect([...(p.grad?.data ?? []), ...(q.grad?.data ?? [])]).toEqual([3, 4, value])
    expect(clipGradNorm_([p], 100, options)).toBeGreaterThan(0)
    expect(clipGradNorm_([], 1, options)).toBe(0)
  })

  it('spreads NaN as torch does', () => {
    const p = parameter([0, 0], [Number.NaN, 1])
    expect(clipGradNorm_([p], 1)).toBeNaN()
    expect([...(p.grad?.data ?? [])]).toEqual([Number.NaN, Number.NaN])
  })

  it('refuses what does not fit', () => {
    const p = parameter([0], [1])
    expect(() => clipGradNorm_([p], Number.NaN)).toThrow(RangeError)
    expect(() => clipGradNorm_([p], -1)).toThrow(RangeError)
    expect(() => clipGradNorm_([p], 1, { normType: Number.NaN })).toThrow(RangeError)
    // @ts-expect-error: a string that is no norm
    expect(() => clipGradNorm_([p], 1, { normType: '2' })).toThrow(TypeError)
    // @ts-expect-error: not a boolean
    expect(() => clipGradNorm_([p], 1, { errorIfNonfinite: 1 })).toThrow(TypeError)
    // @ts-expect-error: not a number
    expect(() => clipGradNorm_([p], '1')).toThrow(TypeError)
    // @ts-expect-error: not tensors
    expect(() => clipGradNorm_([1], 1)).toThrow(TypeError)
    // @ts-expect-error: not iterable
    expect(() => clipGradNorm_(3, 1)).toThrow(TypeError)
    expect(p.grad?.item()).toBe(1)
  })
})

describe('clipGradValue_', () => {
  const { clipGradValue_ } = nn.utils

  it('limits every element, NaN excepted', () => {
    const p = parameter([0, 0, 0, 0], [3, -4, 0.5, Number.NaN])
    const single = tensor([0, 0], { requiresGrad: true })
    single.grad = tensor([Number.POSITIVE_INFINITY, -0.25])
    expect(clipGradValue_([p, single, tensor([1], { requiresGrad: true })], 1)).toBeUndefined()
    expect([...(p.grad?.data ?? [])]).toEqual([1, -1, 0.5, Number.NaN])
    expect([...(single.grad?.data ?? [])]).toEqual([1, -0.25])
    clipGradValue_(p, 0)
    expect([...(p.grad?.data ?? [])].map(Math.abs)).toEqual([0, 0, 0, Number.NaN])
  })

  it('refuses what does not fit', () => {
    const p = parameter([0], [3])
    expect(() => clipGradValue_([p], Number.NaN)).toThrow(RangeError)
    expect(() => clipGradValue_([p], -1)).toThrow(RangeError)
    // @ts-expect-error: not a number
    expect(() => clipGradValue_([p], '1')).toThrow(TypeError)
    // @ts-expect-error: not tensors
    expect(() => clipGradValue_([1], 1)).toThrow(TypeError)
    expect(p.grad?.item()).toBe(3)
  })
})
