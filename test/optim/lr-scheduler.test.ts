/** Schedules; whole runs are compared with PyTorch's in golden.test.ts. */

import { nn, optim, tensor } from '@elman/rnn'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { errorOf } from '../helpers/numbers'

const { StepLR, CosineAnnealingLR, ReduceLROnPlateau } = optim.lrScheduler

function optimizerOf(...rates: number[]): optim.SGD {
  const groups = rates.map((lr) => ({ params: [tensor([1], { requiresGrad: true })], lr }))
  const optimizer = new optim.SGD(groups)
  optimizer.step()
  return optimizer
}

const rates = ({ paramGroups }: optim.SGD): number[] => paramGroups.map(({ lr }) => lr)

afterEach(() => {
  vi.restoreAllMocks()
})

describe('schedules by the epoch', () => {
  it('start from the learning rates that they find, and note them in the groups', () => {
    const optimizer = optimizerOf(0.5, 0.25)
    const scheduler = new StepLR(optimizer, 1)
    expect(scheduler.optimizer).toBe(optimizer)
    expect([scheduler.lastEpoch, scheduler.baseLrs]).toEqual([0, [0.5, 0.25]])
    expect(optimizer.paramGroups.map(({ initialLr }) => initialLr)).toEqual([0.5, 0.25])
    scheduler.step()
    expect([scheduler.lastEpoch, scheduler.getLastLr()]).toEqual([1, rates(optimizer)])
    // A second schedule starts where the first did.
    expect(new StepLR(optimizer, 1).baseLrs).toEqual([0.5, 0.25])
  })

  it('multiply what the learning rate is at the time', () => {
    const optimizer = optimizerOf(0.5)
    const scheduler = new StepLR(optimizer, 1, { gamma: 0.5 })
    optimizer.paramGroups[0].lr = 0.125
    scheduler.step()
    expect(rates(optimizer)).toEqual([0.0625])
  })

  it('go on after an epoch that is given', () => {
    const optimizer = new optim.SGD([
      { params: [tensor([1], { requiresGrad: true })], lr: 0.5, initialLr: 2 },
    ])
    const scheduler = new StepLR(optimizer, 3, { gamma: 0.5, lastEpoch: 4 })
    expect([scheduler.lastEpoch, scheduler.baseLrs, rates(optimizer)]).toEqual([5, [2], [0.5]])
    optimizer.step()
    scheduler.step()
    expect(rates(optimizer)).toEqual([0.25])
  })

  it('hand out copies', () => {
    const scheduler = new CosineAnnealingLR(optimizerOf(0.5), 4)
    scheduler.getLastLr()[0] = 9
    scheduler.baseLrs[0] = 9
    scheduler.stateDict().baseLrs[0] = 9
    expect([scheduler.getLastLr(), scheduler.stateDict()]).toEqual([
      [0.5],
      { tMax: 4, etaMin: 0, baseLrs: [0.5], lastEpoch: 0, stepCount: 1, lastLr: [0.5] },
    ])
  })

  it('warn if they step before the optimizer', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const optimizer = new optim.SGD([tensor([1], { requiresGrad: true })], { lr: 0.5 })
    const scheduler = new StepLR(optimizer, 2)
    scheduler.step()
    expect(warn.mock.calls).toHaveLength(1)
    expect(String(warn.mock.calls[0][0])).toMatch(/^Detected call of `lrScheduler.step\(\)` before/)
    scheduler.step()
    new StepLR(optimizerOf(0.5), 2).step()
    expect(warn.mock.calls).toHaveLength(1)
  })

  it('change nothing if a learning rate is none', () => {
    const optimizer = optimizerOf(0.5, 0.5)
    const scheduler = new StepLR(optimizer, 1)
    optimizer.paramGroups[1].lr = Number.NaN
    const before = scheduler.stateDict()
    expect(() => scheduler.step()).toThrow(RangeError)
    expect([rates(optimizer), scheduler.stateDict()]).toEqual([[0.5, Number.NaN], before])
  })
})

describe('ReduceLROnPlateau', () => {
  it('takes tensors of one element, and NaN for no progress', () => {
    const optimizer = optimizerOf(1)
    const scheduler = new ReduceLROnPlateau(optimizer, { patience: 1 })
    scheduler.step(tensor([2]))
    expect(scheduler.stateDict().best).toBe(2)
    scheduler.step(Number.NaN)
    expect(scheduler.stateDict().numBadEpochs).toBe(1)
    scheduler.step(Number.NaN)
    expect(rates(optimizer)).toEqual([0.1])
    expect(scheduler.lastEpoch).toBe(3)
  })

  it('leaves out a fall that is too small, and stops at the smallest rate', () => {
    const optimizer = optimizerOf(1, 0.2, 1e-8)
    const scheduler = new ReduceLROnPlateau(optimizer, { patience: 0, minLr: [0.5, 0.2, 0] })
    for (const metric of [1, 2, 3]) scheduler.step(metric)
    expect(rates(optimizer)).toEqual([0.5, 0.2, 1e-8])
  })

  it('refuses metrics that are none, and changes nothing', () => {
    const scheduler = new ReduceLROnPlateau(optimizerOf(1))
    const before = scheduler.stateDict()
    // @ts-expect-error: no metric
    expect(() => scheduler.step()).toThrow(TypeError)
    // @ts-expect-error: not a number
    expect(() => scheduler.step('1')).toThrow(TypeError)
    expect(() => scheduler.step(tensor([1, 2]))).toThrow(RangeError)
    expect(scheduler.stateDict()).toEqual(before)
  })
})

describe('the state of a schedule', () => {
  it('goes on where it was', () => {
    const steps = (scheduler: optim.lrScheduler.StepLR | optim.lrScheduler.CosineAnnealingLR) => {
      for (let epoch = 0; epoch < 3; epoch += 1) scheduler.step()
    }
    for (const make of [
      (optimizer: optim.SGD) => new StepLR(optimizer, 2, { gamma: 0.3 }),
      (optimizer: optim.SGD) => new CosineAnnealingLR(optimizer, 5, { etaMin: 0.01 }),
    ]) {
      const [first, second] = [optimizerOf(0.5, 1), optimizerOf(0.5, 1)]
      const [whole, part] = [make(first), make(second)]
      steps(whole)
      steps(part)
      const third = optimizerOf(9, 9)
      const resumed = make(third)
      third.loadStateDict(second.stateDict())
      // @ts-expect-error: the compiler does not see that both are of one class
      resumed.loadStateDict(part.stateDict())
      expect(third.paramGroups.map(({ initialLr }) => initialLr)).toEqual([0.5, 1])
      steps(whole)
      steps(resumed)
      expect(rates(third)).toEqual(rates(first))
      expect(resumed.stateDict()).toEqual(whole.stateDict())
    }
  })

  it('is refused if it does not fit, and nothing changes', () => {
    const scheduler = new ReduceLROnPlateau(optimizerOf(1, 2))
    scheduler.step(3)
    const before = scheduler.stateDict()
    const load = (change: unknown): unknown =>
      errorOf(() => Reflect.apply(scheduler.loadStateDict, scheduler, [change]))
    expect(load(null)).toBeInstanceOf(TypeError)
    expect(load({})).toBeInstanceOf(RangeError)
    expect(load({ ...before, mode: 'avg' })).toEqual(new RangeError('mode avg is unknown!'))
    expect(load({ ...before, numBadEpochs: -1 })).toBeInstanceOf(RangeError)
    expect(load({ ...before, lastEpoch: 1.5 })).toBeInstanceOf(TypeError)
    expect(load({ ...before, best: '1' })).toBeInstanceOf(TypeError)
    expect(load({ ...before, minLrs: [0] })).toBeInstanceOf(RangeError)
    expect(load({ ...before, lastLr: 1 })).toBeInstanceOf(TypeError)
    expect(scheduler.stateDict()).toEqual(before)
  })
})

describe('a schedule refuses', () => {
  const optimizer = optimizerOf(0.5)
  const make = (Class: unknown, ...args: unknown[]): unknown =>
    Reflect.construct(Class as typeof StepLR, args)
  const cases: [name: string, call: () => unknown, expected: Error][] = [
    [
      'what is no optimizer',
      () => make(StepLR, new nn.Linear(1, 1), 1),
      new TypeError('Linear is not an Optimizer'),
    ],
    [
      'what is no optimizer for a plateau',
      () => make(ReduceLROnPlateau, 3),
      new TypeError('3 is not an Optimizer'),
    ],
    [
      'no step size',
      () => make(StepLR, optimizer),
      new TypeError('stepSize should be of type int, got: undefined'),
    ],
    [
      'a step size of 0',
      () => make(StepLR, optimizer, 0),
      new RangeError('stepSize must be greater than zero'),
    ],
    [
      'a tMax of 0',
      () => make(CosineAnnealingLR, optimizer, 0),
      new RangeError('tMax must be greater than zero'),
    ],
    [
      'a negative gamma',
      () => make(StepLR, optimizer, 1, { gamma: -1 }),
      new RangeError('gamma: -1'),
    ],
    [
      'a factor of 1',
      () => make(ReduceLROnPlateau, optimizer, { factor: 1 }),
      new RangeError('Factor should be < 1.0.'),
    ],
    [
      'another mode',
      () => make(ReduceLROnPlateau, optimizer, { mode: 'avg' }),
      new RangeError('mode avg is unknown!'),
    ],
    [
      'another threshold mode',
      () => make(ReduceLROnPlateau, optimizer, { thresholdMode: 'avg' }),
      new RangeError('threshold mode avg is unknown!'),
    ],
    [
      'smallest rates for other groups',
      () => make(ReduceLROnPlateau, optimizer, { minLr: [0, 0] }),
      new RangeError('min_lr should have one number for each of the 1 groups, got 2'),
    ],
    [
      'a fraction of patience',
      () => make(ReduceLROnPlateau, optimizer, { patience: 0.5 }),
      new TypeError('patience should be of type int, got: 0.5'),
    ],
    [
      'a last epoch without a first learning rate',
      () => make(StepLR, optimizer, 1, { lastEpoch: 3 }),
      new RangeError(
        "param 'initialLr' is not specified in paramGroups[0] when resuming a schedule with lastEpoch >= 0",
      ),
    ],
    [
      'unknown options',
      () => make(StepLR, optimizer, 1, { etaMin: 1 }),
      new TypeError("StepLR() got an unexpected keyword argument 'etaMin'"),
    ],
  ]
  it.each(cases)('%s', (_, call, expected) => {
    const error = errorOf(call)
    expect(error).toBeInstanceOf(expected.constructor)
    expect((error as Error).message).toBe(expected.message)
    expect(rates(optimizer)).toEqual([0.5])
    expect(optimizer.paramGroups[0].initialLr).toBeUndefined()
  })
})
