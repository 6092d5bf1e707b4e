/** Matrices as squares of colour: blue below zero, red above, white at zero. */

import { colours, document, faint, text } from './svg'

/** Matrices side by side: a column each, which holds one matrix or several by name. */
export interface Section {
  title: string
  columns: readonly (readonly [string, Readonly<Record<string, readonly (readonly number[])[]>>])[]
}

const side = 18
const [left, top, columnWidth, gap] = [64, 62, 104, 14]

/** Sections one below the other, each on a colour scale of its own. */
export function matrixGrid(title: string, sections: readonly Section[]): string {
  let y = top
  const content = sections.flatMap((section) => {
    const { drawn, height } = sectionAt(section, y)
    y += height
    return drawn
  })
  const columns = Math.max(...sections.map((section) => section.columns.length))
  return document(left + columns * columnWidth + 10, y, title, [
    text(24, 32, title, 'font-size="18" font-weight="600"'),
    ...content,
  ])
}

function sectionAt({ title, columns }: Section, from: number) {
  const most = Math.max(
    ...columns.flatMap(([, matrices]) => Object.values(matrices).flat(2).map(Math.abs)),
  )
  const drawn = [text(24, from + 14, title, 'font-weight="600"')]
  columns.forEach(([head], index) => {
    drawn.push(text(left + index * columnWidth, from + 42, head, `fill="${faint}"`))
  })
  let y = from + 54
  for (const name of Object.keys(columns[0]?.[1] ?? {})) {
    const rows = columns[0]?.[1][name]?.length ?? 0
    drawn.push(text(32, y + (rows * side) / 2 + 5, name, 'font-style="italic" font-size="16"'))
    columns.forEach(([, matrices], index) => {
      drawn.push(...squares(matrices[name] ?? [], left + index * columnWidth, y, most))
    })
    y += rows * side + gap
  }
  return { drawn, height: y + 16 - from }
}

function squares(matrix: readonly (readonly number[])[], x: number, y: number, most: number) {
  return matrix.flatMap((row, i) =>
    row.map((value, j) => {
      const opacity = most === 0 ? 0 : Math.abs(value) / most
      return (
        `<rect x="${x + j * side}" y="${y + i * side}" width="${side}" height="${side}" stroke="#cccccc" ` +
        `fill="${value < 0 ? colours[0] : colours[1]}" fill-opacity="${opacity.toFixed(2)}"/>`
      )
    }),
  )
}
