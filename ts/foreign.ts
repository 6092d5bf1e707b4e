/** Arguments whose class may be of another realm or library, taken by what they do. */

import { types } from 'node:util'
import { describe, hasMethods } from './check'

/** The entries of a `Map`, also of another realm or implementation (a polyfill, an observable map); null of no map. */
export function entriesOf(value: unknown): ReadonlyMap<unknown, unknown> | null {
  if (types.isMap(value)) return value
  if (!hasMethods(value, ['get', 'has', 'entries'])) return null
  try {
    return new Map(value.entries() as Iterable<[unknown, unknown]>)
  } catch {
    return null // the methods of Map refuse a proxy
  }
}

/** An `AbortSignal`, also of another realm or implementation (jsdom's, a polyfill), or null if there is none. */
export function checkSignal(owner: string, value: unknown): AbortSignal | null {
  if (value === undefined || value === null) return null
  if (!isSignal(value)) {
    throw new TypeError(`${owner}(): argument 'signal' must be AbortSignal, not ${describe(value)}`)
  }
  return value
}

/** What `signal.throwIfAborted()` does, which older implementations lack. */
export function throwIfAborted(signal: AbortSignal | null): void {
  if (!signal?.aborted) return
  const { reason } = signal
  throw reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
}

/** What waits for a signal. */
interface Watch {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const watches = new WeakMap<AbortSignal, Watch>()

/**
 * Calls `callback` when the signal aborts. However many wait, the signal has one listener: Node warns about more than
 * ten.
 *
 * @returns the function that ends it, to be called once.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, listener } = watches.get(signal) ?? watch(signal)
  callbacks.add(callback)
  return () => {
    callbacks.delete(callback)
    if (callbacks.size > 0) return
    signal.removeEventListener('abort', listener)
    watches.delete(signal)
  }
}

function watch(signal: AbortSignal): Watch {
  const callbacks = new Set<() => void>()
  const listener = (): void => {
    for (const callback of callbacks) callback()
  }
  signal.addEventListener('abort', listener)
  const made = { callbacks, listener }
  watches.set(signal, made)
  return made
}

function isSignal(value: unknown): value is AbortSignal {
  try {
    return (
      hasMethods(value, ['addEventListener', 'removeEventListener']) &&
      typeof (value as { aborted?: unknown }).aborted === 'boolean'
    )
  } catch {
    return false // the getters of AbortSignal refuse a proxy
  }
}
