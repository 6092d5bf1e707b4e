/** What `console.log` shows of an object. */

import { inspect } from 'node:util'

/** Makes `console.log` show what `toString` of the class gives. */
export function showAsText(prototype: { toString(): string }): void {
  Object.defineProperty(prototype, inspect.custom, {
    value(this: { toString(): string }): string {
      return this.toString()
    },
  })
}
