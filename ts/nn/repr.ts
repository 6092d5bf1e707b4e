/** Modules as text, in torch's layout. */

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

/** An array of modules; consecutive equal ones are shown once, as `(0-2): 3 x Linear(…)`. */
export function formatModuleList(items: readonly string[]): string {
  const runs: { first: number; last: number; text: string }[] = []
  items.forEach((text, place) => {
    const run = runs.at(-1)
    if (run?.text === text) run.last = place
    else runs.push({ first: place, last: place, text })
  })
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
