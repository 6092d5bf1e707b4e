/** What both charts are drawn with. */

import type { ContenderName } from '../contenders/contender'

export const ink = '#222222'
export const faint = '#666666'
export const rule = '#e4e4e4'

/** Dark enough on white, and told apart by people who do not see red and green. */
export const colours: Record<ContenderName, string> = {
  ours: '#4477aa',
  tape: '#77aadd',
  torch: '#cc3311',
  jax: '#228833',
  ort: '#aa3377',
  tfjs: '#997700',
}

/** A whole picture. */
export function picture(
  width: number,
  height: number,
  title: string,
  content: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`,
    `  font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="13" fill="${ink}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...content,
    '</svg>\n',
  ].join('\n')
}

export function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escaped(content)}</text>`
}

export function path(d: string, attributes: string): string {
  return `<path d="${d}" ${attributes}/>`
}

export function dot(x: number, y: number, fill: string, radius = 4.5): string {
  return `<circle cx="${at(x)}" cy="${at(y)}" r="${radius}" fill="${fill}" stroke="#ffffff" stroke-width="1.2"/>`
}

/** A coordinate, to a tenth of a pixel. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** Colours and names from left to right. */
export function legend(
  x: number,
  y: number,
  entries: readonly { readonly name: string; readonly colour: string }[],
): string[] {
  let left = x
  return entries.flatMap(({ name, colour }) => {
    const start = left
    left += 42 + name.length * 7
    return [dot(start + 5, y - 4.5, colour), text(start + 16, y, name)]
  })
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
