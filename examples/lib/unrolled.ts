/** A recurrent network drawn step by step, with the numbers that flow through it. */

import { at, colours, document, faint, ink, text } from './svg'

/** One step: input, hidden state and output, as they are to be written. */
export interface Step {
  x: string
  h: string
  y: string
}

/** One pass through the network. */
export interface Pass {
  title: string
  steps: readonly Step[]
}

const box = { width: 92, height: 30 }
const [columnWidth, rowHeight, top, left] = [170, 230, 84, 64]
const [xColour = ink, yColour = ink, hColour = ink] = colours

/** The passes, one below the other. */
export function unrolled(title: string, subtitle: string, passes: readonly Pass[]): string {
  const steps = Math.max(...passes.map((pass) => pass.steps.length))
  return document(left + steps * columnWidth + 20, top + passes.length * rowHeight, title, [
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
    `<path d="M0 0L8 4L0 8z" fill="${faint}"/></marker></defs>`,
    text(24, 32, title, 'font-size="18" font-weight="600"'),
    text(24, 54, subtitle, `fill="${faint}"`),
    ...passes.flatMap((pass, index) => drawn(pass, top + index * rowHeight)),
  ])
}

/** Inputs at the bottom, hidden states in the middle, outputs above, time from left to right. */
function drawn({ title, steps }: Pass, y: number): string[] {
  const [outputs, states, inputs] = [y + 44, y + 108, y + 172]
  return [
    text(24, y + 14, title, 'font-weight="600"'),
    ...[
      ['y', outputs, yColour] as const,
      ['h', states, hColour] as const,
      ['x', inputs, xColour] as const,
    ].map(([name, middle, fill]) =>
      text(32, middle + 5, name, `font-style="italic" font-size="16" fill="${fill}"`),
    ),
    ...steps.flatMap(({ x, h, y: output }, index) => {
      const middle = left + (index + 0.5) * columnWidth
      const from = index === 0 ? middle - box.width / 2 - 30 : middle - columnWidth + box.width / 2
      return [
        value(middle, outputs, output, yColour),
        value(middle, states, h, hColour),
        value(middle, inputs, x, xColour),
        arrow(middle, inputs - box.height / 2, middle, states + box.height / 2),
        arrow(middle, states - box.height / 2, middle, outputs + box.height / 2),
        arrow(from, states, middle - box.width / 2, states),
      ]
    }),
  ]
}

function value(x: number, y: number, content: string, colour: string): string {
  return [
    `<rect x="${at(x - box.width / 2)}" y="${at(y - box.height / 2)}" width="${box.width}" height="${box.height}" rx="6" fill="#ffffff" stroke="${colour}" stroke-width="1.5"/>`,
    text(x, y + 5, content, 'text-anchor="middle"'),
  ].join('\n')
}

function arrow(x1: number, y1: number, x2: number, y2: number): string {
  return `<path d="M${at(x1)} ${at(y1)}L${at(x2)} ${at(y2)}" stroke="${faint}" stroke-width="1.5" marker-end="url(#tip)"/>`
}
