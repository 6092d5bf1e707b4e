/** The chart that the examples draw. */

import { expect, test } from 'vitest'
import { lineChart } from '../../examples/lib/line-chart'

const labels = { title: 'A title', xLabel: 'days', yLabel: 'degrees' }

/** The path of the only line of a chart. */
function path(points: [number, number][], yMost?: number): string | undefined {
  const svg = lineChart({
    ...labels,
    series: [{ name: 'one', points }],
    ...(yMost === undefined ? {} : { yMost }),
  })
  return svg.match(/<path d="([^"]*)" fill="none"/)?.[1]
}

test('a line goes through its points, with larger values higher up', () => {
  expect(
    path([
      [0, 0],
      [5, 10],
      [10, 5],
    ]),
  ).toBe('M72,424L450,84L828,254')
})

test('a value that is not finite breaks the line', () => {
  const broken = path([
    [0, 0],
    [1, 10],
    [2, Number.NaN],
    [3, 10],
    [4, Number.POSITIVE_INFINITY],
    [5, 0],
    [10, 5],
  ])
  expect(broken?.match(/M/g)).toHaveLength(3)
  expect(broken).not.toMatch(/NaN|Infinity/)
})

test('the y axis ends where it was told to', () => {
  expect(
    path(
      [
        [0, 1000],
        [5, 10],
        [10, 0],
      ],
      10,
    ),
  ).toMatch(/^M72,-\d+L450,84L828,424$/)
})

test('one point, or none, makes a chart too', () => {
  for (const points of [[], [[3, 4]]] as [number, number][][]) {
    const svg = lineChart({ ...labels, series: [{ name: 'one', points, dots: true }] })
    expect(svg).toContain('A title')
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  }
})

test('names are shown as they are, whatever they hold', () => {
  const svg = lineChart({ ...labels, title: '<b> & "c"', series: [] })
  expect(svg).toContain('&#60;b&#62; &#38; &#34;c&#34;')
  expect(svg).not.toContain('<b>')
})

test('baselines are dashed, and dots carry their values', () => {
  const points: [number, number][] = [
    [0, 1.25],
    [1, 2.5],
  ]
  const svg = lineChart({
    ...labels,
    series: [
      { name: 'baseline', points, dashed: true },
      { name: 'ours', points, dots: true },
    ],
  })
  // the line and its entry in the legend
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(2)
  expect(svg).toContain('>1.25</text>')
  expect(svg).toContain('>2.50</text>')
})

test('with yLog, powers of ten are at equal distances, and what is not positive breaks the line', () => {
  const points: [number, number][] = [
    [0, 1e-4],
    [1, 1],
    [2, 1e4],
    [3, 0],
    [4, -1],
    [5, 1],
  ]
  const svg = lineChart({ ...labels, yLog: true, series: [{ name: 'one', points }] })
  expect(svg.match(/<path d="([^"]*)" fill="none"/)?.[1]).toBe(
    'M72,424L223.2,254L374.4,84M828,254Z',
  )
  for (const label of ['10⁻⁴', '10⁰', '10⁴']) expect(svg).toContain(`>${label}</text>`)
  expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  for (const few of [[], [[3, 4]], [[3, 0]]] as [number, number][][]) {
    const small = lineChart({ ...labels, yLog: true, series: [{ name: 'one', points: few }] })
    expect(small).not.toMatch(/NaN|Infinity|undefined/)
  }
})
