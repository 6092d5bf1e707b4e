/** Whether operations are recorded at the moment. */

import { types } from 'node:util'
import { checkFunction, refuseExtra } from '../check'

let enabled = true

/** Whether operations are recorded at the moment. */
export function isRecording(): boolean {
  return enabled
}

/**
 * Runs `fn` without recording: the results need no gradient and keep no graph in memory.
 *
 * The function must be synchronous: an `async` one would continue after its first `await` with recording switched on
 * again, so it is refused. The former mode is restored when `fn` returns or throws. Calls may be nested.
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
  if (arguments.length > 1) refuseExtra('noGrad', 1, arguments)
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
  'noGrad expects a synchronous function: an async one would be recorded after its first await'
