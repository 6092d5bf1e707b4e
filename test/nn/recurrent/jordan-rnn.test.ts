/** nn.JordanRNN: values, gradients and errors. */

import {
  cat,
  type DType,
  manualSeed,
  nn,
  noGrad,
  rand,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectGradients, leaf } from '../../helpers/finite-differences'
import { bits, expectClose, expectSameBits, filled } from '../../helpers/numbers'

type Options = NonNullable<ConstructorParameters<typeof nn.JordanRNN>[3]>

const functions = fc.record({
  nonlinearity: fc.constantFrom('tanh' as const, 'relu' as const),
  outputNonlinearity: fc.constantFrom('identity' as const, 'tanh' as const, 'sigmoid' as const),
  bias: fc.boolean(),
})

/** A network and what goes into it: time first, batched. */
const anyCase = fc
  .record({
    options: functions,
    steps: fc.integer({ min: 1, max: 6 }),
    batch: fc.integer({ min: 1, max: 5 }),
    inputSize: fc.integer({ min: 1, max: 5 }),
    hiddenSize: fc.integer({ min: 1, max: 9 }),
    outputSize: fc.integer({ min: 1, max: 5 }),
    taught: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1000 }),
  })
  .map(({ options, steps, batch, inputSize, hiddenSize, outputSize, taught, seed }) => {
    const make = (more: Options = {}) => {
      manualSeed(seed)
      return new nn.JordanRNN(inputSize, hiddenSize, outputSize, { ...options, ...more })
    }
    return {
      make,
      steps,
      batch,
      outputSize,
      input: filled([steps, batch, inputSize], seed + 1),
      y0: filled([batch, outputSize], seed + 2),
      teacher: taught ? filled([steps, batch, outputSize], seed + 3) : null,
    }
  })

/** Both results, as one list of numbers. */
const joined = ([output, yN]: [Tensor<DType>, Tensor<DType>]) =>
  cat([output.reshape([-1]), yN.reshape([-1])])

describe('forward', () => {
  it('is its equation, step by step with other modules', () => {
    manualSeed(1)
    const network = new nn.JordanRNN(3, 5, 2, { dtype: 'float64', outputNonlinearity: 'sigmoid' })
    const [fromX, fromY, toY] = [
      new nn.Linear(3, 5, { dtype: 'float64' }),
      new nn.Linear(2, 5, { dtype: 'float64' }),
      new nn.Linear(5, 2, { dtype: 'float64' }),
    ]
    const weights = [...network.stateDict().values()] as Tensor<DType>[]
    ;[fromX, fromY, toY].forEach((layer, n) => {
      layer.loadStateDict(
        new Map([
          ['weight', weights[n] ?? zeros([0])],
          ['bias', weights[n + 3] ?? zeros([0])],
        ]),
      )
    })
    const input = filled([4, 2, 3], 1, { dtype: 'float64' })
    let y = filled([2, 2], 2, { dtype: 'float64' })
    const [output, yN] = network.forward(input, y)
    for (let t = 0; t < 4; t += 1) {
      const h = fromX.forward(input.select(0, t)).add(fromY.forward(y)).tanh()
      y = toY.forward(h).sigmoid()
      expectClose(output.select(0, t).data, y.data, 1e-14)
    }
    expectSameBits(yN, output.select(0, -1))
  })

  it('of a part, and of the rest from its last output, is that of the whole', () => {
    fc.assert(
      fc.property(anyCase, fc.nat(), ({ make, steps, input, y0, teacher }, place) => {
        const network = make()
        const cut = place % steps
        fc.pre(cut > 0)
        const part = (from: number, length: number, y: Tensor<DType>) =>
          network.forward(input.narrow(0, from, length), y, {
            teacher: teacher?.narrow(0, from, length),
          })
        const [whole, wholeYN] = network.forward(input, y0, { teacher })
        const [first, y] = part(0, cut, y0)
        const [rest, yN] = part(cut, steps - cut, teacher?.select(0, cut - 1) ?? y)
        expectSameBits(cat([first, rest], 0), whole)
        expectSameBits(yN, wholeYN)
      }),
      { numRuns: 60 },
    )
  })

  it('with its own outputs as the teacher is that without', () => {
    fc.assert(
      fc.property(anyCase, ({ make, input, y0 }) => {
        const network = make()
        const [own, ownYN] = network.forward(input, y0)
        const [output, yN] = network.forward(input, y0, { teacher: own.detach() })
        expectSameBits(output, own)
        expectSameBits(yN, ownYN)
      }),
      { numRuns: 60 },
    )
  })

  it('keeps NaN to its row, and sigmoid to its range', () => {
    const network = new nn.JordanRNN(1, 4, 2, { outputNonlinearity: 'sigmoid' })
    const [output] = network.forward(
      tensor([
        [[Number.NaN], [1e30], [-Number.MAX_VALUE]],
        [[0], [0], [0]],
      ]),
    )
    const rows = [0, 1, 2].map((b) => [...output.select(1, b).data])
    expect(rows[0]?.every(Number.isNaN)).toBe(true)
    expect(
      rows
        .slice(1)
        .flat()
        .every((value) => value >= 0 && value <= 1),
    ).toBe(true)
  })
})

describe('gradients', () => {
  const lists = [null, [4, 1, 3]]
  for (const nonlinearity of ['tanh', 'relu'] as const) {
    for (const outputNonlinearity of ['identity', 'tanh', 'sigmoid'] as const) {
      for (const bias of [true, false]) {
        it(`agree with finite differences: ${nonlinearity}, ${outputNonlinearity}, bias ${bias}`, () => {
          for (const lengths of lists) {
            for (const taught of [false, true]) {
              manualSeed(0)
              const network = new nn.JordanRNN(3, 5, 2, {
                nonlinearity,
                outputNonlinearity,
                bias,
                batchFirst: lengths !== null,
                dtype: 'float64',
              })
              const frames = lengths === null ? [4, 3] : [3, 4]
              const inputs = [leaf([...frames, 3], 1), leaf([3, 2], 2)]
              if (taught) inputs.push(leaf([...frames, 2], 3))
              expectGradients(
                (input, y0, third) =>
                  joined(
                    network.forward(input ?? zeros([]), y0, {
                      lengths,
                      teacher: taught ? third : null,
                    }),
                  ),
                [...inputs, ...network.parameters()],
              )
            }
          }
        })
      }
    }
  }

  it('go to what wants them, and the last step of a teacher has none', () => {
    const network = new nn.JordanRNN(2, 3, 2)
    for (const one of network.parameters()) one.requiresGrad = false
    const teacher = filled([3, 2, 2], 1, { requiresGrad: true })
    const [output, yN] = network.forward(filled([3, 2, 2], 2), null, { teacher })
    expect(output.requiresGrad).toBe(true)
    output.sum().add(yN.sum()).backward()
    const { grad } = teacher
    expect(grad?.narrow(0, 0, 2).data.every((value) => value !== 0)).toBe(true)
    expect(grad?.select(0, 2).data.every((value) => value === 0)).toBe(true)
    expect(network.parameters().map((one) => one.grad)).toEqual(
      network.parameters().map(() => null),
    )
    expect(noGrad(() => network.forward(zeros([1, 1, 2]), null, {}))[0].requiresGrad).toBe(false)
  })

  it('of hidden and input biases are equal, and accumulate', () => {
    const network = new nn.JordanRNN(2, 3, 1)
    const run = () =>
      network
        .forward(filled([3, 2, 2], 2))[0]
        .sum()
        .backward()
    run()
    expect(bits(network.bias_ih?.grad ?? zeros([]))).toBe(bits(network.bias_yh?.grad ?? zeros([0])))
    expect([...(network.bias_hy?.grad?.data ?? [])]).not.toEqual([0])
    const once = [...(network.weight_hy.grad?.data ?? [])]
    run()
    expect([...(network.weight_hy.grad?.data ?? [])]).toEqual(once.map((value) => 2 * value))
  })

  it('are the same in the background', async () => {
    const network = new nn.JordanRNN(40, 60, 20)
    for (const teacher of [null, filled([30, 8, 20], 3, { requiresGrad: true })]) {
      const run = () =>
        network.forward(filled([30, 8, 40], 2), filled([8, 20], 4), { teacher })[0].sum()
      const gradients = () =>
        [...network.parameters(), ...(teacher ? [teacher] : [])].map(({ grad }) =>
          bits(grad ?? zeros([])),
        )
      network.zeroGrad()
      run().backward()
      const expected = gradients()
      network.zeroGrad()
      if (teacher) teacher.grad = null
      await run().backwardAsync()
      expect(gradients()).toEqual(expected)
    }
  })

  it('refuse what has changed since', () => {
    const network = new nn.JordanRNN(2, 3, 2)
    const changes: ((teacher: Tensor<DType>, output: Tensor<DType>) => void)[] = [
      () => network.weight_hy.data.fill(1),
      (teacher) => teacher.data.fill(1),
      (_, output) => output.data.fill(1),
      () => network.resetParameters(),
    ]
    for (const change of changes) {
      const teacher = rand([3, 1, 2])
      const [output] = network.forward(rand([3, 1, 2]), null, { teacher })
      const loss = output.sum()
      change(teacher, output)
      expect(() => loss.backward()).toThrow('modified by an inplace operation')
    }
    const [output] = network.forward(rand([3, 1, 2]))
    const loss = output.sum()
    loss.backward()
    expect(() => loss.backward()).toThrow('a second time')
  })
})

describe('the module', () => {
  it('has torch-like names, shapes and text', () => {
    const network = new nn.JordanRNN(3, 4, 2)
    expect([...network.stateDict()].map(([name, { shape }]) => [name, shape])).toEqual([
      ['weight_ih', [4, 3]],
      ['weight_yh', [4, 2]],
      ['weight_hy', [2, 4]],
      ['bias_ih', [4]],
      ['bias_yh', [4]],
      ['bias_hy', [2]],
    ])
    expect(String(network)).toBe('JordanRNN(3, 4, 2)')
    const other = new nn.JordanRNN(3, 4, 2, {
      nonlinearity: 'relu',
      outputNonlinearity: 'sigmoid',
      bias: false,
      batchFirst: true,
    })
    expect([...other.stateDict().keys()]).toEqual(['weight_ih', 'weight_yh', 'weight_hy'])
    expect(String(other)).toBe(
      'JordanRNN(3, 4, 2, bias=False, batch_first=True, nonlinearity=relu, output_nonlinearity=sigmoid)',
    )
    expect([other.inputSize, other.hiddenSize, other.outputSize]).toEqual([3, 4, 2])
    expect([other.nonlinearity, other.outputNonlinearity]).toEqual(['relu', 'sigmoid'])
    expect([other.bias, other.batchFirst, other.bias_hy]).toEqual([false, true, null])
    expect(other.eval().training).toBe(false)
  })

  it('draws its parameters in the order of the state dict', () => {
    manualSeed(7)
    const network = new nn.JordanRNN(3, 4, 2, { dtype: 'float64' })
    manualSeed(7)
    for (const [, one] of network.stateDict()) {
      const drawn = rand(one.shape, { dtype: 'float64' })
      expectClose(
        one.data,
        drawn.data.map((value) => value - 0.5),
        1e-15,
      ) // 1/√4 = 0.5
    }
  })

  it('loads, and changes its dtype', () => {
    const one = new nn.JordanRNN(2, 3, 1)
    const other: nn.JordanRNN<DType> = new nn.JordanRNN(2, 3, 1)
    other.loadStateDict(one.stateDict())
    const input = filled([4, 2], 1)
    expectSameBits(joined(one.forward(input)), joined(other.forward(input)))
    other.to('float64')
    const wide = filled([4, 2], 1, { dtype: 'float64' })
    expectClose(one.forward(input)[0].data, other.forward(wide)[0].data, 1e-6)
    expect(() => other.forward(input)).toThrow(
      "JordanRNN input dtype (float32) does not match weight dtype (float64). Convert input to float64, or convert model: model.to('float32')",
    )
  })

  it('refuses what does not fit', () => {
    type Arguments = ConstructorParameters<typeof nn.JordanRNN>
    const made =
      (...given: unknown[]) =>
      () =>
        new nn.JordanRNN(...(given as Arguments))
    for (const [call, kind, message] of [
      [made(0, 1, 1), RangeError, 'input_size must be greater than zero'],
      [made(1, -1, 1), RangeError, 'hidden_size must be greater than zero'],
      [made(1, 1, 0), RangeError, 'output_size must be greater than zero'],
      [made(1, 1), TypeError, 'output_size should be of type int, got: undefined'],
      [made(1, 1, 1.5), TypeError, 'output_size should be of type int, got: 1.5'],
      [
        made(1, 1, 1, { outputNonlinearity: 'relu' }),
        RangeError,
        "Unknown output_nonlinearity 'relu'. Select from 'identity', 'tanh' or 'sigmoid'.",
      ],
      [made(1, 1, 1, { nonlinearity: 'sigmoid' }), RangeError, "Unknown nonlinearity 'sigmoid'"],
      [made(1, 1, 1, { bias: 1 }), TypeError, 'bias should be of type bool, got: 1'],
      [made(1, 1, 1, { numLayers: 2 }), TypeError, "unexpected keyword argument 'numLayers'"],
    ] as const) {
      expect(call).toThrow(kind)
      expect(call).toThrow(message)
    }

    const network = new nn.JordanRNN(2, 3, 1)
    const input = zeros([4, 5, 2])
    const forward =
      (...given: unknown[]) =>
      () =>
        network.forward(...(given as Parameters<nn.JordanRNN['forward']>))
    for (const [call, kind, message] of [
      [
        forward(zeros([2])),
        RangeError,
        'JordanRNN: Expected input to be 2D or 3D, got 1D tensor instead',
      ],
      [
        forward(zeros([4, 5, 3])),
        RangeError,
        'input.size(-1) must be equal to input_size. Expected 2, got 3',
      ],
      [
        forward(input, zeros([1])),
        RangeError,
        'For batched 3-D input, y0 should be 2-D but got 1-D tensor',
      ],
      [
        forward(zeros([4, 2]), zeros([1, 1])),
        RangeError,
        'For unbatched 2-D input, y0 should be 1-D but got 2-D tensor',
      ],
      [forward(input, zeros([4, 1])), RangeError, 'Expected y0 size (5, 1), got [4, 1]'],
      [
        forward(input, null, { teacher: zeros([5, 4, 1]) }),
        RangeError,
        'Expected teacher size (4, 5, 1), got [5, 4, 1]',
      ],
      [forward(input, null, { teacher: [[1]] }), TypeError, "'teacher'"],
      [
        forward(nn.utils.rnn.packSequence([zeros([4, 2])]), null, { teacher: zeros([4, 1]) }),
        TypeError,
        "argument 'teacher' must be PackedSequence, not Tensor",
      ],
      [
        forward(input, null, { teacher: zeros([4, 5, 1], { dtype: 'float64' }) }),
        TypeError,
        'teacher dtype (float64)',
      ],
      [forward(input, zeros([5, 1], { dtype: 'float64' })), TypeError, 'y0 dtype (float64)'],
      [
        forward(input, null, { lengths: [1, 2, 3, 4] }),
        RangeError,
        'equal to batch_size, but got 4 (batch_size=5)',
      ],
      [
        forward(input, null, { lengths: [1, 2, 3, 4, 5] }),
        RangeError,
        'at most the sequence length 4, got 5',
      ],
      [forward(zeros([4, 2]), null, { lengths: [1] }), RangeError, 'lengths need a batch'],
      [forward(input, null, { forced: true }), TypeError, "unexpected keyword argument 'forced'"],
      [forward(zeros([0, 5, 2])), RangeError, 'Expected sequence length to be larger than 0'],
      [forward([[1, 2]]), TypeError, "'input'"],
    ] as const) {
      expect(call, message).toThrow(kind)
      expect(call).toThrow(message)
    }
    Object.assign(network, { weight_hy: zeros([3, 1]) })
    expect(forward(input)).toThrow('Expected weight_hy to have shape [1, 3], got [3, 1]')
    // There is no (H, H) weight that could have too many elements.
    expect(() => new nn.JordanRNN(1, 2 ** 40, 1)).toThrow(`cannot allocate ${2 ** 40} elements`)
    const square = [2 ** 40, 2 ** 40].join(', ')
    expect(() => new nn.JordanRNN(1, 2 ** 40, 2 ** 40)).toThrow(`a tensor of shape [${square}]`)
  })
})
