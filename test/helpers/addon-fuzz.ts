/**
 * Calls every export of the addon with some wrong arguments: `addon-fuzz.ts SEED COUNT`.
 *
 * Prints how many calls failed and how many succeeded. Ends with an error if a call throws anything but an `Error`,
 * throws a caught panic, or fails after a write to an array.
 */

import { addon, arrayPlaces, bytesOf, calls, replaced } from './addon'
import { numbers } from './pseudo-random'

const [seed, count] = process.argv.slice(2).map(Number)
const next = numbers(seed)
const below = (limit: number): number => Math.floor(((next() + 1) / 2) * limit)
const pick = <T>(list: readonly T[]): T => list[below(list.length)]

const limits = [Number.NaN, Number.POSITIVE_INFINITY, -0, 1e-40, 2 ** 31, -(2 ** 31), 2 ** 32 + 5]
const values = [...limits, 2 ** 40, 2 ** 53, -1, 0, 1, 2, 3, 1.9, 0.5, 'tanh', '', null, undefined]
const others = [3n, true, {}, [], Symbol('s'), () => 1, new Date(), addon, new Proxy({}, {})]

const views = [
  (buffer: ArrayBuffer) => new Float32Array(buffer),
  (buffer: ArrayBuffer) => new Float64Array(buffer),
  (buffer: ArrayBuffer) => new Int32Array(buffer),
  (buffer: ArrayBuffer) => new Uint8Array(buffer),
  (buffer: ArrayBuffer) => new DataView(buffer),
]

function anyArray(): unknown {
  const length = 8 * below(10)
  if (below(8) === 0) return new Float32Array(new SharedArrayBuffer(length))
  const buffer = new ArrayBuffer(length)
  const view = pick(views)(buffer)
  if (below(8) === 0) structuredClone(buffer, { transfer: [buffer] })
  return view
}

/** A value of any type, or one that is valid elsewhere. */
function anyValue(args: readonly unknown[]): unknown {
  const list = pick([values, others, args])
  return pick([() => pick(list), anyArray, () => Array.from({ length: below(4) }, anyArray)])()
}

function spoiled(args: readonly unknown[]): unknown[] {
  if (args.length === 0 || below(20) === 0) return args.slice(0, below(args.length))
  const places = [...args.map((_, place) => [place] as const), ...arrayPlaces(args)]
  return replaced(args, pick(places), anyValue(args))
}

let failed = 0
for (let round = 0; round < count; round += 1) {
  const { name, args, run } = pick(calls)
  const given = args()
  const before = bytesOf(given)
  let wrong = spoiled(given)
  if (below(3) === 0) wrong = spoiled(wrong)
  try {
    run(wrong)
  } catch (error) {
    failed += 1
    const why = error instanceof Error ? error.message : `threw ${String(error)}`
    const changed = bytesOf(given).join() !== before.join()
    if (!(error instanceof Error) || why.startsWith('internal error') || changed) {
      console.error(name, wrong, changed ? 'has written, then failed:' : 'failed:', why)
      process.exit(1)
    }
  }
}
console.log(JSON.stringify({ failed, passed: count - failed }))
