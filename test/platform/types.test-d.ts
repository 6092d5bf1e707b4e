/** The types of the public API. */

import {
  type CallPromise,
  cat,
  type DType,
  deserializeSafetensors,
  type IntTensor,
  loadCheckpoint,
  loadSafetensors,
  manualSeed,
  nn,
  noGrad,
  optim,
  randn,
  saveCheckpoint,
  saveSafetensors,
  serializeSafetensors,
  Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expectTypeOf, it } from 'vitest'

type Wide = Tensor<'float64'>

/** Zeros of the other dtype. */
const wide = (shape: number[]): Wide => zeros(shape, { dtype: 'float64' })

describe('tensors', () => {
  it('are told from indices by their dtype', () => {
    expectTypeOf(tensor([1])).toEqualTypeOf<Tensor>()
    expectTypeOf(tensor([[1], [2]], { dtype: 'float64' })).toEqualTypeOf<Wide>()
    expectTypeOf(tensor([1], { dtype: 'int32' })).toEqualTypeOf<IntTensor>()
    expectTypeOf(tensor(Int32Array.of(1))).toEqualTypeOf<IntTensor>()
    expectTypeOf(tensor(Int32Array.of(1), { dtype: 'float32' })).toEqualTypeOf<Tensor>()
    expectTypeOf(tensor(new Float64Array(2), { shape: [1, 2] })).toEqualTypeOf<Wide>()
    expectTypeOf(zeros([1], { dtype: 'float32' as DType })).toEqualTypeOf<Tensor<DType>>()
  })

  it('have these members', () => {
    expectTypeOf<Tensor['data']>().toEqualTypeOf<Float32Array<ArrayBuffer>>()
    expectTypeOf<Wide['data']>().toEqualTypeOf<Float64Array<ArrayBuffer>>()
    expectTypeOf(zeros([2]).data.reduce((sum, value) => sum + value, 0)).toBeNumber()
    expectTypeOf(wide([2]).data.map(Math.abs)).toEqualTypeOf<Float64Array<ArrayBuffer>>()
    expectTypeOf<Tensor['dtype']>().toEqualTypeOf<'float32'>()
    expectTypeOf<Tensor<DType>['dtype']>().toEqualTypeOf<'float32' | 'float64'>()
    expectTypeOf<Tensor>().toExtend<Tensor<DType>>()
    expectTypeOf<Tensor['shape']>().toEqualTypeOf<readonly number[]>()
    expectTypeOf<Tensor['grad']>().toEqualTypeOf<Tensor | null>()
    expectTypeOf<IntTensor['data']>().toEqualTypeOf<Int32Array<ArrayBuffer>>()
    expectTypeOf<IntTensor['dtype']>().toEqualTypeOf<'int32'>()
    expectTypeOf(zeros([1]).item()).toBeNumber()
    expectTypeOf(zeros([1]).backward).toBeCallableWith(zeros([1]))
    expectTypeOf(zeros([1]).backward).toBeCallableWith(null)
    expectTypeOf(zeros([1]).backwardAsync()).toEqualTypeOf<CallPromise<void>>()
    expectTypeOf(zeros([1]).backwardAsync).toBeCallableWith(null, { signal: AbortSignal.abort() })
  })

  it('keep their dtype through operations', () => {
    const x = wide([2, 3])
    expectTypeOf(x.tanh().mul(2).add(x).reshape([3, 2]).narrow(0, 0, 1)).toEqualTypeOf<Wide>()
    expectTypeOf(x.select(0, 0).transpose(0, 0).detach().clone().sum()).toEqualTypeOf<Wide>()
    expectTypeOf(cat([x, x])).toEqualTypeOf<Wide>()
    expectTypeOf(new nn.MSELoss().forward(x, x)).toEqualTypeOf<Wide>()
    // @ts-expect-error: another dtype
    x.add(zeros([2, 3]))
    // @ts-expect-error: indices are no numbers
    x.add(tensor([1], { dtype: 'int32' }))
  })

  it('have arrays and bytes that the platform takes', () => {
    const first: number = tensor([[1, 2]]).toArray()[0]?.[0] ?? 0
    expectTypeOf(first).toBeNumber()
    const bytes = serializeSafetensors(new nn.Linear(1, 1).stateDict())
    new Blob([bytes])
    new Response(bytes)
    void crypto.subtle.digest('SHA-256', bytes)
    for (const one of deserializeSafetensors(bytes).values()) {
      if (one.dtype === 'float64') expectTypeOf(one).toEqualTypeOf<Wide>()
    }
  })

  it('refuse what does not fit', () => {
    // @ts-expect-error: no such dtype
    tensor([1], { dtype: 'float16' })
    // @ts-expect-error: indices have no gradient
    tensor([1], { dtype: 'int32', requiresGrad: true })
    // @ts-expect-error: not numbers
    tensor([true])
    // @ts-expect-error: no such option
    zeros([1], { device: 'cpu' })
    // @ts-expect-error: no such dtype
    randn([1], { dtype: 'int32' })
    // @ts-expect-error: the data cannot be replaced
    zeros([1]).data = new Float32Array(1)
    // @ts-expect-error: the constructor is private
    new Tensor()
    // @ts-expect-error: not a seed
    manualSeed('1')
  })
})

describe('nn.RNN', () => {
  const rnn = new nn.RNN(3, 4, { numLayers: 2, nonlinearity: 'relu', dtype: 'float64' })

  it('has its parameters as fields', () => {
    expectTypeOf(rnn.weight_ih_l0).toEqualTypeOf<Wide>()
    expectTypeOf(rnn.weight_hh_l1).toEqualTypeOf<Wide>()
    const many: number = 2
    const deep = new nn.RNN(3, 4, { numLayers: many })
    expectTypeOf(deep.weight_hh_l0).toEqualTypeOf<Tensor>()
    expectTypeOf(deep.bias_hh_l12_reverse).toExtend<Tensor | undefined>()
    // @ts-expect-error: no such parameter
    rnn.weight_xx_l0
    // @ts-expect-error: no such parameter
    rnn.weight_ih_lx
    expectTypeOf(rnn.dropout).toBeNumber()
    expectTypeOf(rnn.nonlinearity).toEqualTypeOf<'tanh' | 'relu'>()
    // @ts-expect-error: fixed when it is made
    rnn.hiddenSize = 5
  })

  it('gives tuples and named gradients', () => {
    const result = rnn.forward(wide([5, 2, 3]), null, { lengths: [5, 2] })
    expectTypeOf(rnn.forwardAsync(wide([5, 2, 3]))).toEqualTypeOf<CallPromise<typeof result>>()
    expectTypeOf(rnn.forwardAsync).toBeCallableWith(wide([5, 2, 3]), null, {
      lengths: [5, 2],
      signal: AbortSignal.abort(),
    })
    expectTypeOf(result).toEqualTypeOf<[output: Wide, hN: Wide]>()
    expectTypeOf(rnn.forward(wide([5, 2, 3]), null, { checkpointEvery: 2 })).toEqualTypeOf<
      typeof result
    >()
    // @ts-expect-error: a pullback may be called many times
    rnn.vjp(wide([5, 2, 3]), null, { checkpointEvery: 2 })
    const { pullback, hN } = rnn.vjp(wide([5, 2, 3]))
    expectTypeOf(hN).toEqualTypeOf<Wide>()
    const gradients = pullback(null, hN)
    expectTypeOf(gradients.input).toEqualTypeOf<Wide>()
    expectTypeOf(gradients.parameters).toEqualTypeOf<Map<string, Wide>>()
  })

  it('gives packed sequences for packed sequences', () => {
    const packed = nn.utils.rnn.packSequence([wide([2, 3])])
    expectTypeOf(packed).toEqualTypeOf<nn.utils.rnn.PackedSequence<'float64'>>()
    expectTypeOf(rnn.forward(packed)).toEqualTypeOf<
      [output: nn.utils.rnn.PackedSequence<'float64'>, hN: Wide]
    >()
    expectTypeOf(packed.sortedIndices).toEqualTypeOf<IntTensor | null>()
    expectTypeOf(nn.utils.rnn.padPackedSequence(packed)).toEqualTypeOf<
      [tensor: Wide, lengths: IntTensor]
    >()
    new nn.utils.rnn.PackedSequence(packed.data, packed.batchSizes, [0], Int32Array.of(0))
    expectTypeOf(rnn.forward).toBeCallableWith(packed, null, { checkpointEvery: 2 })
    // @ts-expect-error: each sequence has its own length
    rnn.forward(packed, null, { lengths: [2] })
    // @ts-expect-error: no pullback for packed sequences
    rnn.vjp(packed)
    // @ts-expect-error: the sequences cannot be replaced
    packed.data = wide([2, 3])
    // @ts-expect-error: no such side
    nn.utils.rnn.padSequence([wide([1])], { paddingSide: 'top' })
  })

  it('has a cell for single steps', () => {
    const cell = new nn.RNNCell(3, 4, { nonlinearity: 'relu', dtype: 'float64' })
    expectTypeOf(cell.forward(wide([2, 3]), null)).toEqualTypeOf<Wide>()
    expectTypeOf(cell.bias_hh).toEqualTypeOf<Wide>()
    // @ts-expect-error: a cell has one layer
    new nn.RNNCell(3, 4, { numLayers: 2 })
  })

  it('refuses what does not fit', () => {
    // @ts-expect-error: no such nonlinearity
    new nn.RNN(3, 4, { nonlinearity: 'gelu' })
    // @ts-expect-error: no such dtype
    new nn.RNN(3, 4, { dtype: 'float16' })
    // @ts-expect-error: no such option
    new nn.RNN(3, 4, { projSize: 2 })
    // @ts-expect-error: not a number
    new nn.RNN('3', 4)
    // @ts-expect-error: a size is missing
    new nn.RNN(3)
    // @ts-expect-error: no such option
    rnn.forward(wide([5, 2, 3]), null, { length: [5, 2] })
    // @ts-expect-error: indices are not an input
    rnn.forward(tensor([1], { dtype: 'int32' }))
  })
})

describe('nn.LSTM and nn.GRU', () => {
  const lstm = new nn.LSTM(3, 4, { numLayers: 2, projSize: 2 })
  const gru = new nn.GRU(3, 4, { bidirectional: true, dtype: 'float64' })

  it('have their parameters as fields', () => {
    expectTypeOf(lstm.weight_ih_l0).toEqualTypeOf<Tensor>()
    expectTypeOf(lstm.weight_hr_l1).toEqualTypeOf<Tensor>()
    expectTypeOf(gru.bias_hh_l0_reverse).toEqualTypeOf<Wide>()
    // @ts-expect-error: nothing is projected
    gru.weight_hr_l0
    expectTypeOf(lstm.projSize).toBeNumber()
    // @ts-expect-error: fixed when it is made
    lstm.projSize = 1
  })

  it('give a pair of states, and one', () => {
    const result = lstm.forward(zeros([5, 2, 3]), [zeros([2, 2, 2]), zeros([2, 2, 4])])
    expectTypeOf(result).toEqualTypeOf<[output: Tensor, hN: [h: Tensor, c: Tensor]]>()
    expectTypeOf(lstm.forwardAsync(zeros([5, 2, 3]))).toEqualTypeOf<CallPromise<typeof result>>()
    const packed = nn.utils.rnn.packSequence([zeros([2, 3])])
    expectTypeOf(lstm.forward(packed)[1]).toEqualTypeOf<nn.LSTMState>()
    expectTypeOf(gru.forward(wide([5, 2, 3]), wide([2, 2, 4]))).toEqualTypeOf<
      [output: Wide, hN: Wide]
    >()
    // @ts-expect-error: the states are a pair
    lstm.forward(zeros([5, 2, 3]), zeros([2, 2, 4]))
    // @ts-expect-error: the state is one tensor
    gru.forward(wide([5, 2, 3]), [wide([2, 2, 4]), wide([2, 2, 4])])
  })

  it('take gradients of which each may be missing', () => {
    const { hN, pullback } = lstm.vjp(zeros([5, 2, 3]))
    expectTypeOf(pullback).toBeCallableWith(null, [null, hN[1]])
    expectTypeOf(pullback).toBeCallableWith(null, hN)
    expectTypeOf(pullback(zeros([5, 2, 2]), null).hx).toEqualTypeOf<nn.LSTMState>()
    // @ts-expect-error: a pair
    pullback(null, hN[0])
  })

  it('have streams that show their states', () => {
    const stream = lstm.stream({ hx: [zeros([2, 1, 2]), zeros([2, 1, 4])] })
    expectTypeOf(stream.hidden).toEqualTypeOf<nn.LSTMState>()
    expectTypeOf(gru.stream().hidden).toEqualTypeOf<Wide>()
    expectTypeOf(stream.reset).toBeCallableWith(stream.hidden)
    // @ts-expect-error: a copy cannot be written back
    stream.hidden = lstm.stream().hidden
  })

  it('have cells for single steps', () => {
    const [lstmCell, gruCell] = [new nn.LSTMCell(3, 4), new nn.GRUCell(3, 4, { bias: false })]
    expectTypeOf(lstmCell.forward(zeros([2, 3]), null)).toEqualTypeOf<[h: Tensor, c: Tensor]>()
    expectTypeOf(gruCell.forward(zeros([2, 3]), zeros([2, 4]))).toEqualTypeOf<Tensor>()
    expectTypeOf(lstmCell.bias_hh).toEqualTypeOf<Tensor>()
    expectTypeOf(gruCell.bias_hh).toEqualTypeOf<null>()
  })

  it('refuse what does not fit', () => {
    // @ts-expect-error: only an LSTM projects
    new nn.GRU(3, 4, { projSize: 2 })
    // @ts-expect-error: that of an RNN
    new nn.LSTM(3, 4, { nonlinearity: 'relu' })
    // @ts-expect-error: a cell does not project
    new nn.LSTMCell(3, 4, { projSize: 2 })
  })
})

describe('modules', () => {
  it('give tensors by name', () => {
    const model = new nn.Linear(2, 2)
    expectTypeOf(model.stateDict()).toEqualTypeOf<Map<string, Tensor>>()
    expectTypeOf(model.parameters()).toEqualTypeOf<Tensor[]>()
    expectTypeOf(model.to('float64').weight).toEqualTypeOf<Wide>()
    expectTypeOf(model.bias).toEqualTypeOf<Tensor>()
    expectTypeOf(model.loadStateDict(loadSafetensors('x'), { strict: false })).toEqualTypeOf<{
      missingKeys: string[]
      unexpectedKeys: string[]
    }>()
    // @ts-expect-error: no such dtype
    model.to('int32')
    // @ts-expect-error: indices go in
    new nn.Embedding(3, 4).forward(zeros([1]))
    // @ts-expect-error: indices are the target
    new nn.CrossEntropyLoss().forward(zeros([1, 2]), zeros([1]))
    // @ts-expect-error: no such reduction
    new nn.MSELoss({ reduction: 'average' })
  })
})

describe('optimizers', () => {
  it('take parameters or groups, with their own options', () => {
    const model = new nn.Linear(2, 2)
    new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })
    new optim.Adam([{ params: model.parameters(), lr: 0.1 }, { params: model.weight }], {
      betas: [0.9, 0.99],
    })
    const adam = new optim.Adam(model.parameters())
    expectTypeOf(adam.paramGroups[0].betas).toEqualTypeOf<readonly [number, number]>()
    expectTypeOf(adam.paramGroups[0].params).toEqualTypeOf<Tensor<DType>[]>()
    expectTypeOf(nn.utils.clipGradNorm_(model.parameters(), 1)).toBeNumber()
    const scheduler = new optim.lrScheduler.StepLR(adam, 3)
    new optim.lrScheduler.CosineAnnealingLR(new optim.RMSprop(model.parameters()), 3)
    expectTypeOf(scheduler.stateDict().stepSize).toEqualTypeOf<number>()
    // @ts-expect-error: the epochs of a plateau need a metric
    new optim.lrScheduler.ReduceLROnPlateau(adam).step()
    // @ts-expect-error: not an optimizer
    new optim.lrScheduler.StepLR(model, 3)
    saveCheckpoint({ model, optimizer: adam, scheduler, extra: { epoch: 3, losses: [0.1] } }, 'x')
    loadCheckpoint('x', { model, optimizer: new optim.SGD(model.parameters()) })
    // @ts-expect-error: an option of another optimizer
    new optim.SGD(model.parameters(), { betas: [0.9, 0.99] })
    // @ts-expect-error: not parameters
    new optim.Adam(model)
    // @ts-expect-error: no model
    saveCheckpoint({ optimizer: adam }, 'x')
    // @ts-expect-error: not a JSON value
    saveCheckpoint({ model, extra: new Map() }, 'x')
    // @ts-expect-error: the other order
    saveSafetensors('x', model.stateDict())
  })
})

describe('noGrad', () => {
  it('gives what its function gives, and takes no async one', () => {
    expectTypeOf(noGrad(() => zeros([1]))).toEqualTypeOf<Tensor>()
    expectTypeOf(noGrad(() => new nn.RNN(1, 1).forward(zeros([1, 1, 1])))).toEqualTypeOf<
      [output: Tensor, hN: Tensor]
    >()
    // @ts-expect-error: asynchronous
    noGrad(async () => zeros([1]))
    // @ts-expect-error: a generator
    noGrad(function* () {
      yield zeros([1])
    })
  })

  it('takes a function that returns the promise of a call', () => {
    const rnn = new nn.RNN(1, 1)
    const call = (): CallPromise<[output: Tensor, hN: Tensor]> => rnn.forwardAsync(zeros([1, 1, 1]))
    const result = noGrad(call)
    expectTypeOf(result).toEqualTypeOf<CallPromise<[output: Tensor, hN: Tensor]>>()
    expectTypeOf(result).toExtend<Promise<[Tensor, Tensor]>>()
    expectTypeOf(noGrad(() => [call(), call()])).toEqualTypeOf<(typeof result)[]>()
    expectTypeOf(noGrad(() => zeros([1]).backwardAsync())).toEqualTypeOf<CallPromise<void>>()
    // @ts-expect-error: what follows is recorded
    noGrad(() => call().then(([output]) => output.mean()))
    class Sub extends nn.RNN {
      override async forwardAsync(): Promise<never> {
        throw new Error('not supported')
      }
    }
    expectTypeOf<Sub>().toExtend<nn.RNN>()
  })
})
