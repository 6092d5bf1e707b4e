/** Tables, for the terminal and for Markdown. */

export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** whether all columns are words, which begin on the left, and not only the first */
  readonly words?: boolean
  /** what has to be said about it */
  readonly notes?: readonly string[]
}

/** Milliseconds with three digits that count: .0123, 4.56, 789, 1234. */
export function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : threeDigits(value).replace(/^0\./, '.')
}

/** How many times something is something else: 2.31, 45.1, 310. */
export function ratio(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '–' : threeDigits(value)
}

/** Three digits that count, without an exponent; more before the point if there are more. */
function threeDigits(value: number): string {
  const rounded = Number(value.toPrecision(3)) // 9.996 has two digits before the point
  const before = Math.floor(Math.log10(Math.abs(rounded))) + 1
  return value.toFixed(Math.min(20, Math.max(0, 3 - before)))
}

export function percent(value: number | undefined): string {
  return value === undefined ? '–' : `${(100 * value).toFixed(0)} %`
}

/** A table in columns. */
export function asText({ title, head, rows, words = false, notes = [] }: Table): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 || words
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  const rule = '─'.repeat(widths.reduce((sum, width) => sum + width + 2, -2))
  return [title, rule, line(head), rule, ...rows.map(line), rule, ...notes].join('\n')
}

export function asMarkdown({ title, head, rows, words = false, notes = [] }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    `**${title}**`,
    '',
    line(head),
    line(head.map((_, column) => (column === 0 || words ? ':--' : '--:'))),
    ...rows.map(line),
    ...(notes.length > 0 ? ['', ...notes] : []),
  ].join('\n')
}
