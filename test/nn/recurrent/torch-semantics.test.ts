/**
 * The semantics of torch.nn.RNN: each point of the list has a short test under its number. The other files test the
 * points for all sizes and flags, and golden.test.ts compares values with PyTorch.
 */

import {
  cat,
  type DType,
  getNumThreads,
  getRngState,
  manualSeed,
  nn,
  noGrad,
  ones,
  setNumThreads,
  setRngState,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'
import { describe, expect, it, vi } from 'vitest'
import { expectGradients, leaf } from '../../helpers/finite-differences'
import { bits, expectClose, expectSameBits, filled, gradOf } from '../../helpers/numbers'

const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence } = nn.utils.rnn

const flags = { numLayers: 2, bidirectional: true } as const

/** Calls something with arguments that the compiler would refuse. */
const make = (...args: unknown[]): nn.RNN<DType> =>
  Reflect.construct(nn.RNN<DType>, args) as unknown as nn.RNN<DType>
const call = (module: nn.RNN<DType> | nn.RNNCell<DType>, ...args: unknown[]): unknown =>
  Reflect.apply(module.forward, module, args)

/** Sets all parameters to 1. */
function allOnes(rnn: nn.RNN<DType>): nn.RNN<DType> {
  for (const { data } of rnn.parameters()) data.fill(1)
  return rnn
}

const points: [number: number, what: string, check: () => void][] = [
  // Constructor
  [
    1,
    'defaults: 1 layer, tanh, bias, time first, no dropout, one direction, float32, training',
    () => {
      const rnn = new nn.RNN(3, 4)
      const { numLayers, nonlinearity, bias, batchFirst, dropout, bidirectional, training } = rnn
      expect([numLayers, nonlinearity, bias, batchFirst, dropout, bidirectional, training]).toEqual(
        [1, 'tanh', true, false, 0, false, true],
      )
      expect(rnn.weight_hh_l0.dtype).toBe('float32')
    },
  ],
  [
    2,
    'sizes are integers greater than zero',
    () => {
      for (const [place, name] of ['input_size', 'hidden_size'].entries()) {
        const sizes = (size: unknown): unknown[] => (place === 0 ? [size, 4] : [3, size])
        for (const size of [0, -1]) {
          const message = `${name} must be greater than zero`
          expect(() => make(...sizes(size))).toThrow(new RangeError(message))
        }
        expect(() => make(...sizes(1.5))).toThrow(
          new TypeError(`${name} should be of type int, got: 1.5`),
        )
      }
      expect(() => make(3, 4, { numLayers: 0 })).toThrow(
        new RangeError('num_layers must be greater than zero'),
      )
    },
  ],
  [
    3,
    'flags are booleans',
    () => {
      for (const name of ['bias', 'batchFirst', 'bidirectional']) {
        for (const value of [0, 1, 'true', {}]) {
          expect(() => make(3, 4, { [name]: value })).toThrow(TypeError)
        }
      }
    },
  ],
  [
    4,
    'dropout is a number in [0, 1]',
    () => {
      const message =
        'dropout should be a number in range [0, 1] representing the probability of an element being zeroed'
      for (const dropout of [-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY, '0.5', true]) {
        expect(() => make(3, 4, { numLayers: 2, dropout })).toThrow(new RangeError(message))
      }
      for (const dropout of [0, 1]) {
        expect(new nn.RNN(3, 4, { numLayers: 2, dropout }).dropout).toBe(dropout)
      }
    },
  ],
  [
    5,
    'dropout with one layer is a warning without an effect',
    () => {
      const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      try {
        const rnn = new nn.RNN(3, 4, { dropout: 0.5 })
        expect(warn).toHaveBeenCalledOnce()
        const x = filled([5, 2, 3], 1)
        expectSameBits(rnn.forward(x)[0], rnn.eval().forward(x)[0])
      } finally {
        warn.mockRestore()
      }
    },
  ],
  [
    6,
    'unknown options, and projSize, are TypeErrors',
    () => {
      expect(() => make(3, 4, { layers: 2 })).toThrow(TypeError)
      expect(() => make(3, 4, { projSize: 0 })).toThrow(
        new TypeError('proj_size argument is only supported for LSTM, not RNN or GRU'),
      )
    },
  ],
  [
    7,
    'the nonlinearity is exactly tanh or relu, for the cell too',
    () => {
      const expected = new RangeError("Unknown nonlinearity 'TANH'. Select from 'tanh' or 'relu'.")
      expect(() => make(3, 4, { nonlinearity: 'TANH' })).toThrow(expected)
      expect(() => Reflect.construct(nn.RNNCell<DType>, [3, 4, { nonlinearity: 'TANH' }])).toThrow(
        expected,
      )
    },
  ],
  [
    8,
    "parameters are torch's numbers, and resetParameters draws all of them anew",
    () => {
      manualSeed(0)
      const rnn = new nn.RNN(3, 4)
      expectClose(rnn.weight_ih_l0.data.slice(0, 3), [-0.0037, 0.2682, -0.4115], 1e-4)
      const before = rnn.parameters().map(bits)
      const bound = Math.fround(1 / Math.sqrt(4))
      for (const { data } of rnn.parameters()) {
        expect(data.every((value) => Math.abs(value) <= bound)).toBe(true)
      }
      rnn.resetParameters()
      rnn.parameters().forEach((parameter, place) => {
        expect(bits(parameter)).not.toBe(before[place])
      })
      manualSeed(0)
      rnn.resetParameters()
      expect(rnn.parameters().map(bits)).toEqual(before)
      manualSeed(0)
      expect(new nn.RNNCell(3, 4).parameters().map(bits)).toEqual(before)
      expect(new nn.Linear(16, 2).weight.data.every((value) => Math.abs(value) <= 0.25)).toBe(true)
    },
  ],
  [
    9,
    'names and shapes of the state dict, in order',
    () => {
      const shapes = (module: nn.Module<DType>): [string, readonly number[]][] =>
        [...module.stateDict()].map(([name, { shape }]) => [name, shape])
      const named = (suffix: string, features: number): [string, number[]][] => [
        [`weight_ih_${suffix}`, [4, features]],
        [`weight_hh_${suffix}`, [4, 4]],
        [`bias_ih_${suffix}`, [4]],
        [`bias_hh_${suffix}`, [4]],
      ]
      expect(shapes(new nn.RNN(3, 4, flags))).toEqual([
        ...named('l0', 3),
        ...named('l0_reverse', 3),
        ...named('l1', 8),
        ...named('l1_reverse', 8),
      ])
      expect(shapes(new nn.RNN(3, 4, { bias: false }))).toEqual(named('l0', 3).slice(0, 2))
      expect(shapes(new nn.RNNCell(3, 4)).map(([name]) => name)).toEqual([
        'weight_ih',
        'weight_hh',
        'bias_ih',
        'bias_hh',
      ])
    },
  ],
  [
    10,
    'repr: what is not the default; the nonlinearity for the cell only',
    () => {
      expect(String(new nn.RNN(3, 4))).toBe('RNN(3, 4)')
      const options = { ...flags, bias: false, batchFirst: true, dropout: 0.5 }
      expect(String(new nn.RNN(3, 4, { ...options, nonlinearity: 'relu' }))).toBe(
        'RNN(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)',
      )
      expect(String(new nn.RNNCell(3, 4))).toBe('RNNCell(3, 4)')
      expect(String(new nn.RNNCell(3, 4, { bias: false, nonlinearity: 'relu' }))).toBe(
        'RNNCell(3, 4, bias=False, nonlinearity=relu)',
      )
    },
  ],
  [
    11,
    'loadStateDict, strict or not, casts, names all that does not fit and then changes nothing',
    () => {
      const [rnn, other] = [new nn.RNN(3, 4), new nn.RNN(3, 4, { dtype: 'float64' })]
      const before = rnn.parameters().map(bits)
      const wrong = new Map([
        ['weight_ih_l0', zeros([4, 3])],
        ['weight_hh_l0', zeros([4, 3])],
        ['surplus', zeros([1])],
      ])
      for (const part of [
        'Missing key(s) in state_dict: "bias_ih_l0", "bias_hh_l0".',
        'Unexpected key(s) in state_dict: "surplus".',
        'size mismatch for weight_hh_l0',
      ]) {
        expect(() => rnn.loadStateDict(wrong)).toThrow(part)
      }
      expect(() => rnn.loadStateDict(wrong, { strict: false })).toThrow(RangeError)
      expect(rnn.parameters().map(bits)).toEqual(before)
      wrong.delete('weight_hh_l0')
      expect(rnn.loadStateDict(wrong, { strict: false })).toEqual({
        missingKeys: ['weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0'],
        unexpectedKeys: ['surplus'],
      })
      rnn.loadStateDict(other.stateDict())
      expect(rnn.weight_hh_l0.data).toEqual(Float32Array.from(other.weight_hh_l0.data))
      expect(new nn.RNN(3, 4, flags).allWeights.map(({ length }) => length)).toEqual([4, 4, 4, 4])
    },
  ],

  // Forward
  [
    12,
    'input is 2-D or 3-D; of the cell 1-D or 2-D',
    () => {
      const rnn = new nn.RNN(3, 4)
      expect(() => rnn.forward(zeros([1, 2, 2, 3]))).toThrow(
        new RangeError('RNN: Expected input to be 2D or 3D, got 4D tensor instead'),
      )
      expect([rnn.forward(zeros([5, 3]))[0].shape, rnn.forward(zeros([5, 2, 3]))[0].shape]).toEqual(
        [
          [5, 4],
          [5, 2, 4],
        ],
      )
      const cell = new nn.RNNCell(3, 4)
      expect([cell.forward(zeros([3])).shape, cell.forward(zeros([2, 3])).shape]).toEqual([
        [4],
        [2, 4],
      ])
      expect(() => cell.forward(zeros([1, 2, 3]))).toThrow(RangeError)
    },
  ],
  [
    13,
    'the last dimension is inputSize',
    () => {
      expect(() => new nn.RNN(3, 4).forward(zeros([5, 2, 7]))).toThrow(
        new RangeError('input.size(-1) must be equal to input_size. Expected 3, got 7'),
      )
    },
  ],
  [
    14,
    'hx has as many dimensions as the input',
    () => {
      const rnn = new nn.RNN(3, 4)
      expect(() => rnn.forward(zeros([5, 3]), zeros([1, 1, 4]))).toThrow(
        new RangeError('For unbatched 2-D input, hx should also be 2-D but got 3-D tensor'),
      )
      expect(() => rnn.forward(zeros([5, 2, 3]), zeros([1, 4]))).toThrow(
        new RangeError('For batched 3-D input, hx should also be 3-D but got 2-D tensor'),
      )
    },
  ],
  [
    15,
    'hx is exactly (L·D, B, H), also with batchFirst, and is not broadcast',
    () => {
      const rnn = new nn.RNN(3, 4, { batchFirst: true })
      expect(() => rnn.forward(zeros([2, 5, 3]), zeros([1, 7, 4]))).toThrow(
        new RangeError('Expected hidden size (1, 2, 4), got [1, 7, 4]'),
      )
      expect(() => rnn.forward(zeros([2, 5, 3]), zeros([1, 1, 4]))).toThrow(RangeError)
      expect(rnn.forward(zeros([2, 5, 3]), zeros([1, 2, 4]))[0].shape).toEqual([2, 5, 4])
    },
  ],
  [
    16,
    'another dtype than the weights is a TypeError that names both',
    () => {
      const [rnn, x] = [new nn.RNN(3, 4), zeros([5, 2, 3])]
      const double = (shape: number[]): Tensor<DType> => zeros(shape, { dtype: 'float64' })
      for (const args of [[double([5, 2, 3])], [x, double([1, 2, 4])]]) {
        expect(() => call(rnn, ...args)).toThrow(TypeError)
        expect(() => call(rnn, ...args)).toThrow(/float64.*float32/)
      }
    },
  ],
  [
    17,
    'T = 0 is an error, B = 0 works forward and backward',
    () => {
      const rnn = new nn.RNN(3, 4)
      expect(() => rnn.forward(zeros([0, 2, 3]))).toThrow(
        new RangeError('Expected sequence length to be larger than 0 in RNN'),
      )
      const x = zeros([5, 0, 3], { requiresGrad: true })
      const [output, hN] = rnn.forward(x)
      expect([output.shape, hN.shape]).toEqual([
        [5, 0, 4],
        [1, 0, 4],
      ])
      output.sum().backward()
      expect(gradOf(x).shape).toEqual([5, 0, 3])
      expect(new Set(gradOf(rnn.weight_hh_l0).data)).toEqual(new Set([0]))
    },
  ],
  [
    18,
    'output and hN: forward half then reverse half; hN by layer, in memory of its own',
    () => {
      const [output, hN] = new nn.RNN(3, 4, flags).forward(filled([5, 2, 3], 1))
      expect([output.shape, hN.shape]).toEqual([
        [5, 2, 8],
        [4, 2, 4],
      ])
      expectSameBits(hN.select(0, 2), output.select(0, 4).narrow(1, 0, 4))
      expectSameBits(hN.select(0, 3), output.select(0, 0).narrow(1, 4, 4))
      const first = new nn.RNN(3, 4, { ...flags, batchFirst: true })
      expect(first.forward(zeros([2, 5, 3]))[1].shape).toEqual([4, 2, 4])
      expect(hN.data.buffer).not.toBe(output.data.buffer)
    },
  ],
  [
    19,
    'batchFirst says nothing about unbatched and packed input; unbatched is a batch of one',
    () => {
      const rnn = new nn.RNN(3, 4)
      const first = new nn.RNN(3, 4, { batchFirst: true })
      first.loadStateDict(rnn.stateDict())
      const x = filled([5, 3], 1)
      const [output, hN] = rnn.forward(x)
      expectSameBits(first.forward(x)[0], output)
      const packed = packSequence([x, filled([2, 3], 2)])
      expectSameBits(first.forward(packed)[0].data, rnn.forward(packed)[0].data)
      const [batched, batchedHN] = rnn.forward(x.reshape([5, 1, 3]))
      expectSameBits(batched.reshape([5, 4]), output)
      expectSameBits(batchedHN.reshape([1, 4]), hN)
    },
  ],
  [
    20,
    'no hx is zeros; parts of T and rows of B give the bits of the whole',
    () => {
      const rnn = new nn.RNN(3, 4, { numLayers: 2 })
      const x = filled([6, 3, 3], 1)
      const [output, hN] = rnn.forward(x)
      expectSameBits(rnn.forward(x, zeros([2, 3, 4]))[0], output)
      const turned = x.transpose(0, 1).transpose(0, 1)
      expectSameBits(rnn.forward(turned)[0], output)
      const [head, carried] = rnn.forward(x.narrow(0, 0, 2))
      const [tail, last] = rnn.forward(x.narrow(0, 2, 4), carried)
      expectSameBits(cat([head, tail]), output)
      expectSameBits(last, hN)
      expectSameBits(rnn.forward(x.narrow(1, 1, 1))[0], output.narrow(1, 1, 1))
    },
  ],
  [
    21,
    'dropout acts between layers, in training, by seed and call and not by threads',
    () => {
      const rnn = new nn.RNN(3, 64, { numLayers: 2, dropout: 0.5 })
      const x = filled([5, 2, 3], 1)
      const run = (): string => {
        manualSeed(1)
        return bits(rnn.forward(x)[0])
      }
      const threads = getNumThreads()
      try {
        setNumThreads(1)
        const one = run()
        setNumThreads(3)
        expect(run()).toBe(one)
      } finally {
        setNumThreads(threads)
      }
      const [, hN] = rnn.forward(x)
      rnn.dropout = 1
      const [output, undropped] = rnn.forward(x)
      expectSameBits(undropped.select(0, 0), hN.select(0, 0)) // taken before dropout
      const onZeros = zeros([5, 2, 64])
      const upper = new nn.RNN(64, 64)
      upper.loadStateDict(
        new Map(
          [...rnn.stateDict()]
            .filter(([name]) => name.endsWith('l1'))
            .map(([name, value]) => [name.replace('l1', 'l0'), value]),
        ),
      )
      expectSameBits(output, upper.forward(onZeros)[0])
      const quiet = bits(rnn.eval().forward(x)[0])
      expect(bits(rnn.forward(x)[0])).toBe(quiet)
      rnn.dropout = 0
      expect(bits(rnn.train().forward(x)[0])).toBe(quiet)
    },
  ],
  [
    22,
    'all weights 1: 10 000 without dropout, 0 with p = 1, whole elements in between',
    () => {
      const x = ones([1, 1, 10])
      const run = (p: number, training = true): number[] => {
        const options = { numLayers: 2, nonlinearity: 'relu', bias: false, dropout: p } as const
        const rnn = allOnes(new nn.RNN(10, 1000, options)).train(training)
        return [...new Set(rnn.forward(x)[0].data)]
      }
      expect([run(0), run(0.5, false), run(1)]).toEqual([[10_000], [10_000], [0]])
      const [value, ...others] = run(0.5)
      expect(others).toEqual([])
      expect(value).toBeGreaterThan(8_000)
      expect(value).toBeLessThan(12_000)
      expect((value * 0.5) % 10).toBe(0)
      expect(new Set([run(0.5), run(0.5), run(0.5)].flat()).size).toBeGreaterThan(1)
    },
  ],
  [
    23,
    'NaN, infinities and denormals; the gradient of relu at 0',
    () => {
      const run = (nonlinearity: 'tanh' | 'relu', value: number, weight = 1): number => {
        const rnn = allOnes(new nn.RNN(1, 1, { nonlinearity, bias: false, dtype: 'float64' }))
        rnn.weight_ih_l0.data.fill(weight)
        return rnn.forward(tensor([[value]], { dtype: 'float64' }))[0].item()
      }
      const infinite = Number.POSITIVE_INFINITY
      expect([run('tanh', Number.NaN), run('relu', Number.NaN)]).toEqual([Number.NaN, Number.NaN])
      expect([run('tanh', infinite), run('tanh', -infinite)]).toEqual([1, -1])
      expect([run('relu', infinite), run('relu', infinite, 0)]).toEqual([infinite, Number.NaN])
      expect(run('tanh', Number.MIN_VALUE)).toBe(Number.MIN_VALUE)
      const rnn = new nn.RNN(1, 1, { nonlinearity: 'relu', bias: false })
      const x = zeros([1, 1], { requiresGrad: true })
      rnn.forward(x)[0].sum().backward()
      expect(gradOf(x).item()).toBe(0)
    },
  ],

  // Backward
  [
    24,
    'gradients add up; those of both biases are equal; either upstream gradient may be absent',
    () => {
      const rnn = new nn.RNN(3, 4, { bidirectional: true })
      const x = filled([5, 2, 3], 1)
      const [, hN] = rnn.forward(x)
      hN.select(0, 0).sum().backward()
      expect(new Set(gradOf(rnn.weight_ih_l0_reverse).data)).toEqual(new Set([0]))
      expect(new Set(gradOf(rnn.weight_ih_l0).data).size).toBeGreaterThan(1)
      rnn.zeroGrad()
      rnn.forward(x)[0].sum().backward()
      expectSameBits(gradOf(rnn.bias_hh_l0), gradOf(rnn.bias_ih_l0))
      const once = gradOf(rnn.weight_hh_l0).data.slice()
      rnn.forward(x)[0].sum().backward()
      expect(gradOf(rnn.weight_hh_l0).data).toEqual(once.map((value) => 2 * value))
    },
  ],
  [
    25,
    'a second backward, and one after a change in place, are errors',
    () => {
      const rnn = new nn.RNN(3, 4)
      const total = rnn.forward(filled([5, 2, 3], 1))[0].sum()
      total.backward()
      expect(() => total.backward()).toThrow('Trying to backward through the graph a second time')
      const grads = rnn.parameters().map((one) => bits(gradOf(one)))
      const other = rnn.forward(filled([5, 2, 3], 1))[0].sum()
      rnn.loadStateDict(new nn.RNN(3, 4).stateDict())
      expect(() => other.backward()).toThrow('modified by an inplace operation')
      expect(rnn.parameters().map((one) => bits(gradOf(one)))).toEqual(grads)
    },
  ],
  [
    26,
    'finite differences agree for input, hx and every parameter',
    () => {
      manualSeed(0)
      const rnn = new nn.RNN(2, 3, { ...flags, dtype: 'float64' })
      expectGradients(
        (x, h) => {
          const [output, hN] = rnn.forward(x, h)
          return cat([output.reshape([-1]), hN.reshape([-1])])
        },
        [leaf([3, 2, 2], 1), leaf([4, 2, 3], 2), ...rnn.parameters()],
        { eps: 1e-6, tolerance: 1e-5 },
      )
    },
  ],
  [
    27,
    'hN.detach() cuts the graph, and hN under noGrad has none',
    () => {
      const rnn = new nn.RNN(3, 4)
      const x = filled([5, 2, 3], 1)
      const first = tensor(x.data.slice(), { shape: x.shape, requiresGrad: true })
      const [, hN] = rnn.forward(first)
      rnn.forward(x, hN.detach())[0].sum().backward()
      expect(first.grad).toBeNull()
      rnn.forward(x, hN)[0].sum().backward()
      expect(first.grad).not.toBeNull()
      expect(noGrad(() => rnn.forward(x))[1].requiresGrad).toBe(false)
    },
  ],

  // Variable lengths
  [
    28,
    'packSequence: rows, batch sizes, indices',
    () => {
      const [a, b, c] = [tensor([1, 2, 3]), tensor([4, 5]), tensor([6])]
      const packed = packSequence([a, b, c])
      expect(packed.data.toArray()).toEqual([1, 4, 6, 2, 5, 3])
      expect(packed.batchSizes.toArray()).toEqual([3, 2, 1])
      expect([packed.sortedIndices, packed.unsortedIndices]).toEqual([null, null])
      const sorted = packSequence([b, c, a], { enforceSorted: false })
      expect(sorted.data.toArray()).toEqual([1, 4, 6, 2, 5, 3])
      expect(sorted.sortedIndices?.toArray()).toEqual([2, 0, 1])
      expect(sorted.unsortedIndices?.toArray()).toEqual([1, 2, 0])
    },
  ],
  [
    29,
    'what packing refuses',
    () => {
      const x = zeros([5, 2, 3])
      expect(() => packPaddedSequence(x, [1, 5])).toThrow(
        /^`lengths` array must be sorted in decreasing order when `enforce_sorted` is True\. You can pass `enforce_sorted=False`/,
      )
      expect(() => packPaddedSequence(x, [5, 0])).toThrow(
        /^Length of all samples has to be greater than 0/,
      )
      expect(() => packPaddedSequence(x, [5])).toThrow(
        /^Expected `len\(lengths\)` to be equal to batch_size/,
      )
      expect(() => packPaddedSequence(zeros([5, 0, 3]), [])).toThrow(
        new RangeError('Cannot pack empty tensors.'),
      )
      expect(() => packSequence([])).toThrow(new RangeError('received an empty list of sequences'))
    },
  ],
  [
    30,
    'each reverse pass starts at its own end, and padding never leaks',
    () => {
      const rnn = new nn.RNN(3, 4, flags)
      const values = filled([5, 2, 3], 1)
      const row = values.narrow(1, 1, 1).narrow(0, 0, 2)
      values.data.fill(Number.NaN, (2 * 2 + 1) * 3, (2 * 2 + 2) * 3)
      values.data.fill(Number.NaN, (3 * 2 + 1) * 3, (3 * 2 + 2) * 3)
      values.data.fill(Number.NaN, (4 * 2 + 1) * 3, (4 * 2 + 2) * 3)
      const x = tensor(values.data, { shape: values.shape, requiresGrad: true })
      const [alone, aloneHN] = rnn.forward(row)
      const [packedOutput, hN] = rnn.forward(packPaddedSequence(x, [5, 2]))
      const [output] = padPackedSequence(packedOutput)
      expectSameBits(output.narrow(1, 1, 1).narrow(0, 0, 2), alone)
      expectSameBits(hN.narrow(1, 1, 1), aloneHN)
      output.sum().add(hN.sum()).backward()
      expect(gradOf(x).data.every(Number.isFinite)).toBe(true)
      expect(new Set(gradOf(x).narrow(1, 1, 1).narrow(0, 2, 3).data)).toEqual(new Set([0]))
    },
  ],
  [
    31,
    "hx and hN in the caller's order; padPackedSequence's options; a stable sort",
    () => {
      const rnn = new nn.RNN(1, 2)
      const list = [2, 3, 2].map((length, b) => filled([length, 1], b + 1))
      const hx = filled([1, 3, 2], 9)
      const packed = packSequence(list, { enforceSorted: false })
      expect(packed.sortedIndices?.toArray()).toEqual([1, 0, 2])
      const [output, hN] = rnn.forward(packed, hx)
      list.forEach((sequence, b) => {
        expectSameBits(hN.select(1, b), rnn.forward(sequence, hx.select(1, b))[1])
      })
      expect(padPackedSequence(output)[0].shape).toEqual([3, 3, 2])
      expect(() => padPackedSequence(output, { totalLength: 2 })).toThrow(
        /^Expected total_length to be at least the length of the longest sequence/,
      )
      const [padded, lengths] = padPackedSequence(output, { totalLength: 4, paddingValue: 7 })
      expect(new Set(padded.select(0, 3).data)).toEqual(new Set([7]))
      expect(lengths.toArray()).toEqual([2, 3, 2])
    },
  ],
  [
    32,
    'lengths give what packing, forward and padding give, in one call',
    () => {
      const rnn = new nn.RNN(3, 4, flags)
      const [x, hx, lengths] = [filled([6, 3, 3], 1), filled([4, 3, 4], 2), [2, 5, 1]]
      const [output, hN] = rnn.forward(x, hx, { lengths })
      const packed = packPaddedSequence(x, lengths, { enforceSorted: false })
      const [packedOutput, packedHN] = rnn.forward(packed, hx)
      expectSameBits(output, padPackedSequence(packedOutput, { totalLength: 6 })[0])
      expectSameBits(hN, packedHN)
      expect(new Set(output.select(0, 5).data)).toEqual(new Set([0]))
    },
  ],

  // RNNCell
  [
    33,
    'what the cell refuses; no rows are fine',
    () => {
      const cell = new nn.RNNCell(10, 20)
      const refusals: [args: Tensor<DType>[], message: string][] = [
        [[zeros([3, 11])], 'input has inconsistent input_size: got 11 expected 10'],
        [
          [zeros([3, 10]), zeros([3, 21])],
          'hidden0 has inconsistent hidden_size: got 21, expected 20',
        ],
        [[zeros([3, 10]), zeros([5, 20])], "Input batch size 3 doesn't match hidden0 batch size 5"],
        [
          [zeros([3, 10]), zeros([1, 1, 3, 20])],
          'RNNCell: Expected hidden to be 1D or 2D, got 4D instead',
        ],
      ]
      for (const [args, message] of refusals) {
        expect(() => call(cell, ...args)).toThrow(new RangeError(message))
      }
      expect(cell.forward(zeros([0, 10]), zeros([0, 20])).shape).toEqual([0, 20])
    },
  ],

  // Stricter than torch
  [
    34,
    'lengths above T, numbers that are no sizes, packs that do not fit, memory of others',
    () => {
      const rnn = new nn.RNN(3, 4)
      const x = zeros([5, 2, 3])
      expect(() => rnn.forward(x, null, { lengths: [6, 1] })).toThrow(RangeError)
      expect(() => packPaddedSequence(x, [6, 1])).toThrow(RangeError)
      const sizes: ((n: number) => unknown)[] = [
        (n) => make(n, 2),
        (n) => make(2, n),
        (n) => Reflect.construct(nn.RNNCell<DType>, [n, 2]),
        (n) => make(2, 2, { numLayers: n }),
        (n) => zeros([n, 2 ** 20]),
        (n) => rnn.forward(x, null, { lengths: [5, n] }),
        (n) => packPaddedSequence(x, [5, n]),
        (n) => new PackedSequence(zeros([5]), [4, n]),
      ]
      for (const size of sizes) {
        for (const n of [1.9, Number.NaN]) expect(() => size(n), String(size)).toThrow(TypeError)
        for (const n of [-1, 2 ** 60]) expect(() => size(n), String(size)).toThrow(RangeError)
      }
      const packed = packPaddedSequence(x, [2, 5], { enforceSorted: false })
      expect(() => rnn.forward(packed, zeros([1, 7, 4]))).toThrow(RangeError)
      for (const batchSizes of [
        [2, 3],
        [5, 0],
        [2, 1],
      ]) {
        expect(() => new PackedSequence(zeros([5, 3]), batchSizes)).toThrow(RangeError)
      }
      expect(() => tensor(new Float32Array(new SharedArrayBuffer(16)))).toThrow(TypeError)
      const lengths = new Int32Array(new SharedArrayBuffer(8)).fill(5)
      expect(() => rnn.forward(x, null, { lengths })).toThrow(TypeError)
      const gone = zeros([5, 2, 3])
      structuredClone(gone.data.buffer, { transfer: [gone.data.buffer as ArrayBuffer] })
      expect(() => rnn.forward(gone)).toThrow(RangeError)
      expect(() => packPaddedSequence(gone, [5, 2])).toThrow(RangeError)
    },
  ],
]

describe('torch.nn.RNN, point', () => {
  it.each(points)('%i: %s', (number, _what, check) => {
    const state = getRngState()
    manualSeed(number)
    try {
      check()
    } finally {
      setRngState(state)
    }
  })

  it('1 to 34 are all here', () => {
    expect(points.map(([number]) => number)).toEqual(Array.from({ length: 34 }, (_, n) => n + 1))
  })
})
