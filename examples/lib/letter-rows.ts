/** Words letter by letter, each letter on the colour of a probability: blue at 0, white at 1/2, red at 1. */

import { colours, document, faint, ink, text } from './svg'

export interface LetterRow {
  word: string
  /** one for each letter, from 0 to 1 */
  probabilities: readonly number[]
}

const cell = { width: 52, height: 34 }
const [left, top, rowHeight] = [24, 74, 66]

/** The words, one below the other, with the probability in percent under each letter. */
export function letterRows(title: string, subtitle: string, rows: readonly LetterRow[]): string {
  const longest = Math.max(...rows.map(({ word }) => word.length))
  const width = Math.max(2 * left + longest * cell.width, 560)
  return document(width, top + rows.length * rowHeight, title, [
    text(left, 32, title, 'font-size="18" font-weight="600"'),
    text(left, 54, subtitle, `fill="${faint}"`),
    ...rows.flatMap(({ word, probabilities }, row) =>
      [...word].flatMap((letter, place) => {
        const [x, y] = [left + place * cell.width, top + row * rowHeight]
        const probability = probabilities[place] ?? 0.5
        const strength = Math.abs(2 * probability - 1)
        const colour = strength > 0.6 ? '#ffffff' : ink
        const middle = x + cell.width / 2
        return [
          `<rect x="${x}" y="${y}" width="${cell.width}" height="${cell.height}" stroke="#cccccc" ` +
            `fill="${probability < 0.5 ? colours[0] : colours[1]}" fill-opacity="${strength.toFixed(2)}"/>`,
          text(middle, y + 23, letter, `text-anchor="middle" font-size="17" fill="${colour}"`),
          text(
            middle,
            y + cell.height + 14,
            `${Math.round(100 * probability)} %`,
            `text-anchor="middle" font-size="11" fill="${faint}"`,
          ),
        ]
      }),
    ),
  ])
}
