/** How the cost grows when one size alone does, as a picture: time over size, both on logarithmic axes. */

import { scaleLog } from 'd3-scale'
import { line } from 'd3-shape'
import { at, document, faint, text } from '../../examples/lib/svg'
import { contenderNames, titles } from '../contenders/contender'
import type { Task } from '../lib/shape'
import type { GrowthPoint, Results } from './results'
import { colours, dot, legend, path, rule } from './svg'

const panelWidth = 300
const panelHeight = 250
const left = 86
const top = 120
const gapX = 44
const gapY = 84

const axes = ['T', 'B', 'H'] as const
const axisNames = { T: 'time steps T', B: 'sequences B', H: 'hidden features H' }
const names: Record<Task, string> = { step: 'Training step', forward: 'Forward pass' }

/** The picture; a row of panels for each task. */
export function growthChart({ growth, machine }: Results): string | undefined {
  const [first] = growth
  if (!first) return undefined
  const tasks = (['step', 'forward'] as const).filter((task) =>
    growth.some((point) => point.task === task),
  )
  const width = left + axes.length * (panelWidth + gapX)
  const height = top + tasks.length * (panelHeight + gapY)
  const peers = contenderNames.filter((name) => growth.some((point) => point.contender === name))
  const { threads } = first
  const title = 'What a size costs that grows alone'
  return document(width, height, title, [
    text(24, 32, title, 'font-size="18" font-weight="600"'),
    text(
      24,
      54,
      `${machine.processor}; ${threads} ${threads === 1 ? 'thread' : 'threads'}; the others stay at ${baseOf(growth)}`,
      `fill="${faint}"`,
    ),
    ...legend(
      24,
      80,
      peers.map((name) => ({ name: titles[name], colour: colours[name] })),
    ),
    ...tasks.flatMap((task, row) => {
      const points = growth.filter((point) => point.task === task)
      const times = points.map(({ timing }) => timing.median)
      const domain: [number, number] = [Math.min(...times) / 1.3, Math.max(...times) * 1.3]
      return axes.flatMap((axis, column) =>
        panel(
          points.filter((point) => point.axis === axis),
          axis,
          domain,
          left + column * (panelWidth + gapX),
          top + row * (panelHeight + gapY),
          column === 0 ? `${names[task]}, milliseconds` : undefined,
        ),
      )
    }),
  ])
}

/** The sizes that do not grow, read off panels where others do. */
function baseOf(growth: readonly GrowthPoint[]): string {
  const size = (axis: 'T' | 'B' | 'H' | 'I') =>
    growth.find((point) => point.axis !== axis)?.shape[axis]
  return `T ${size('T')}, B ${size('B')}, H ${size('H')}, I ${size('I')}`
}

function panel(
  points: readonly GrowthPoint[],
  axis: 'T' | 'B' | 'H',
  domain: [number, number],
  left: number,
  top: number,
  yLabel: string | undefined,
): string[] {
  const bottom = top + panelHeight
  const right = left + panelWidth
  const x = scaleLog([16, 4096], [left, right])
  const y = scaleLog(domain, [bottom, top])
  const powers = Array.from({ length: 12 }, (_, index) => 10 ** (index - 5)).filter(
    (value) => value >= domain[0] && value <= domain[1],
  )
  const lines = contenderNames.flatMap((name) => {
    const own = points.filter(({ contender }) => contender === name)
    const d = line<GrowthPoint>()
      .digits(1)
      .x(({ size }) => x(size))
      .y(({ timing }) => y(timing.median))(own)
    const width = name === 'ours' ? 3 : 1.8
    return [
      path(d ?? '', `fill="none" stroke="${colours[name]}" stroke-width="${width}"`),
      ...own.map(({ size, timing }) => dot(x(size), y(timing.median), colours[name], 3.2)),
    ]
  })
  return [
    // The panels of a row share their axis; the first one says what it is.
    yLabel === undefined ? '' : text(left, top - 12, yLabel, 'font-weight="600"'),
    ...powers.flatMap((value) => [
      path(`M${at(left)} ${at(y(value))}H${at(right)}`, `stroke="${rule}"`),
      yLabel === undefined
        ? ''
        : text(
            left - 8,
            y(value) + 4.5,
            String(value),
            `text-anchor="end" font-size="12" fill="${faint}"`,
          ),
    ]),
    ...[16, 64, 256, 1024, 4096].flatMap((value) => [
      path(`M${at(x(value))} ${at(top)}V${at(bottom + 5)}`, `stroke="${rule}"`),
      text(
        x(value),
        bottom + 20,
        String(value),
        `text-anchor="middle" font-size="12" fill="${faint}"`,
      ),
    ]),
    path(`M${at(left)} ${at(bottom)}H${at(right)}`, 'stroke="#999999"'),
    text((left + right) / 2, bottom + 42, axisNames[axis], 'text-anchor="middle"'),
    ...lines,
  ]
}
