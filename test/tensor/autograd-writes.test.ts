/** Writes to `data` between forward and backward are detected, for every operation that saves the value. */

import { type DType, nn, noGrad, optim, type Tensor, tensor } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { bits, expectClose, expectSameBits, filled } from '../helpers/numbers'

const written =
  /^one of the variables needed for gradient computation has been modified by an inplace operation: something was written into the data of a tensor that \w+ has kept/

type Ways = [name: string, backward: (loss: Tensor<DType>) => void | Promise<void>][]
const ways: Ways = [
  ['backward', (loss) => loss.backward()],
  ['backwardAsync', (loss) => loss.backwardAsync()],
]

/** A loss, the values that its graph saves, and the leaves. */
interface Graph {
  loss: Tensor<DType>
  kept: Record<string, Tensor<DType>>
  leaves: Tensor<DType>[]
}

function recurrent(options: ConstructorParameters<typeof nn.RNN>[2], sizes = [3, 5]): Graph {
  const [inputSize, hiddenSize] = sizes
  const rnn = new nn.RNN(inputSize, hiddenSize, options)
  const { dtype } = rnn.weight_ih_l0
  const [layers] = noGrad(() => rnn.forward(filled([1, 1, inputSize], 0, { dtype })))[1].shape
  const input = filled([6, 2, inputSize], 1, { dtype })
  const hx = filled([layers, 2, hiddenSize], 2, { dtype, requiresGrad: true })
  const [output, hN] = rnn.forward(input, hx)
  const parameters = Object.fromEntries(rnn.namedParameters())
  return {
    loss: output.sum().add(hN.sum()),
    kept: { input, hx, output, ...parameters },
    leaves: [hx, ...rnn.parameters()],
  }
}

const a = (): Tensor => filled([4, 3], 1, { requiresGrad: true })
const b = (): Tensor => filled([4, 3], 2, { requiresGrad: true })
function operation(apply: (x: Tensor, y: Tensor) => [Tensor, Record<string, Tensor>]): Graph {
  const [x, y] = [a(), b()]
  const [result, kept] = apply(x, y)
  return { loss: result.numel === 1 ? result : result.sum(), kept, leaves: [x, y] }
}

const graphs: [string, () => Graph][] = [
  ['RNN', () => recurrent({})],
  ['RNN of two layers', () => recurrent({ numLayers: 2, bidirectional: true, dtype: 'float64' })],
  ['RNN, relu, large', () => recurrent({ nonlinearity: 'relu', bias: false }, [130, 150])],
  ['mul', () => operation((x, y) => [x.mul(y), { x, y }])],
  ...(['tanh', 'relu', 'sigmoid'] as const).map((name): [string, () => Graph] => [
    name,
    () =>
      operation((x) => {
        const result = x[name]()
        return [result, { result }]
      }),
  ]),
  [
    'Linear',
    () => {
      const linear = new nn.Linear(3, 2)
      const { loss, kept, leaves } = operation((x) => [linear.forward(x), { x }])
      const { weight } = linear
      return { loss, kept: { ...kept, weight }, leaves: [...leaves, ...linear.parameters()] }
    },
  ],
  [
    'CrossEntropyLoss',
    () =>
      operation((x) => {
        const targets = tensor([0, 2, 1, 1], { dtype: 'int32' })
        return [new nn.CrossEntropyLoss().forward(x, targets), { x }]
      }),
  ],
  ['MSELoss', () => operation((x, y) => [new nn.MSELoss().forward(x, y), { x, y }])],
]

describe.each(ways)('%s', (_, backward) => {
  it.each(graphs)('of %s finds a write into any value that it keeps', async (_name, make) => {
    for (const which of Object.keys(make().kept)) {
      const { loss, kept, leaves } = make()
      const { data } = kept[which]
      for (const place of new Set([0, data.length >> 1, data.length - 1])) {
        const before = data[place]
        for (const value of [before + 1, -before, Number.NaN, before * (1 + 2 ** -20)]) {
          if (Object.is(Math.fround(value), before)) continue
          data[place] = value
          await expect((async () => backward(loss))(), which).rejects.toThrow(written)
          expect(leaves.every(({ grad }) => grad === null)).toBe(true)
        }
        data[place] = before
      }
      const all = data.slice()
      for (const change of [
        () => data.reverse(),
        () => data.set(all.map((value) => -value)),
        () => data.fill(0),
      ]) {
        change()
        if (bits({ data }) === bits({ data: all })) continue
        await expect((async () => backward(loss))(), which).rejects.toThrow(written)
        data.set(all)
      }
      // The same values again: no error.
      await backward(loss)
      const fresh = make()
      expect(leaves.some(({ grad }) => grad !== null)).toBe(true)
      expect(fresh.leaves).toHaveLength(leaves.length)
    }
  })

  it('does not mind writes into what enters no gradient', async () => {
    const linear = new nn.Linear(2, 2)
    const rnn = new nn.RNN(2, 3)
    const x = filled([4, 1, 2], 1)
    const loss = linear.forward(x).sum()
    linear.bias?.data.fill(7)
    await backward(loss)
    expect(linear.weight.grad).not.toBeNull()
    const [output, hN] = rnn.forward(x)
    hN.data.fill(7)
    await backward(output.sum())
    const { grad } = rnn.weight_hh_l0
    rnn.zeroGrad()
    rnn.forward(x)[0].sum().backward()
    expectSameBits(grad ?? x, rnn.weight_hh_l0.grad ?? x)
  })

  it('sees what was written before the forward pass, and training by hand works', async () => {
    const rnn = new nn.RNN(2, 3)
    const twin = new nn.RNN(2, 3)
    twin.loadStateDict(rnn.stateDict())
    const optimizer = new optim.SGD(twin.parameters(), { lr: 0.5 })
    const x = filled([4, 1, 2], 1)
    for (let step = 0; step < 3; step += 1) {
      for (const one of [rnn, twin]) {
        one.zeroGrad()
        await backward(one.forward(x)[0].mean())
      }
      optimizer.step()
      for (const { data, grad } of rnn.parameters()) {
        data.forEach((value, place) => {
          data[place] = value - 0.5 * (grad?.data[place] ?? 0)
        })
      }
    }
    rnn.parameters().forEach(({ data }, place) => {
      expectClose(data, twin.parameters()[place].data, 1e-6)
    })
  })
})

it('the pullback of vjp finds a write, and takes the values back', () => {
  const rnn = new nn.RNN(2, 3)
  const x = filled([4, 1, 2], 1)
  const { output, hN, pullback } = rnn.vjp(x)
  const seed = filled(hN.shape, 3)
  const expected = pullback(null, seed)
  for (const { data } of [x, output, ...rnn.parameters()]) {
    const [before] = data
    data[0] += 1
    expect(() => pullback(null, seed)).toThrow(written)
    data[0] = before
  }
  expectSameBits(pullback(null, seed).input, expected.input)
})

describe('hN', () => {
  it('carried with its past gives the gradients of the whole sequence', () => {
    const rnn = new nn.RNN(2, 3, { dtype: 'float64' })
    const whole = filled([9, 2, 2], 1, { dtype: 'float64' })
    const gradients = (): Float64Array[] =>
      rnn.parameters().map(({ grad }) => grad?.data as Float64Array)
    rnn.forward(whole)[0].narrow(0, 5, 4).sum().backward()
    const expected = gradients()
    rnn.zeroGrad()
    const [, carried] = rnn.forward(whole.narrow(0, 0, 5))
    const [output] = rnn.forward(whole.narrow(0, 5, 4), carried)
    output.sum().backward()
    gradients().forEach((gradient, place) => {
      expectClose(gradient, expected[place], 1e-12)
    })
  })

  it('whose first part has run backward already is an error', () => {
    const rnn = new nn.RNN(2, 3)
    const [output, carried] = rnn.forward(filled([4, 1, 2], 1))
    output.sum().backward()
    const [next] = rnn.forward(filled([4, 1, 2], 2), carried)
    expect(() => next.sum().backward()).toThrow(/^Trying to backward through the graph a second/)
  })
})
