/** A line chart as an SVG picture, for the learning curves and forecasts of the examples. */

import { type ScaleLinear, type ScaleLogarithmic, scaleLinear, scaleLog } from 'd3-scale'
import { line } from 'd3-shape'
import { at, colours, document, faint, ink, text } from './svg'

/** One line of the chart. */
export interface Series {
  /** its name in the legend */
  name: string
  /** [x, y] from left to right; a point that is not finite breaks the line */
  points: readonly (readonly [number, number])[]
  /** draw a dot at each point, with its value above */
  dots?: boolean
  /** draw the line broken: for a baseline */
  dashed?: boolean
  /** instead of the next colour of the row, and of 2 pixels */
  colour?: string
  width?: number
}

export interface LineChart {
  title: string
  subtitle?: string
  xLabel: string
  yLabel: string
  series: readonly Series[]
  /** the y axis ends here, and lines that go beyond are cut off */
  yMost?: number
  /** powers of ten at equal distances; values that are not positive break the line */
  yLog?: boolean
}

const width = 860
const height = 480
const margin = { top: 84, right: 32, bottom: 56, left: 72 }

/** The picture, as the text of an SVG file. */
export function lineChart(given: LineChart): string {
  const chart = given.yLog ? withoutLogarithmOfZero(given) : given
  const yMost = chart.yMost ?? Number.POSITIVE_INFINITY
  const points = chart.series.flatMap((series) => series.points.filter(isFinitePoint))
  const x = exactAxis(
    points.map(([value]) => value),
    [margin.left, width - margin.right],
  )
  const y = (chart.yLog ? powersAxis : roundAxis)(
    points.map(([, value]) => Math.min(value, yMost)),
    [height - margin.bottom, margin.top],
  )
  return document(width, height, chart.title, [
    text(margin.left, 30, chart.title, 'font-size="18" font-weight="600"'),
    chart.subtitle === undefined ? '' : text(margin.left, 51, chart.subtitle, `fill="${faint}"`),
    ...frame(chart, x, y),
    `<clipPath id="plot"><rect x="${margin.left}" y="${margin.top - 4}" width="${width - margin.left - margin.right + 8}" height="${height - margin.top - margin.bottom + 4}"/></clipPath>`,
    ...chart.series.map((series, index) => drawn(series, colour(series, index), x, y)),
    ...legend(chart.series),
  ])
}

type Scale = ScaleLinear<number, number> | ScaleLogarithmic<number, number>

/** The least and the greatest of some values. */
function extent(values: number[]): [number, number] | undefined {
  return values.length === 0
    ? undefined
    : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
}

/** Exactly as far as the values go. */
function exactAxis(values: number[], range: [number, number]): ScaleLinear<number, number> {
  const [least, most] = extent(values) ?? [0, 1]
  const domain = least === most ? [least - 1, most + 1] : [least, most]
  return scaleLinear().domain(domain).range(range)
}

/** As far as the values go, to the next round number. */
function roundAxis(values: number[], range: [number, number]): Scale {
  return exactAxis(values, range).nice(8)
}

/** The same, to the next power of ten. */
function powersAxis(values: number[], range: [number, number]): Scale {
  const [least, most] = extent(values) ?? [1, 10]
  const domain = least === most ? [least / 10, most * 10] : [least, most]
  return scaleLog().domain(domain).nice().range(range)
}

/** Grid, tick labels and the names of the axes. */
function frame(chart: LineChart, x: Scale, y: Scale): string[] {
  const bottom = height - margin.bottom
  const right = width - margin.right
  const yFormat = chart.yLog ? power : y.tickFormat(6)
  const xFormat = x.tickFormat(8)
  return [
    ...y
      .ticks(6)
      .flatMap((value) => [
        `<path d="M${margin.left} ${at(y(value))}H${right}" stroke="#e4e4e4"/>`,
        text(margin.left - 10, y(value) + 4.5, yFormat(value), `text-anchor="end" fill="${faint}"`),
      ]),
    ...x
      .ticks(8)
      .flatMap((value) => [
        `<path d="M${at(x(value))} ${bottom}v5" stroke="#999999"/>`,
        text(x(value), bottom + 20, xFormat(value), `text-anchor="middle" fill="${faint}"`),
      ]),
    `<path d="M${margin.left} ${bottom}H${right}" stroke="#999999"/>`,
    text((margin.left + right) / 2, height - 14, chart.xLabel, 'text-anchor="middle"'),
    text(
      0,
      0,
      chart.yLabel,
      `text-anchor="middle" transform="translate(22 ${(margin.top + bottom) / 2}) rotate(-90)"`,
    ),
  ]
}

function withoutLogarithmOfZero(chart: LineChart): LineChart {
  const series = chart.series.map((one) => ({
    ...one,
    points: one.points.map(([x, y]) => [x, y > 0 ? y : Number.NaN] as const),
  }))
  return { ...chart, series }
}

/** 0.001 → "10⁻³". */
function power(value: number): string {
  const exponent = String(Math.round(Math.log10(value)))
  return `10${exponent.replace(/./g, (sign) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(sign)] ?? '')}`
}

/** The line itself, with its dots. */
function drawn(series: Series, stroke: string, x: Scale, y: Scale): string {
  const path = line<readonly [number, number]>()
    .defined(isFinitePoint)
    .digits(1)
    .x(([value]) => x(value))
    .y(([, value]) => y(value))(series.points)
  const dash = series.dashed ? ' stroke-dasharray="6 5"' : ''
  const dots = series.points
    .filter((point) => series.dots && isFinitePoint(point))
    .flatMap(([px, py]) => [
      `<circle cx="${at(x(px))}" cy="${at(y(py))}" r="4" fill="${stroke}" stroke="#ffffff" stroke-width="1.5"/>`,
      text(
        x(px),
        y(py) - 11,
        py.toPrecision(3),
        `text-anchor="middle" font-size="12" font-weight="600" fill="${stroke}"`,
      ),
    ])
  return [
    '<g clip-path="url(#plot)">',
    `<path d="${path ?? ''}" fill="none" stroke="${stroke}" stroke-width="${series.width ?? 2}" stroke-linejoin="round"${dash}/>`,
    '</g>',
    ...dots,
  ].join('\n')
}

/** One entry a series, from left to right under the title. */
function legend(series: readonly Series[]): string[] {
  let left = margin.left
  return series.flatMap((one, index) => {
    const { name, dots, dashed } = one
    const start = left
    left += 52 + name.length * 7.2
    return [
      `<path d="M${start} 68h26" stroke="${colour(one, index)}" stroke-width="${(one.width ?? 2) + 0.5}"${dashed ? ' stroke-dasharray="6 5"' : ''}/>`,
      dots ? `<circle cx="${start + 13}" cy="68" r="4" fill="${colour(one, index)}"/>` : '',
      text(start + 33, 72.5, name),
    ]
  })
}

function colour(series: Series, index: number): string {
  return series.colour ?? colours[index % colours.length] ?? ink
}

function isFinitePoint([x, y]: readonly [number, number]): boolean {
  return Number.isFinite(x) && Number.isFinite(y)
}
