/** Numbers as a person reads them. */

/** 1234567 → "1,234,567". */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Seconds → "0:07", "12:30" or "1:02:03". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(whole / 60)
  const rest = two(whole % 60)
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`
}

/** 0.867 → "86.7 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** Rows of cells as lines of text, each column as wide as its widest cell; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - [...cell].length))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}
