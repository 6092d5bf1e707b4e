/**
 * The numbers that every contender computes with. They are a function of a place and a seed, so that programs in other
 * languages have the same ones (peers/data.py) and must come to the same results.
 */

import { cellFacts, inputFeatures, parameters, type Shape } from './shape'

/** What each kind of array is seeded with; parameters follow one by one. */
const seeds = { input: 1, hx: 2, gradient: 3, fingerprint: 4, cx: 6, parameters: 10 }

/**
 * Number `place` of those of a seed, between -1 and 1: the bits mixed by C. Wellons' function lowbias32
 * (https://nullprogram.com/blog/2018/07/31/).
 */
export function mixed(seed: number, place: number): number {
  let bits = (Math.imul(seed, 0x9e3779b9) + place) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d)
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b)
  bits = (bits ^ (bits >>> 16)) >>> 0
  return bits / 2 ** 31 - 1
}

/** An array and its shape, row by row. */
export interface Values {
  readonly shape: readonly number[]
  readonly values: Float64Array
}

/** All that a network of this shape is given. */
export interface Numbers {
  /** (T, B, I) */
  readonly input: Values
  /** the states that it begins with, each (L·D, B, H): h, and of an LSTM c */
  readonly states: readonly Values[]
  /** the gradient of some loss with respect to the output, (T, B, D·H) */
  readonly gradient: Values
  /** by name, in the order of the state dict; as large as torch's initial ones */
  readonly parameters: ReadonlyMap<string, Values>
}

let last: { readonly shape: Shape; readonly numbers: Numbers } | undefined

/** The numbers of a shape. Contenders ask for the same ones in turn, so the last ones are kept. */
export function numbersOf(shape: Shape): Numbers {
  if (last?.shape !== shape) last = { shape, numbers: make(shape) }
  return last.numbers
}

function make(shape: Shape): Numbers {
  const { T, B, H, L, D, cell } = shape
  const array = (seed: number, size: readonly number[], scale: number): Values => {
    const values = new Float64Array(size.reduce((a, b) => a * b))
    for (let place = 0; place < values.length; place += 1)
      values[place] = scale * mixed(seed, place)
    return { shape: size, values }
  }
  return {
    input: array(seeds.input, [T, B, inputFeatures(shape, 0)], 1),
    states: cellFacts[cell].states.map((state) =>
      array(state === 'c' ? seeds.cx : seeds.hx, [L * D, B, H], 1),
    ),
    gradient: array(seeds.gradient, [T, B, D * H], 1),
    parameters: new Map(
      parameters(shape).map(({ name, shape: size }, index) => [
        name,
        array(seeds.parameters + index, size, 1 / Math.sqrt(H)),
      ]),
    ),
  }
}

/** What tells whether two programs have computed the same array, without handing it over. */
export interface Fingerprint {
  /** Euclidean length */
  readonly norm: number
  /** product with numbers that differ from place to place: it tells of signs and of the order */
  readonly product: number
}

/** The fingerprint of an array that comes in parts. */
export function fingerprint(...parts: readonly ArrayLike<number>[]): Fingerprint {
  let squares = 0
  let product = 0
  let place = 0
  for (const part of parts) {
    for (let index = 0; index < part.length; index += 1) {
      const value = part[index] ?? Number.NaN
      squares += value * value
      product += value * mixed(seeds.fingerprint, place)
      place += 1
    }
  }
  return { norm: Math.sqrt(squares), product }
}

/** Whether two arrays with these fingerprints are the same, up to a part of 1e-4 of their length. */
export function sameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  const tolerance = 1e-4 * a.norm
  return Math.abs(a.norm - b.norm) <= tolerance && Math.abs(a.product - b.product) <= tolerance
}
