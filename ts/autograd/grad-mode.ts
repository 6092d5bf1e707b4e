/** Whether operations are recorded at the moment. */

import { types } from 'node:util'
import { checkFunction, hasMethods, refuseExtra } from '../check'

let enabled = true

/** Whether operations are recorded at the moment. */
export function isRecording(): boolean {
  return enabled
}

declare const decided: unique symbol

/**
 * The promise of `forwardAsync` or `backwardAsync`. It is a plain `Promise`; the type tells {@link noGrad} that the call
 * has decided whether it is recorded.
 */
export interface CallPromise<T> extends Promise<T> {
  /** @hidden */
  readonly [decided]?: true
}

/** What {@link noGrad} accepts of what a function returns. */
export type NoGradResult<T> =
  T extends PromiseLike<unknown>
    ? typeof decided extends keyof T
      ? T
      : 'noGrad takes a synchronous function, or one that returns the promise of forwardAsync or backwardAsync'
    : T extends Generator<unknown, unknown, never> | AsyncGenerator<unknown, unknown, never>
      ? 'noGrad takes a function that runs at once, and no generator'
      : T

/** Promises of calls that have begun inside {@link noGrad}. */
const unrecorded = new WeakSet<object>()

/** Calls an async function of this package, which decides before its first await whether it is recorded. */
export function decidedAtCall<T>(call: () => Promise<T>): CallPromise<T> {
  const promise = call()
  if (!enabled) unrecorded.add(promise)
  return promise
}

/**
 * Runs `fn` without recording: the results need no gradient and keep no graph in memory.
 *
 * The function must run at once, or return the promise of `forwardAsync` or `backwardAsync`, which decide at the call
 * whether they are recorded. An `async` function would continue after its first `await` with recording switched on
 * again, and the body of a generator runs later, so both are refused. The former mode is restored when `fn` returns or
 * throws. Calls may be nested.
 *
 * @param fn a synchronous function, or one that returns the promise of a call of this package. To await several, return
 *   an array: `await Promise.all(noGrad(() => inputs.map((x) => rnn.forwardAsync(x))))`.
 * @returns what `fn` returns.
 * @throws TypeError if `fn` is not a function, or returns another promise or a generator. The error of a refused promise
 *   is dropped.
 *
 * @example
 * ```ts
 * import { nn, noGrad, tensor, zeros } from '@elman/rnn'
 *
 * const w = tensor([1, 2], { requiresGrad: true })
 * const y = noGrad(() => w.mul(2))
 * console.log(y.requiresGrad) // false
 *
 * const rnn = new nn.RNN(3, 4)
 * const [output] = await noGrad(() => rnn.forwardAsync(zeros([5, 1, 3])))
 * console.log(output.requiresGrad) // false
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
 */
export function noGrad<T>(fn: () => NoGradResult<T>): T
export function noGrad(fn: () => unknown): unknown {
  if (arguments.length > 1) refuseExtra('noGrad', 1, arguments)
  checkFunction('fn', fn)
  if (types.isGeneratorFunction(fn)) throw generating() // an asynchronous one too
  if (types.isAsyncFunction(fn)) throw asynchronous()
  const before = enabled
  enabled = false
  let result: unknown
  try {
    result = fn()
  } finally {
    enabled = before
  }
  if (typeof result !== 'object' || result === null || unrecorded.has(result)) return result
  if (hasMethods(result, ['then'])) {
    // Nobody else has the promise: its rejection would end the process.
    Promise.resolve(result).catch(() => {})
    throw asynchronous()
  }
  if (hasMethods(result, ['next', 'return', 'throw'])) throw generating()
  return result
}

function asynchronous(): TypeError {
  return new TypeError(
    'noGrad expects a synchronous function, or one that returns the promise of forwardAsync or backwardAsync: ' +
      'an async one would be recorded after its first await',
  )
}

function generating(): TypeError {
  return new TypeError(
    'noGrad expects a function that runs at once: the body of a generator runs later, and would be recorded',
  )
}
