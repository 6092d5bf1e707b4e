/** Cases of all computations except the recurrent modules. */

import { cat, type DType, manualSeed, nn, ones, optim, stack, type Tensor, tensor } from './package'
import { backward, type Case, gradients, leaf, type Parts, parametersOf, uniform } from './parts'

const dtypes: readonly DType[] = ['float32', 'float64']
const lengths = [1, 7, 16, 17, 33, 64, 130, 3000]

/** A function of one tensor, its result and its gradient. */
function mapped(x: Tensor<DType>, f: (x: Tensor<DType>) => Tensor<DType>): Parts {
  const y = f(x)
  backward([y])
  return { y, ...gradients({ x }) }
}

/** Values up to `size` and down to denormals, from ±2^-140 (float32) on. */
function wide(length: number, size: number, dtype: DType): Tensor<DType> {
  const values = uniform([length], dtype)
  for (let i = 0; i < length; i += 1) values.data[i] *= i % 3 === 0 ? size : 2 ** -(i % 140)
  values.requiresGrad = true
  return values
}

function pointwise(dtype: DType): Case[] {
  const functions: [string, (x: Tensor<DType>) => Tensor<DType>][] = [
    ['tanh', (x) => x.tanh()],
    ['relu', (x) => x.relu()],
    ['sigmoid', (x) => x.sigmoid()],
    ['add a number', (x) => x.add(0.3)],
    ['mul a number', (x) => x.mul(-1.7)],
    ['sum', (x) => x.sum()],
    ['mean', (x) => x.mean()],
    ['mul itself, add itself', (x) => x.mul(x).add(x)],
  ]
  return functions.flatMap(([name, f]) =>
    lengths.map((length) => ({
      name: `${name} ${dtype} (${length})`,
      run: () => mapped(wide(length, 30, dtype), f),
    })),
  )
}

function shapes(dtype: DType): Case[] {
  return [
    {
      name: `views ${dtype}`,
      run: () => {
        const x = leaf([4, 5, 6], dtype)
        const parts = {
          transposed: x.transpose(0, 2),
          selected: x.select(1, -2),
          narrowed: x.narrow(2, 1, 4),
          reshaped: x.reshape([10, -1]),
        }
        backward(Object.values(parts))
        return { ...parts, ...gradients({ x }) }
      },
    },
    {
      name: `cat, stack ${dtype}`,
      run: () => {
        const [a, b] = [leaf([3, 4], dtype), leaf([3, 4], dtype)]
        const parts = { rows: cat([a, b, a]), columns: cat([a, b], 1), stacked: stack([b, a], 1) }
        backward(Object.values(parts))
        return { ...parts, ...gradients({ a, b }) }
      },
    },
  ]
}

function layers(dtype: DType): Case[] {
  const linear = [
    [1, 1, 1],
    [5, 7, 16],
    [17, 33, 64],
    [64, 130, 17],
    [300, 96, 200],
  ].flatMap(([rows, inFeatures, outFeatures]) =>
    [true, false].map((bias) => ({
      name: `Linear ${dtype} (${rows},${inFeatures},${outFeatures})${bias ? '' : ' no bias'}`,
      run: () => {
        const module = new nn.Linear(inFeatures, outFeatures, { bias, dtype })
        const x = leaf([rows, inFeatures], dtype)
        const y = module.forward(x)
        backward([y])
        return { y, ...gradients({ x, ...parametersOf(module) }) }
      },
    })),
  )
  const embedding = [{}, { paddingIdx: 2 }].map((options) => ({
    name: `Embedding ${dtype}${'paddingIdx' in options ? ' padding' : ''}`,
    run: () => {
      const module = new nn.Embedding(7, 33, { ...options, dtype })
      const index = tensor([0, 2, 6, 2, 2, 5], { dtype: 'int32', shape: [2, 3] })
      const y = module.forward(index)
      backward([y])
      return { y, ...gradients(parametersOf(module)) }
    },
  }))
  const dropout = [0.3, 1].map((p) => ({
    name: `Dropout ${dtype} ${p}`,
    run: () => mapped(leaf([130, 7], dtype), (x) => new nn.Dropout(p).forward(x)),
  }))
  return [...linear, ...embedding, ...dropout]
}

function losses(dtype: DType): Case[] {
  const reductions = ['mean', 'sum', 'none'] as const
  const pairs = reductions.flatMap((reduction) =>
    [
      [new nn.MSELoss({ reduction }), 'MSELoss'] as const,
      [new nn.L1Loss({ reduction }), 'L1Loss'] as const,
      [new nn.BCEWithLogitsLoss({ reduction }), 'BCEWithLogitsLoss'] as const,
    ].flatMap(([loss, name]) =>
      [33, 3000].map((length) => ({
        name: `${name} ${dtype} ${reduction} (${length})`,
        run: () => {
          const target = leaf([length], dtype)
          return {
            ...mapped(wide(length, 8, dtype), (x) => loss.forward(x, target)),
            ...gradients({ target }),
          }
        },
      })),
    ),
  )
  const classes = reductions.flatMap((reduction) =>
    [3, 17, 130].map((C) => ({
      name: `CrossEntropyLoss ${dtype} ${reduction} (${C})`,
      libm: true,
      run: () => {
        const loss = new nn.CrossEntropyLoss({ reduction, ignoreIndex: 1 })
        const target = tensor(
          Int32Array.from({ length: 40 }, (_, i) => i % 3),
          { shape: [8, 5] },
        )
        return mapped(leaf([8, 5, C], dtype), (x) => loss.forward(x.mul(9), target))
      },
    })),
  )
  return [...pairs, ...classes]
}

/** Three updates of a layer and of what clipping leaves of its gradients. */
function train(
  dtype: DType,
  make: (parameters: Tensor<DType>[]) => { step(): void; zeroGrad(): void },
) {
  return (): Parts => {
    manualSeed(11)
    const module = new nn.Linear(33, 17, { dtype })
    const optimizer = make([...module.parameters()])
    const norms: Record<string, number> = {}
    for (let step = 0; step < 3; step += 1) {
      optimizer.zeroGrad()
      const y = module.forward(uniform([9, 33], dtype))
      new nn.MSELoss().forward(y, ones(y.shape, { dtype })).backward()
      norms[`norm ${step}`] = nn.utils.clipGradNorm_(module.parameters(), 0.5)
      optimizer.step()
    }
    return { ...norms, ...parametersOf(module) }
  }
}

function optimizers(dtype: DType): Case[] {
  const sgd = { lr: 0.1, momentum: 0.9, dampening: 0.1, weightDecay: 0.01 }
  return [
    { name: `SGD ${dtype}`, run: train(dtype, (all) => new optim.SGD(all, sgd)) },
    {
      name: `SGD ${dtype} nesterov`,
      run: train(
        dtype,
        (all) => new optim.SGD(all, { lr: 0.1, momentum: 0.9, nesterov: true, maximize: true }),
      ),
    },
    { name: `RMSprop ${dtype}`, run: train(dtype, (all) => new optim.RMSprop(all)) },
    {
      name: `RMSprop ${dtype} centered`,
      run: train(dtype, (all) => new optim.RMSprop(all, { centered: true, momentum: 0.5 })),
    },
    { name: `Adam ${dtype}`, libm: true, run: train(dtype, (all) => new optim.Adam(all)) },
    {
      name: `Adam ${dtype} amsgrad`,
      libm: true,
      run: train(dtype, (all) => new optim.Adam(all, { amsgrad: true, weightDecay: 0.1 })),
    },
    { name: `AdamW ${dtype}`, libm: true, run: train(dtype, (all) => new optim.AdamW(all)) },
  ]
}

export const otherCases: readonly Case[] = dtypes.flatMap((dtype) => [
  ...pointwise(dtype),
  ...shapes(dtype),
  ...layers(dtype),
  ...losses(dtype),
  ...optimizers(dtype),
])
