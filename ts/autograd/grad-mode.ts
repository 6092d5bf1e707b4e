/** Whether operations are recorded at the moment. */

import { types } from 'node:util'
import { checkFunction } from '../check'

let enabled = true

/** Whether operations are recorded at the moment. */
export function isRecording(): boolean {
  return enabled
}

/**
 * Runs `fn` without recording: the results need no gradient and keep nothing alive.
 *
 * The function runs to its end before anything else can, so what other code does in between is recorded as always.
 * That is why it has to be synchronous: an `async` function would go on after its first `await` with recording
 * switched on again, so one is refused. The former mode comes back when `fn` returns or throws; calls may be nested.
 *
 * @param fn a synchronous function.
 * @returns what `fn` returns.
 * @throws TypeError if `fn` is not a function, or returns a promise.
 *
 * @example
 * ```ts
 * import { noGrad, tensor } from '@elman/rnn'
 *
 * const w = tensor([1, 2], { requiresGrad: true })
 * const y = noGrad(() => w.mul(2))
 * console.log(y.requiresGrad) // false
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
 */
export function noGrad<T>(fn: () => T extends PromiseLike<unknown> ? never : T): T {
  checkFunction('fn', fn)
  if (types.isAsyncFunction(fn)) throw new TypeError(asynchronous)
  const before = enabled
  enabled = false
  let result: T
  try {
    result = fn()
  } finally {
    enabled = before
  }
  if (types.isPromise(result)) throw new TypeError(asynchronous)
  return result
}

const asynchronous =
  'noGrad expects a synchronous function: what an async one does after its first await would be recorded'
