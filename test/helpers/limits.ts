/**
 * Limit values (NaN, infinities, zeros and denormals) at every place of an RNN's arrays. Kernels process vectors and a
 * scalar remainder, so the code path depends on the place; all paths must agree with the equation.
 *
 * Each check returns the places where they do not. Without vitest, so that child processes can use it.
 */

import { nn, zeros } from '@elman/rnn'

type DType = 'float32' | 'float64'
type Nonlinearity = 'tanh' | 'relu'
interface Options {
  readonly nonlinearity: Nonlinearity
  readonly dtype: DType
}

/** The limit values of a dtype; the denormals are the smallest one and a larger one with fewer digits. */
function specials(dtype: DType): number[] {
  const denormals =
    dtype === 'float32' ? [2 ** -149, -(2 ** -127)] : [Number.MIN_VALUE, -(2 ** -1023)]
  return [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, ...denormals]
}

function activation(name: Nonlinearity, value: number): number {
  if (name === 'tanh') return Math.tanh(value)
  return Number.isNaN(value) ? value : Math.max(value, 0)
}

/** The places where an array differs from the expected values; zeros of either sign are equal. */
function wrongPlaces(actual: ArrayLike<number>, expected: (place: number) => number): string[] {
  return Array.from(actual).flatMap((value, place) => {
    const wanted = expected(place)
    if (value === wanted || (Number.isNaN(value) && Number.isNaN(wanted))) return []
    return `${value} instead of ${wanted} at ${place} of ${actual.length}`
  })
}

/** An RNN whose parameters are all zero. */
function blank(inputSize: number, hiddenSize: number, options: object): nn.RNN<DType> {
  const rnn = new nn.RNN(inputSize, hiddenSize, options)
  for (const { data } of rnn.parameters()) data.fill(0)
  return rnn
}

/** All places of all sizes around the widths of vectors. */
function* placesOfSizes(): Generator<[size: number, place: number]> {
  for (let size = 1; size <= 33; size += 1) {
    for (let place = 0; place < size; place += 1) yield [size, place]
  }
}

/** In the bias, they affect their own unit only, forward and backward. */
function inBias(options: Options): string[] {
  const { nonlinearity, dtype } = options
  const wrong: string[] = []
  for (const [size, place] of placesOfSizes()) {
    const rnn = blank(1, size, options)
    for (const value of specials(dtype)) {
      rnn.zeroGrad()
      rnn.bias_ih_l0.data[place] = value
      const [output] = rnn.forward(zeros([1, 1, 1], { dtype }))
      const y = activation(nonlinearity, value)
      wrong.push(...wrongPlaces(output.data, (at) => (at === place ? y : 0)))
      output.sum().backward()
      const slope = (h: number): number => (nonlinearity === 'tanh' ? 1 - h * h : Number(h > 0))
      const slopes = rnn.bias_hh_l0.grad?.data.slice() ?? []
      if (nonlinearity === 'relu' && Number.isNaN(value)) slopes[place] = 0 // any will do
      wrong.push(...wrongPlaces(slopes, (at) => slope(at === place ? y : 0)))
    }
  }
  return wrong
}

/** In the input, they go through products with 0 and 1, and affect their own row only. */
function inInput(options: Options): string[] {
  const { nonlinearity, dtype } = options
  const [units, features, rows] = [33, 5, 9]
  const rnn = blank(features, units, { ...options, bias: false })
  for (let unit = 0; unit < units; unit += 1) {
    rnn.weight_ih_l0.data[unit * features + (unit % features)] = 1
  }
  const wrong: string[] = []
  for (let place = 0; place < rows * features; place += 1) {
    for (const value of specials(dtype)) {
      const input = zeros([1, rows, features], { dtype })
      input.data[place] = value
      const [output] = rnn.forward(input)
      const expected = (at: number): number => {
        if (Math.floor(at / units) !== Math.floor(place / features)) return 0
        const weight = (at % units) % features === place % features ? 1 : 0
        return activation(nonlinearity, value * weight)
      }
      wrong.push(...wrongPlaces(output.data, expected))
    }
  }
  return wrong
}

/** In the state, which every unit passes to itself, they stay; the other units get 0 · h. */
function inState(options: Options): string[] {
  const { nonlinearity, dtype } = options
  const wrong: string[] = []
  for (const [size, place] of placesOfSizes()) {
    const rnn = blank(1, size, { ...options, bias: false })
    for (let unit = 0; unit < size; unit += 1) rnn.weight_hh_l0.data[unit * (size + 1)] = 1
    for (const value of specials(dtype)) {
      const hx = zeros([1, 1, size], { dtype })
      hx.data[place] = value
      const [output, hN] = rnn.forward(zeros([1, 1, 1], { dtype }), hx)
      const expected = (at: number): number =>
        activation(nonlinearity, at === place ? value : value * 0)
      wrong.push(...wrongPlaces(output.data, expected), ...wrongPlaces(hN.data, expected))
    }
  }
  return wrong
}

const checks = { bias: inBias, input: inInput, state: inState }

/** All errors, by the place of the values, the activation and the dtype. */
export function wrongAtLimits(): Record<string, string[]> {
  const wrong: Record<string, string[]> = {}
  for (const [name, check] of Object.entries(checks)) {
    for (const nonlinearity of ['tanh', 'relu'] as const) {
      for (const dtype of ['float32', 'float64'] as const) {
        wrong[`in the ${name}, ${nonlinearity}, ${dtype}`] = check({ nonlinearity, dtype })
      }
    }
  }
  return wrong
}
