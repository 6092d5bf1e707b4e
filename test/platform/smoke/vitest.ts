/**
 * What the tests of the smoke part import as 'vitest', where Vitest itself cannot run: the same runner, assertions and
 * spies, which are packages of their own in plain JavaScript, without the server, the workers and the bundler.
 */

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  type ExpectStatic,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect'
import { restoreAllMocks, spyOn } from '@vitest/spy'

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from '@vitest/runner'

chai.use(JestExtend)
chai.use(JestChaiExpect)
chai.use(JestAsymmetricMatchers)

function makeExpect(): ExpectStatic {
  const check = (value: unknown, message?: string) => chai.expect(value, message)
  const expect = Object.assign(
    check,
    chai.expect,
    Reflect.get(globalThis, ASYMMETRIC_MATCHERS_OBJECT),
    { getState: () => getState(expect), setState: (state: object) => setState(state, expect) },
  ) as unknown as ExpectStatic
  setState({ assertionCalls: 0 }, expect)
  // JestExtend has put it there; its types do not say so.
  const { extend } = chai.expect as typeof chai.expect & { extend: ExpectStatic['extend'] }
  Reflect.apply(extend, chai.expect, [expect, customMatchers])
  return expect
}

export const expect = makeExpect()
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, configurable: true })

export const vi = { spyOn, restoreAllMocks }
