/** The grid as a picture: how many times as long as ours each peer takes, for every shape. */

import { scaleLog } from 'd3-scale'
import { at, document, faint, text } from '../../examples/lib/svg'
import { type ContenderName, contenderNames, isOurs, titles } from '../contenders/contender'
import { cellFacts, shapeName, type Task } from '../lib/shape'
import { type Comparison, compareAll } from './comparison'
import type { Results } from './results'
import { colours, dot, legend, path, rule } from './svg'

const labelWidth = 158
const panelWidth = 400
const gap = 30
const rowHeight = 27
const top = 104
const panelTop = 34
const panelBottom = 56

const names: Record<Task, string> = { step: 'Training step', forward: 'Forward pass' }

/** The picture; one panel for each task and number of threads. */
export function gridChart(results: Results): string | undefined {
  const { grid, machine, cell } = results
  const threads = [...new Set(grid.map((one) => one.threads))]
  const panels = (['step', 'forward'] as const)
    .map((task) => threads.map((count) => ({ task, count, rows: compareAll(grid, task, count) })))
    .filter((line) => line.some(({ rows }) => rows.length > 0))
  const peers = contenderNames.filter(
    (name) => !isOurs(name) && grid.some(({ contender }) => contender === name),
  )
  const ratios = panels.flat().flatMap(({ rows }) => rows.flatMap((row) => peerRatios(row)))
  if (ratios.length === 0) return undefined

  const width = labelWidth + threads.length * (panelWidth + gap)
  const heights = panels.map(
    (line) => panelTop + Math.max(...line.map(({ rows }) => rows.length)) * rowHeight + panelBottom,
  )
  const height = top + heights.reduce((a, b) => a + b)
  const domain: [number, number] = [
    Math.min(0.7, ...ratios.map(([, value]) => value / 1.2)),
    Math.max(2, ...ratios.map(([, value]) => value * 1.3)),
  ]
  const kind = cell === 'rnn' ? '' : `${cellFacts[cell].title}: `
  const title = `${kind}How many times as long as @elman/rnn the others take`
  return document(width, height, title, [
    text(24, 32, title, 'font-size="18" font-weight="600"'),
    text(
      24,
      54,
      `${machine.processor}; left of the dark line a peer is the faster one`,
      `fill="${faint}"`,
    ),
    ...legend(
      24,
      80,
      peers.map((name) => ({ name: titles[name], colour: colours[name] })),
    ),
    ...panels.flatMap((line, index) => {
      const y = top + heights.slice(0, index).reduce((a, b) => a + b, 0)
      return line.flatMap(({ task, count, rows }, column) => {
        const x = labelWidth + column * (panelWidth + gap)
        const title = `${names[task]}, ${count} ${count === 1 ? 'thread' : 'threads'}`
        return [
          ...(column === 0 ? rowLabels(rows, y + panelTop) : []),
          ...panel(title, rows, domain, x, y + panelTop),
        ]
      })
    }),
  ])
}

function peerRatios({ times }: Comparison): [ContenderName, number][] {
  const ours = times.get('ours')
  if (ours === undefined) return []
  return [...times].flatMap(([name, time]): [ContenderName, number][] =>
    isOurs(name) ? [] : [[name, time / ours]],
  )
}

/** The sizes of each row, and above them what they are. */
function rowLabels(rows: readonly Comparison[], y: number): string[] {
  const attributes = `text-anchor="end" font-size="12" fill="${faint}"`
  return [
    text(labelWidth - 12, y - 12, 'T, B, I, H, L, D', attributes),
    ...rows.map(({ shape }, index) =>
      text(
        labelWidth - 12,
        y + (index + 0.5) * rowHeight + 4.5,
        shapeName(shape).slice(1, -1),
        attributes,
      ),
    ),
  ]
}

function panel(
  title: string,
  rows: readonly Comparison[],
  domain: [number, number],
  left: number,
  top: number,
): string[] {
  const bottom = top + rows.length * rowHeight
  const x = scaleLog()
    .domain(domain)
    .range([left, left + panelWidth])
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter(
    (tick) => tick >= domain[0] && tick <= domain[1],
  )
  return [
    text(left, top - 12, title, 'font-weight="600"'),
    // Left of the line a peer is the faster one.
    `<rect x="${at(left)}" y="${at(top)}" width="${at(x(1) - left)}" height="${at(bottom - top)}" fill="#f6eeee"/>`,
    ...ticks.flatMap((tick) => [
      path(
        `M${at(x(tick))} ${at(top)}V${at(bottom + 5)}`,
        `stroke="${tick === 1 ? faint : rule}" stroke-width="${tick === 1 ? 1.5 : 1}"`,
      ),
      text(x(tick), bottom + 20, `${tick}`, `text-anchor="middle" font-size="12" fill="${faint}"`),
    ]),
    ...rows.flatMap((row, index) => {
      const y = top + (index + 0.5) * rowHeight
      const ratios = peerRatios(row)
      const ends = [1, ...ratios.map(([, value]) => value)].map((value) => x(value))
      return [
        path(
          `M${at(Math.min(...ends))} ${at(y)}H${at(Math.max(...ends))}`,
          'stroke="#c8c8c8" stroke-width="1.5"',
        ),
        ...ratios.map(([name, value]) => dot(x(value), y, colours[name], 5)),
      ]
    }),
    text(
      left + panelWidth,
      bottom + 38,
      'times as long →',
      `text-anchor="end" font-size="12" fill="${faint}"`,
    ),
  ]
}
