/** Ctrl-C in the long-running examples. */

import { afterEach, expect, test, vi } from 'vitest'
import { Interrupt } from '../../examples/lib/interrupt'

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function watched() {
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  const leave = vi.fn()
  vi.useFakeTimers({ toFake: ['performance'] })
  return { exit, leave, interrupt: new Interrupt(leave) }
}

test('the first signal asks, and tells the exit code', () => {
  const { exit, interrupt } = watched()
  expect(interrupt.exitCode).toBeUndefined()
  process.emit('SIGINT', 'SIGINT')
  expect(interrupt.exitCode).toBe(130)
  expect(exit).not.toHaveBeenCalled()
  interrupt.close()
})

test('SIGTERM has its own exit code', () => {
  const { interrupt } = watched()
  process.emit('SIGTERM', 'SIGTERM')
  expect(interrupt.exitCode).toBe(143)
  interrupt.close()
})

test('the echo of a signal that npm passes on is not a second one', () => {
  const { exit, interrupt } = watched()
  process.emit('SIGINT', 'SIGINT')
  vi.advanceTimersByTime(100)
  process.emit('SIGINT', 'SIGINT')
  expect(exit).not.toHaveBeenCalled()
  interrupt.close()
})

test('a second signal puts the terminal right and leaves at once', () => {
  const { exit, leave, interrupt } = watched()
  process.emit('SIGINT', 'SIGINT')
  vi.advanceTimersByTime(1000)
  process.emit('SIGINT', 'SIGINT')
  expect(leave).toHaveBeenCalledOnce()
  expect(exit).toHaveBeenCalledExactlyOnceWith(130)
  interrupt.close()
})

test('once closed, signals do what they did before', () => {
  const before = process.listenerCount('SIGINT')
  const { interrupt } = watched()
  expect(process.listenerCount('SIGINT')).toBe(before + 1)
  interrupt.close()
  expect(process.listenerCount('SIGINT')).toBe(before)
})
