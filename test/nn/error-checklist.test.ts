/**
 * Every error in the list of semantics, by its number: its class, its message, and that nothing changes. The fixture
 * has parameters with gradients, leaves with gradients, a graph that can still run and a state of the random numbers,
 * all of which are compared bit by bit.
 */

import { createHash } from 'node:crypto'
import { getRngState, manualSeed, nn, optim, type Tensor, tensor, zeros } from '@elman/rnn'
import { beforeEach, describe, expect, it } from 'vitest'
import { bits, errorOf, expectSameBits, filled } from '../helpers/numbers'

const { PackedSequence, packPaddedSequence, packSequence, padPackedSequence, padSequence } =
  nn.utils.rnn

/** What a user has at hand in the middle of training. */
class World {
  readonly rnn = new nn.RNN(3, 4, { numLayers: 2, bidirectional: true, dropout: 0.5 })
  readonly first = new nn.RNN(3, 4, { batchFirst: true })
  readonly cell = new nn.RNNCell(3, 4)
  readonly x = filled([5, 2, 3], 1, { requiresGrad: true })
  readonly hx = filled([4, 2, 4], 2, { requiresGrad: true })
  readonly h = filled([2, 4], 3, { requiresGrad: true })
  readonly lengths = tensor([2, 5], { dtype: 'int32' })
  readonly packed = packPaddedSequence(this.x, this.lengths, { enforceSorted: false })
  readonly optimizer = new optim.Adam(this.rnn.parameters())
  /** A graph that has run backward, one that still can, and one whose weights have changed since. */
  readonly spent: Tensor
  readonly loss: Tensor
  readonly stale: Tensor
  readonly stalePullback: ReturnType<nn.RNN['vjp']>['pullback']

  constructor() {
    const { rnn, first, cell, x, hx, h } = this
    this.spent = rnn
      .forward(x, hx)[0]
      .sum()
      .add(cell.forward(x.select(0, 0), h).sum())
    this.spent.backward()
    this.optimizer.step()
    const scale = tensor([2, 3], { requiresGrad: true })
    this.loss = scale.mul(scale).sum()
    this.stale = first.forward(x.transpose(0, 1))[0].sum()
    this.stalePullback = first.vjp(x.transpose(0, 1)).pullback
    first.resetParameters()
  }

  /** Everything that a failed call must leave alone. */
  snapshot(): unknown {
    const { rnn, first, cell, x, hx, h, lengths, packed, optimizer } = this
    const tensors = [rnn, first, cell].flatMap((module) => [...module.stateDict()])
    const grads = [rnn, first, cell]
      .flatMap((module) => module.parameters())
      .concat(x, hx, h)
      .map(({ grad }) => grad)
    return {
      modules: [rnn, first, cell].map((module) => [String(module), module.training]),
      parameters: tensors.map(([name, value]) => [name, bits(value)]),
      leaves: [x, hx, h].map(bits),
      grads: grads.map((grad) => (grad === null ? null : bits(grad))),
      gradObjects: grads,
      integers: [lengths, packed.batchSizes, packed.sortedIndices ?? lengths].map(bits),
      packed: bits(packed.data),
      optimizer: [...optimizer.stateDict().state].map(([place, state]) => [
        place,
        JSON.stringify(state, (_, value) => (ArrayBuffer.isView(value) ? `${value}` : value)),
      ]),
      random: createHash('sha256').update(getRngState()).digest('hex'),
    }
  }
}

const make =
  (kind: 'RNN' | 'RNNCell', ...args: unknown[]) =>
  (): unknown =>
    Reflect.construct(nn[kind], args)
const forward =
  (args: (world: World) => unknown[], module: 'rnn' | 'first' | 'cell' = 'rnn') =>
  (world: World): unknown =>
    Reflect.apply(world[module].forward, world[module], args(world))
const double = (shape: number[]): Tensor<'float64'> => zeros(shape, { dtype: 'float64' })
const shared = (values: number[]): Int32Array => {
  const array = new Int32Array(new SharedArrayBuffer(4 * values.length))
  array.set(values)
  return array
}
const gone = (shape: number[]): Tensor => {
  const one = zeros(shape)
  structuredClone(one.data.buffer, { transfer: [one.data.buffer as ArrayBuffer] })
  return one
}

const range = (message: string | RegExp): [typeof RangeError, string | RegExp] => [
  RangeError,
  message,
]
const type = (message: string | RegExp): [typeof TypeError, string | RegExp] => [TypeError, message]
const plain = (message: string | RegExp): [typeof Error, string | RegExp] => [Error, message]

const dropout =
  'dropout should be a number in range [0, 1] representing the probability of an element being zeroed'
const unsorted =
  '`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass ' +
  '`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you ' +
  'do not need ONNX exportability.'
const notPositive =
  "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
const wrongDType = (what: string): string =>
  `${what} dtype (float64) does not match weight dtype (float32). Convert ${what.split(' ')[1]} to float32, or convert model: model.to('float64')`

type Expected = [kind: ErrorConstructor, message: string | RegExp]

const checklist: [
  point: number,
  what: string,
  call: (world: World) => unknown,
  expected: Expected,
][] = [
  ...(['RNN', 'RNNCell'] as const).flatMap((kind): typeof checklist => [
    [2, `${kind}: inputSize 0`, make(kind, 0, 4), range('input_size must be greater than zero')],
    [
      2,
      `${kind}: hiddenSize -1`,
      make(kind, 3, -1),
      range('hidden_size must be greater than zero'),
    ],
    [
      2,
      `${kind}: inputSize 1.5`,
      make(kind, 1.5, 4),
      type('input_size should be of type int, got: 1.5'),
    ],
    [
      2,
      `${kind}: hiddenSize '4'`,
      make(kind, 3, '4'),
      type("hidden_size should be of type int, got: '4'"),
    ],
    [
      3,
      `${kind}: bias 1`,
      make(kind, 3, 4, { bias: 1 }),
      type('bias should be of type bool, got: 1'),
    ],
    [
      6,
      `${kind}: an unknown option`,
      make(kind, 3, 4, { x: 1 }),
      type(`${kind}() got an unexpected keyword argument 'x'`),
    ],
    [
      7,
      `${kind}: another nonlinearity`,
      make(kind, 3, 4, { nonlinearity: 'TANH' }),
      range("Unknown nonlinearity 'TANH'. Select from 'tanh' or 'relu'."),
    ],
    [
      34,
      `${kind}: inputSize NaN`,
      make(kind, Number.NaN, 4),
      type('input_size should be of type int, got: NaN'),
    ],
    [
      34,
      `${kind}: hiddenSize 2^60`,
      make(kind, 3, 2 ** 60),
      range(`hidden_size should be at most 2^53 - 1 in size, got: ${2 ** 60}`),
    ],
  ]),
  [
    2,
    'numLayers 0',
    make('RNN', 3, 4, { numLayers: 0 }),
    range('num_layers must be greater than zero'),
  ],
  [
    3,
    'batchFirst 1',
    make('RNN', 3, 4, { batchFirst: 1 }),
    type('batch_first should be of type bool, got: 1'),
  ],
  [
    3,
    'bidirectional null-like',
    make('RNN', 3, 4, { bidirectional: 'no' }),
    type("bidirectional should be of type bool, got: 'no'"),
  ],
  ...[-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY, '0.5', true].map(
    (value): (typeof checklist)[number] => [
      4,
      `dropout ${String(value)}`,
      make('RNN', 3, 4, { numLayers: 2, dropout: value }),
      range(dropout),
    ],
  ),
  [
    6,
    'projSize',
    make('RNN', 3, 4, { projSize: 2 }),
    type('proj_size argument is only supported for LSTM, not RNN or GRU'),
  ],
  [
    11,
    'loadStateDict: missing, unexpected and wrong-shaped',
    ({ cell }) =>
      cell.loadStateDict(
        new Map([
          ['weight_hh', zeros([3, 3])],
          ['bias_ih', zeros([4])],
          ['more', zeros([1])],
        ]),
      ),
    range(
      'Error(s) in loading state_dict for RNNCell:\n' +
        '\tMissing key(s) in state_dict: "weight_ih", "bias_hh".\n' +
        '\tUnexpected key(s) in state_dict: "more".\n' +
        '\tsize mismatch for weight_hh: copying a param with shape [3, 3] from checkpoint, the shape in current model is [4, 4].',
    ),
  ],
  [
    11,
    'loadStateDict, not strict: wrong-shaped',
    ({ cell }) =>
      cell.loadStateDict(
        new Map([
          ['weight_ih', zeros([4, 3])],
          ['weight_hh', zeros([3, 3])],
        ]),
        { strict: false },
      ),
    range(/size mismatch for weight_hh/),
  ],
  [
    12,
    '4-D input',
    forward(() => [zeros([1, 2, 2, 3])]),
    range('RNN: Expected input to be 2D or 3D, got 4D tensor instead'),
  ],
  [
    12,
    '1-D input',
    forward(() => [zeros([3])]),
    range('RNN: Expected input to be 2D or 3D, got 1D tensor instead'),
  ],
  [
    12,
    'cell: 3-D input',
    forward(() => [zeros([1, 2, 3])], 'cell'),
    range('RNNCell: Expected input to be 1D or 2D, got 3D instead'),
  ],
  [
    13,
    'another feature size',
    forward(({ hx }) => [zeros([5, 2, 7]), hx]),
    range('input.size(-1) must be equal to input_size. Expected 3, got 7'),
  ],
  [
    13,
    'another feature size, packed',
    forward(() => [packSequence([zeros([5, 7])])]),
    range('input.size(-1) must be equal to input_size. Expected 3, got 7'),
  ],
  [
    14,
    '2-D input, 3-D hx',
    forward(({ hx }) => [zeros([5, 3]), hx]),
    range('For unbatched 2-D input, hx should also be 2-D but got 3-D tensor'),
  ],
  [
    14,
    '3-D input, 2-D hx',
    forward(({ x }) => [x, zeros([4, 4])]),
    range('For batched 3-D input, hx should also be 3-D but got 2-D tensor'),
  ],
  [
    15,
    'hx of another batch size',
    forward(({ x }) => [x, zeros([4, 7, 4])]),
    range('Expected hidden size (4, 2, 4), got [4, 7, 4]'),
  ],
  [
    15,
    'hx that would have to be broadcast',
    forward(({ x }) => [x, zeros([4, 1, 4])]),
    range('Expected hidden size (4, 2, 4), got [4, 1, 4]'),
  ],
  [
    15,
    'hx with the batch first',
    forward(() => [zeros([2, 5, 3]), zeros([2, 1, 4])], 'first'),
    range('Expected hidden size (1, 2, 4), got [2, 1, 4]'),
  ],
  [
    16,
    'input of another dtype',
    forward(({ hx }) => [double([5, 2, 3]), hx]),
    type(wrongDType('RNN input')),
  ],
  [
    16,
    'hx of another dtype',
    forward(({ x }) => [x, double([4, 2, 4])]),
    type(wrongDType('RNN hx')),
  ],
  [
    16,
    'hx of another dtype, packed',
    forward(({ packed }) => [packed, double([4, 2, 4])]),
    type(wrongDType('RNN hx')),
  ],
  [
    16,
    'cell: input of another dtype',
    forward(() => [double([2, 3])], 'cell'),
    type(wrongDType('RNNCell input')),
  ],
  [
    17,
    'no steps',
    forward(() => [zeros([0, 2, 3])]),
    range('Expected sequence length to be larger than 0 in RNN'),
  ],
  [
    25,
    'a second backward',
    ({ spent }) => spent.backward(),
    plain(/^Trying to backward through the graph a second time/),
  ],
  [
    25,
    'backward after a change of the weights',
    ({ stale }) => stale.backward(),
    plain(/has been modified by an inplace operation/),
  ],
  [
    25,
    'a pullback after a change of the weights',
    ({ stalePullback }) => stalePullback(null, zeros([1, 2, 4])),
    plain(/has been modified by an inplace operation/),
  ],
  [29, 'unsorted lengths', ({ x, lengths }) => packPaddedSequence(x, lengths), range(unsorted)],
  [
    29,
    'an unsorted list',
    ({ x }) => packSequence([x.select(0, 0), x.select(1, 0)]),
    range(unsorted),
  ],
  [29, 'a length of 0', ({ x }) => packPaddedSequence(x, [5, 0]), range(notPositive)],
  [
    29,
    'too few lengths',
    ({ x }) => packPaddedSequence(x, [5]),
    range('Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)'),
  ],
  [
    29,
    'nothing to pack',
    () => packPaddedSequence(zeros([5, 0, 3]), []),
    range('Cannot pack empty tensors.'),
  ],
  [29, 'an empty list', () => packSequence([]), range('received an empty list of sequences')],
  [29, 'an empty list to pad', () => padSequence([]), range('received an empty list of sequences')],
  [
    31,
    'a total length below the longest',
    ({ packed }) => padPackedSequence(packed, { totalLength: 4 }),
    range(
      'Expected total_length to be at least the length of the longest sequence in input, but got total_length=4 and max sequence length being 5',
    ),
  ],
  [32, 'lengths of 0', forward(({ x, hx }) => [x, hx, { lengths: [5, 0] }]), range(notPositive)],
  [
    32,
    'too many lengths',
    forward(({ x, hx }) => [x, hx, { lengths: [5, 1, 1] }]),
    range('Expected `len(lengths)` to be equal to batch_size, but got 3 (batch_size=2)'),
  ],
  [
    33,
    'cell: another input size',
    forward(({ h }) => [zeros([2, 7]), h], 'cell'),
    range('input has inconsistent input_size: got 7 expected 3'),
  ],
  [
    33,
    'cell: another hidden size',
    forward(() => [zeros([2, 3]), zeros([2, 5])], 'cell'),
    range('hidden0 has inconsistent hidden_size: got 5, expected 4'),
  ],
  [
    33,
    'cell: another batch size',
    forward(({ h }) => [zeros([3, 3]), h], 'cell'),
    range("Input batch size 3 doesn't match hidden0 batch size 2"),
  ],
  [
    33,
    'cell: 4-D hidden',
    forward(() => [zeros([2, 3]), zeros([1, 1, 2, 4])], 'cell'),
    range('RNNCell: Expected hidden to be 1D or 2D, got 4D instead'),
  ],
  [
    34,
    'a length beyond the input',
    forward(({ x, hx }) => [x, hx, { lengths: [6, 1] }]),
    range("Expected every element of 'lengths' to be at most the sequence length 5, got 6"),
  ],
  [
    34,
    'a length beyond the input, packing',
    ({ x }) => packPaddedSequence(x, [6, 1]),
    range("Expected every element of 'lengths' to be at most the sequence length 5, got 6"),
  ],
  [
    34,
    'a fraction of a length',
    forward(({ x, hx }) => [x, hx, { lengths: [1.9, 5] }]),
    type("RNN(): argument 'lengths' must be an array of ints, but found 1.9 at pos 0"),
  ],
  [
    34,
    'a length of 2^32 + 5',
    forward(({ x, hx }) => [x, hx, { lengths: [2 ** 32 + 5, 5] }]),
    range(
      `Expected every element of 'lengths' to be at most the sequence length 5, got ${2 ** 32 + 5}`,
    ),
  ],
  [
    34,
    'a batch size of NaN',
    () => new PackedSequence(zeros([5]), [4, Number.NaN]),
    type(
      "PackedSequence(): argument 'batch_sizes' must be an array of ints, but found NaN at pos 1",
    ),
  ],
  [
    34,
    'hx of a larger batch than the pack',
    forward(({ packed }) => [packed, zeros([4, 7, 4])]),
    range('Expected hidden size (4, 2, 4), got [4, 7, 4]'),
  ],
  [
    34,
    'batch sizes that increase',
    ({ packed: { data } }) => new PackedSequence(data, [3, 4]),
    range('batch_sizes must not increase: step 1 has 4 rows after 3'),
  ],
  [
    34,
    'a batch size of 0',
    ({ packed: { data } }) => new PackedSequence(data, [7, 0]),
    range('every batch size must be greater than zero, but batch_sizes[1] is 0'),
  ],
  [
    34,
    'batch sizes that do not sum to the rows',
    ({ packed: { data } }) => new PackedSequence(data, [3, 3]),
    range('Expected batch_sizes to sum to the 7 rows of data, got 6'),
  ],
  [
    34,
    'lengths that others can change',
    forward(({ x, hx }) => [x, hx, { lengths: shared([5, 5]) }]),
    type('lengths is backed by a SharedArrayBuffer; copy it into memory of its own'),
  ],
  [
    34,
    'batch sizes that others can change',
    ({ packed: { data } }) => new PackedSequence(data, shared([7])),
    type('batch_sizes is backed by a SharedArrayBuffer; copy it into memory of its own'),
  ],
  [
    34,
    'values that others can change',
    () => tensor(new Float32Array(new SharedArrayBuffer(8))),
    type('values is backed by a SharedArrayBuffer; copy it into memory of its own'),
  ],
  [
    34,
    'a detached input',
    forward(({ hx }) => [gone([5, 2, 3]), hx]),
    range('the data of this tensor was detached or resized: expected 30 elements, got 0'),
  ],
  [
    34,
    'a detached hx, packed',
    forward(({ packed }) => [packed, gone([4, 2, 4])]),
    range('the data of this tensor was detached or resized: expected 32 elements, got 0'),
  ],
  [
    34,
    'a detached hidden of the cell',
    forward(() => [zeros([2, 3]), gone([2, 4])], 'cell'),
    range('the data of this tensor was detached or resized: expected 8 elements, got 0'),
  ],
  [
    34,
    'a detached input, packing',
    () => packPaddedSequence(gone([5, 2, 3]), [5, 2]),
    range('the data of this tensor was detached or resized: expected 30 elements, got 0'),
  ],
]

describe('an error of the checklist has its class and words, and changes nothing: point', () => {
  let world: World
  beforeEach(() => {
    manualSeed(1)
    world = new World()
  })

  it.each(checklist)('%i: %s', (_point, _what, call, [kind, message]) => {
    const before = world.snapshot()
    const error = errorOf(() => call(world))
    expect(error).toBeInstanceOf(kind)
    expect((error as Error).constructor).toBe(kind)
    if (typeof message === 'string') expect((error as Error).message).toBe(message)
    else expect((error as Error).message).toMatch(message)
    expect(world.snapshot()).toEqual(before)

    // And everything still works, with the numbers of a world in which nothing went wrong.
    const after = run(world)
    manualSeed(1)
    run(new World()).forEach((expected, place) => {
      expectSameBits(after[place], expected)
    })
  })

  it('covers every point that has an error', () => {
    const points = new Set(checklist.map(([point]) => point))
    expect([...points].sort((a, b) => a - b)).toEqual([
      2, 3, 4, 6, 7, 11, 12, 13, 14, 15, 16, 17, 25, 29, 31, 32, 33, 34,
    ])
  })
})

/** A step of training on all that the world holds. */
function run({ rnn, cell, x, hx, h, packed, loss }: World): Tensor[] {
  const [output, hN] = rnn.forward(packed, hx)
  const next = cell.forward(x.select(0, 0), h)
  output.data.sum().add(next.sum()).add(hN.sum()).add(loss).backward()
  const grads = [x, hx, h, ...rnn.parameters(), ...cell.parameters()].map(({ grad }) => grad)
  return [output.data, hN, next, ...grads.flatMap((grad) => grad ?? [])]
}
