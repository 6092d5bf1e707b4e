/**
 * What nn.LSTM, nn.GRU and their cells refuse, with PyTorch as the judge: what it accepts is accepted here, with the same
 * text and shapes; what it refuses is refused, in its words where they are words about the arguments.
 */

import type { DType } from '@elman/rnn'
import { getRngState, nn, Tensor, zeros } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { checkAll, readCases } from '../../helpers/golden'

interface Described {
  shape: number[]
  dtype: DType
}

type Shapes = number[] | (number[] | number[][])[]

interface ErrorCase {
  id: string
  kind: 'LSTM' | 'GRU' | 'LSTMCell' | 'GRUCell'
  what: string
  arguments: unknown[]
  options: Record<string, unknown>
  input?: Described
  hx?: Described | (Described | null)[] | number | null
  lengths?: number[]
  repr?: string
  shapes?: Shapes
  error?: { type: string; message: string }
}

const cases = readCases<ErrorCase>('errors-gated.json')

/** What torch takes and this package does not: sizes of 0, flags that are merely truthy, and mixed dtypes. */
const stricter: Record<string, RegExp> = {
  'input_size 0': /^input_size must be greater than zero$/,
  'hidden_size 0': /^hidden_size must be greater than zero$/,
  'bias 1': /^bias should be of type bool, got: 1$/,
  'c of another dtype':
    /^LSTMCell hx\[1\] dtype \(float64\) does not match weight dtype \(float32\)/,
}

/** Words of this package where those of torch are accidents of Python or of a kernel far below. */
const own: [torch: RegExp, ours: RegExp][] = [
  [
    /^mat1 and mat2 must have the same dtype/,
    /dtype \(float64\) does not match weight dtype \(float32\)\. Convert/,
  ],
  [
    /^RNN input dtype \(torch\.float64\) does not match/,
    /^(LSTM|GRU) input dtype \(float64\) does not match weight dtype \(float32\)\. Convert/,
  ],
  [
    /^mat1 and mat2 shapes cannot be multiplied/,
    /^input\.size\(-1\) must be equal to input_size\. Expected 3, got 7$/,
  ],
  [
    /^The size of tensor a|^got an incorrect number of RNN parameters|^Dimension out of range/,
    /^Expected hidden(\[[01]\])? size \(/,
  ],
  [
    /^tuple index out of range|^lstm expects two hidden states$/,
    /^lstm expects two hidden states, got [013]$/,
  ],
  [/^lstm_cell expects two hidden states$/, /^lstm_cell expects two hidden states, got [013]$/],
  [
    /^index 1 is out of bounds|hx and cx should also be 3-D but got \(2-D, 2-D\)|^'int' object is not (subscriptable|iterable)|^lstm\(\) received an invalid|^lstm_cell\(\): argument 'hx'/,
    /\.forward\(\): argument 'hx' must be tuple of Tensors, not (Tensor|0)$|but got \(2-D, 2-D\)/,
  ],
  [
    /has no attribute '(dim|size)'$/,
    /\.forward\(\): argument 'hx(\[[01]\])?' must be Tensor, not (null|Array|0)$/,
  ],
  [
    /missing 1 required positional argument: 'hidden_size'$/,
    /^hidden_size should be of type int, got: undefined$/,
  ],
  [/unexpected keyword argument/, /^\w+\(\) got an unexpected keyword argument '\w+'$/],
  [
    /got: (float|str)$|^empty\(\): argument|cannot be interpreted as an integer$|^'<' not supported/,
    /^\w+ should be of type int, got: ('?[\d.]+'?)$/,
  ],
  [/^bias should be|^batch_first should be/, /^(bias|batch_first) should be of type bool, got: 1$/],
  [
    /^Trying to create tensor with negative dimension/,
    /^(input|hidden)_size must be greater than zero$/,
  ],
  [
    /^proj_size argument is only supported/,
    /^proj_size argument is only supported for LSTM, not RNN or GRU$/,
  ],
  // Of a cell, torch compares the first dimension of a state without a batch with the batch, and the other way round.
  [
    /^Input batch size 2 doesn't match hidden0 batch size 4$/,
    /^For batched 2-D input, hx(\[0\])? should also be 2-D but got 1-D tensor$/,
  ],
  [
    /^hidden0 has inconsistent hidden_size: got 2, expected 4$/,
    /^For unbatched 1-D input, hx(\[0\])? should also be 1-D but got 2-D tensor$/,
  ],
]

/** Torch's kind of an error, as this package throws it. */
const kinds: Record<string, typeof RangeError> = {
  ValueError: RangeError,
  RuntimeError: RangeError,
  TypeError,
}

const made = (described: Described | number | null | undefined): unknown =>
  typeof described === 'object' && described !== null
    ? zeros(described.shape, { dtype: described.dtype })
    : described

function statesOf(hx: ErrorCase['hx']): unknown {
  return Array.isArray(hx) ? hx.map(made) : made(hx)
}

/** The shapes of a result, nested as the result is. */
function shapesOf(result: unknown): unknown {
  if (result instanceof Tensor) return [...result.shape]
  if (result instanceof nn.utils.rnn.PackedSequence) return [...result.data.shape]
  return (result as unknown[]).map(shapesOf)
}

function run(one: ErrorCase): { module: nn.Module; result?: unknown } {
  const module = Reflect.construct(nn[one.kind], [...one.arguments, one.options]) as nn.Module
  if (one.input === undefined) return { module }
  const padded = made(one.input) as Tensor
  const { packPaddedSequence } = nn.utils.rnn
  const input = one.lengths ? packPaddedSequence(padded, one.lengths) : padded
  const forward = Reflect.get(module, 'forward') as () => unknown
  return { module, result: Reflect.apply(forward, module, [input, statesOf(one.hx)]) }
}

function differences(one: ErrorCase): string[] {
  const before = getRngState()
  let got: unknown
  let done: ReturnType<typeof run> | null = null
  try {
    // What an option left out is in Python, JavaScript passes as undefined.
    done = run(
      one.arguments.length === 1 ? { ...one, arguments: [...one.arguments, undefined] } : one,
    )
  } catch (error) {
    got = error
  }
  const message = got instanceof Error ? got.message : ''
  const stricterHere = one.error === undefined ? stricter[one.what] : undefined
  if (stricterHere !== undefined && one.kind.endsWith('Cell')) {
    return stricterHere.test(message) ? [] : [`is stricter than torch, but: '${message}'`]
  }
  if (one.error === undefined) {
    if (done === null) return [`is accepted by torch, but: ${got}`]
    const text = one.repr
    const shapes = one.shapes && JSON.stringify(one.shapes)
    const gotShapes = JSON.stringify(done.result && shapesOf(done.result))
    return [
      ...(text === undefined || String(done.module) === text
        ? []
        : [`${done.module}, torch: ${text}`]),
      ...(shapes === undefined || gotShapes === shapes ? [] : [`${gotShapes}, torch: ${shapes}`]),
    ]
  }
  if (done !== null) return [`is refused by torch: ${one.error.message}`]
  const { type, message: words } = one.error
  const ours = own.filter(([torch]) => torch.test(words)).map(([, pattern]) => pattern)
  const plain = words.replace(/^((?:LSTM|GRU): .*D) instead$/, '$1 tensor instead') // as nn.RNN says it
  if (message !== plain && !ours.some((pattern) => pattern.test(message))) {
    return [`'${message}', torch: '${words}'`]
  }
  const expected = kinds[type]
  const kindMatters = message === plain && expected !== undefined
  if (kindMatters && !(got instanceof expected) && !/proj_size argument/.test(words)) {
    return [`${got}, torch: ${type}`]
  }
  if (!(got instanceof RangeError || got instanceof TypeError)) return [`throws ${got}`]
  const constructed = one.input !== undefined // which draws the weights
  return constructed || String(getRngState()) === String(before) ? [] : ['draws random numbers']
}

describe.each(['LSTM', 'GRU', 'LSTMCell', 'GRUCell'] as const)('nn.%s', (kind) => {
  const own = cases.filter((one) => one.kind === kind)

  it.each(['make', 'forward'])('agrees with PyTorch on what is refused: %s', (call) => {
    checkAll(
      own.filter(({ id }) => id.includes(`-${call}-`)),
      ({ id, what }) => `${id} (${what})`,
      differences,
    )
  })
})

describe('an LSTM', () => {
  const lstm = new nn.LSTM(3, 4)
  const input = zeros([5, 2, 3])
  const state = zeros([1, 2, 4])

  it('refuses upstream gradients of its states that are no pair', () => {
    const { hN, pullback } = lstm.vjp(input)
    for (const [given, message] of [
      [hN[0], "pullback(): argument 'gradHN' must be tuple of Tensors, not Tensor"],
      [[hN[0]], 'lstm expects two hidden states, got 1'],
      [[null, 3], 'gradients can be either Tensors or null, but got 3'],
      [
        [null, zeros([1, 2, 5])],
        'Mismatch in shape: gradHN[1] has a shape of [1, 2, 5], expected [1, 2, 4]',
      ],
      [[null, null], 'pullback expects gradOutput or gradHN, but got null for both'],
    ] as const) {
      expect(() => Reflect.apply(pullback, null, [null, given])).toThrow(message)
    }
  })

  it('refuses initial states of a stream that are no pair, and leaves the others alone', () => {
    const stream = lstm.stream({ batchSize: 2, hx: [state, state] })
    stream.input.fill(1)
    stream.step()
    const before = stream.hidden.map(({ data }) => [...data])
    for (const hx of [state, [state], [state, null], [state, zeros([1, 2, 5])]]) {
      expect(() => Reflect.apply(lstm.stream, lstm, [{ batchSize: 2, hx }])).toThrow()
      expect(() => Reflect.apply(stream.reset, stream, [hx])).toThrow()
    }
    expect(stream.hidden.map(({ data }) => [...data])).toEqual(before)
  })
})
