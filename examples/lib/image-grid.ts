/** Small grey pictures side by side, with a caption under each. */

import { at, colours, document, faint, ink, text } from './svg'

export interface Captioned {
  /** square, from the top left corner on; 0 is white, 1 black */
  image: readonly number[]
  caption: string
  /** written in red */
  wrong?: boolean
}

const perRow = 8
const cell = { width: 100, height: 122 }
const side = 84
const [left, top] = [24, 76]

/** The pictures in rows of eight. */
export function imageGrid(title: string, subtitle: string, images: readonly Captioned[]): string {
  const height = top + Math.ceil(images.length / perRow) * cell.height
  return document(2 * left + perRow * cell.width, height, title, [
    text(left, 32, title, 'font-size="18" font-weight="600"'),
    text(left, 54, subtitle, `fill="${faint}"`),
    ...images.flatMap(({ image, caption, wrong }, index) => {
      const x = left + (index % perRow) * cell.width
      const y = top + Math.floor(index / perRow) * cell.height
      const colour = wrong ? colours[1] : ink
      return [
        `<rect x="${x}" y="${y}" width="${side}" height="${side}" fill="#f4f4f4"/>`,
        ...pixels(image, x, y),
        text(
          x + side / 2,
          y + side + 19,
          caption,
          `text-anchor="middle" font-size="14" fill="${colour}"`,
        ),
      ]
    }),
  ])
}

/** One path a shade of grey, of the squares that have it. */
function pixels(image: readonly number[], x: number, y: number): string[] {
  const width = Math.round(Math.sqrt(image.length))
  const size = side / width
  return [1, 2, 3, 4].map((shade) => {
    const squares = image.flatMap((value, place) =>
      Math.round(value * 4) === shade
        ? [
            `M${at(x + (place % width) * size)} ${at(y + Math.floor(place / width) * size)}h${at(size)}v${at(size)}h-${at(size)}z`,
          ]
        : [],
    )
    return `<path d="${squares.join('')}" fill="${ink}" fill-opacity="${shade / 4}"/>`
  })
}
