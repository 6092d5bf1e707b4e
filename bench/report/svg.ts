/** What both charts are drawn with, in addition to the parts of the examples' pictures. */

import { at, text } from '../../examples/lib/svg'
import type { ContenderName } from '../contenders/contender'

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

export function path(d: string, attributes: string): string {
  return `<path d="${d}" ${attributes}/>`
}

export function dot(x: number, y: number, fill: string, radius = 4.5): string {
  return `<circle cx="${at(x)}" cy="${at(y)}" r="${radius}" fill="${fill}" stroke="#ffffff" stroke-width="1.2"/>`
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
