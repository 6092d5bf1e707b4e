/** The pieces that SVG pictures are made of, those of the examples and of the benchmark. */

// Dark enough on white, and told apart by people who do not see red and green.
export const colours = ['#4477aa', '#cc3311', '#228833', '#aa3377', '#997700']
export const ink = '#222222'
export const faint = '#666666'

/** A picture on white, as the text of an SVG file. */
export function document(
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

/** Words that begin at (x, y), or stand where `attributes` say. */
export function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escaped(content)}</text>`
}

/** A coordinate, to a tenth of a pixel. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
