/** Modules as text, in torch's layout. */

import { Tensor } from '../tensor/tensor'
import { Group } from './members'

/** `Name(extra)`, with one line for each child if there are any. */
export function formatModule(
  name: string,
  extra: string,
  children: readonly (readonly [name: string, text: string])[],
): string {
  if (children.length === 0) return `${name}(${extra})`
  const lines = [
    ...(extra === '' ? [] : [extra]),
    ...children.map(([child, text]) => `(${child}): ${text.replaceAll('\n', '\n  ')}`),
  ]
  return `${name}(\n${lines.map((line) => `  ${line}`).join('\n')}\n)`
}

/** A `ModuleList` or `ModuleDict`; consecutive equal modules of a list are shown once, as `(0-2): 3 x Linear(…)`. */
export function formatModules(
  kind: 'List' | 'Dict',
  items: readonly (readonly [name: string, text: string])[],
): string {
  if (kind === 'Dict') return formatModule('ModuleDict', '', items)
  const runs: { first: number; last: number; text: string }[] = []
  for (const [name, text] of items) {
    const place = Number(name)
    const run = runs.at(-1)
    if (run?.text === text && run.last === place - 1) run.last = place
    else runs.push({ first: place, last: place, text })
  }
  return formatModule(
    'ModuleList',
    '',
    runs.map(({ first, last, text }) =>
      first === last
        ? [String(first), text]
        : [`${first}-${last}`, `${last - first + 1} x ${text}`],
    ),
  )
}

/** A `ParameterList` or `ParameterDict`, which may hold others. */
export function formatParameters<M>(kind: 'List' | 'Dict', entries: Group<M>['entries']): string {
  const lines = entries.flatMap(([name, member]) => {
    if (member instanceof Group)
      return [`  (${name}): ${formatParameters(member.kind, member.entries)}`]
    if (!(member instanceof Tensor)) return []
    const size = member.shape.join('x')
    return [`  (${name}): Parameter containing: [torch.${member.dtype} of size ${size}]`]
  })
  const text = lines.join('\n').replaceAll('\n', '\n  ')
  return `Parameter${kind}(${lines.length > 1 ? `\n  ${text}\n` : text})`
}
