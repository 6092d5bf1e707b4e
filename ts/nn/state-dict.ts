/** Loads of a state dict: everything is checked before anything is copied. */

import type { Variable } from '../autograd/variable'
import { describe, formatShape, sameShape } from '../check'
import { entriesOf } from '../foreign'
import { variableOf } from '../tensor/tensor'
import { identify } from './recurrent/identify'

/** The names that only the module or only the map has. */
export interface IncompatibleKeys {
  /** Parameters of the module that the map did not hold. */
  missingKeys: string[]
  /** Names in the map that the module does not have. */
  unexpectedKeys: string[]
}

/** A load that has been checked; `commit` cannot fail. */
export interface LoadPlan {
  keys: IncompatibleKeys
  commit(): void
}

/**
 * Checks a load of `source` into `targets`.
 *
 * @param owner the module's class name, for messages.
 * @param strict whether a name that only one side has is an error.
 * @throws TypeError if `source` is not a map; RangeError that lists everything that does not fit.
 */
export function planLoad(
  owner: string,
  targets: ReadonlyMap<string, Variable>,
  source: unknown,
  strict: boolean,
): LoadPlan {
  const entries = entriesOf(source)
  if (entries === null) {
    throw new TypeError(`Expected state_dict to be a Map, got ${describe(source)}.`)
  }
  const names = [...entries.keys()]
  const keys = {
    missingKeys: [...targets.keys()].filter((name) => !entries.has(name)),
    unexpectedKeys: names.filter((name) => !targets.has(name as string)).map(String),
  }
  const problems: string[] = []
  if (strict) {
    const quoted = (list: string[]): string => list.map((name) => `"${name}"`).join(', ')
    if (keys.missingKeys.length > 0) {
      problems.push(`Missing key(s) in state_dict: ${quoted(keys.missingKeys)}.`)
    }
    if (keys.unexpectedKeys.length > 0) {
      problems.push(`Unexpected key(s) in state_dict: ${quoted(keys.unexpectedKeys)}.`)
    }
  }
  const copies: (() => void)[] = []
  for (const [name, target] of targets) {
    if (!entries.has(name)) continue
    const given = entries.get(name)
    const variable = variableOf(given)
    if (variable === null) {
      problems.push(
        `While copying the parameter named "${name}", expected Tensor from checkpoint but received ${describe(given)}.`,
      )
    } else if (!sameShape(variable.shape, target.shape)) {
      problems.push(
        `size mismatch for ${name}: copying a param with shape ${formatShape(variable.shape)} from checkpoint, the shape in current model is ${formatShape(target.shape)}.`,
      )
    } else {
      const values = variable.values()
      target.values()
      copies.push(() => target.mutate((data) => data.set(values)))
    }
  }
  if (problems.length > 0) {
    problems.unshift(...otherModules(entries, targets))
    throw new RangeError(
      `Error(s) in loading state_dict for ${owner}:\n${problems.map((text) => `\t${text}`).join('\n')}`,
    )
  }
  return { keys, commit: () => copies.forEach((copy) => void copy()) }
}

/** The recurrent modules whose weights in `source` are those of another one: what many wrong sizes come from. */
function otherModules(
  source: ReadonlyMap<unknown, unknown>,
  targets: ReadonlyMap<string, Variable>,
): string[] {
  const shapes = new Map<string, readonly number[]>()
  for (const [name, value] of source) {
    const variable = variableOf(value)
    if (variable !== null) shapes.set(String(name), variable.shape)
  }
  const given = identify(shapes)
  const expected = identify(new Map([...targets].map(([name, { shape }]) => [name, shape])))
  return [...expected].flatMap(([prefix, own]) => {
    const other = given.get(prefix)
    if (other === undefined || other === own) return []
    const where = prefix === '' ? '' : ` for "${prefix.slice(0, -1)}"`
    return [`The weights in state_dict${where} are those of ${other}, expected those of ${own}.`]
  })
}
