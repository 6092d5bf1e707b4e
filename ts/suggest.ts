/** Suggestions for names that do not exist. */

/**
 * `; did you mean …?` with the name of `allowed` that is nearest to `name`; empty if none is near.
 *
 * Case and underscores do not count, so torch's `num_layers` is near to `numLayers`. Nor does the end of a name, as in
 * `batch` for `batchSize`. Otherwise at most a third of the characters may differ.
 */
export function suggestion(name: string, allowed: readonly string[]): string {
  const wanted = plain(name)
  let nearest = ''
  let least = Math.floor(wanted.length / 3) + 1
  for (const candidate of allowed) {
    const known = plain(candidate)
    const begins = wanted.length > 2 && (known.startsWith(wanted) || wanted.startsWith(known))
    const distance = known === wanted ? 0 : begins ? 1 : edits(wanted, known)
    if (distance < least) [nearest, least] = [candidate, distance]
  }
  return nearest === '' ? '' : `; did you mean \`${nearest}\`?`
}

function plain(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

/** How many characters to insert, remove or replace, or neighbours to exchange, to get from one name to the other. */
function edits(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const exchanged =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : replaced
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, exchanged))
    }
  }
  return at(a.length, b.length)
}
