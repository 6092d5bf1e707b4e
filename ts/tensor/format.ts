/**
 * Tensors as text, in torch's layout: 4 decimals, aligned columns, scientific notation if magnitudes differ much, and
 * the middle left out of more than 1000 elements. Shape and dtype follow the values.
 */

import { scientific } from '../python'

/** With more elements than this, only the edges are shown. */
const threshold = 1000
/** The entries shown at each end of a dimension, if only the edges are shown. */
const edgeItems = 3
const lineWidth = 80
const precision = 4
const prefix = 'tensor('

/** A tensor of floats. `suffix` is about the tape: `requires_grad=True`, or the name of the operation. */
export function formatFloats(
  values: ArrayLike<number>,
  shape: readonly number[],
  dtype: string,
  suffix: string | null,
): string {
  return format(values, shape, dtype, floatFormatter, suffix)
}

/** A tensor of integers. */
export function formatInts(values: ArrayLike<number>, shape: readonly number[]): string {
  return format(values, shape, 'int32', integerFormatter, null)
}

/** Formats the shown numbers with one width. */
type Formatter = (shown: readonly number[]) => string[]

function format(
  values: ArrayLike<number>,
  shape: readonly number[],
  dtype: string,
  formatter: Formatter,
  suffix: string | null,
): string {
  const parts = [
    values.length === 0 ? '[]' : formatValues(values, shape, formatter),
    `size=(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`,
    `dtype=${dtype}`,
  ]
  if (suffix !== null) parts.push(suffix)
  return `${prefix}${parts.join(', ')})`
}

function formatValues(
  values: ArrayLike<number>,
  shape: readonly number[],
  formatter: Formatter,
): string {
  const places = shownPlaces(shape, values.length > threshold)
  const cells = formatter(places.flat.map((place) => values[place] ?? Number.NaN))
  return layout(places.tree, cells, prefix.length)
}

/** A cell, a gap (`null`), or a list of them, one level for each dimension. */
type Tree = number | null | Tree[]

/** Which elements are shown: a tree of cell numbers, and the index of each cell in the flat array. */
function shownPlaces(shape: readonly number[], summarize: boolean): { tree: Tree; flat: number[] } {
  const flat: number[] = []
  const visit = (dim: number, offset: number): Tree => {
    const size = shape[dim]
    if (size === undefined) return flat.push(offset) - 1
    const children: Tree[] = []
    for (let index = 0; index < size; index += 1) {
      if (summarize && size > 2 * edgeItems && index === edgeItems) {
        children.push(null)
        index = size - edgeItems
      }
      children.push(visit(dim + 1, offset * size + index))
    }
    return children
  }
  return { tree: visit(0, 0), flat }
}

function layout(tree: Tree, cells: readonly string[], indent: number): string {
  if (tree === null) return '...'
  if (typeof tree === 'number') return cells[tree] ?? ''
  const inner = tree.find((child) => Array.isArray(child))
  if (inner === undefined) return row(tree, cells, indent)
  const depth = rankOf(tree)
  const children = tree.map((child) => layout(child, cells, indent + 1))
  return `[${children.join(`,${'\n'.repeat(depth - 1)}${' '.repeat(indent + 1)}`)}]`
}

/** One innermost dimension, broken into lines. */
function row(tree: readonly Tree[], cells: readonly string[], indent: number): string {
  const texts = tree.map((child) => (child === null ? ' ...' : layout(child, cells, indent)))
  const width = Math.max(...texts.filter((_, place) => tree[place] !== null).map((t) => t.length))
  const perLine = Math.max(1, Math.floor((lineWidth - indent) / (width + 2)))
  const lines: string[] = []
  for (let start = 0; start < texts.length; start += perLine) {
    lines.push(texts.slice(start, start + perLine).join(', '))
  }
  return `[${lines.join(`,\n${' '.repeat(indent + 1)}`)}]`
}

function rankOf(tree: Tree): number {
  let rank = 0
  for (let level: Tree | undefined = tree; Array.isArray(level); level = level[0]) rank += 1
  return rank
}

const integerFormatter: Formatter = (shown) => {
  const texts = shown.map(String)
  return padded(texts, texts)
}

/** Torch's rules for floats: integers as `1.`, otherwise 4 decimals or scientific notation. */
const floatFormatter: Formatter = (shown) => {
  const sizes = shown.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs)
  const largest = maximum(sizes)
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const spread = sizes.length > 0 && largest / smallest > 1000
  const whole = sizes.every(Number.isInteger)
  const exponents = spread || largest > 1e8 || (!whole && smallest < 1e-4)
  const texts = shown.map((value) => {
    if (Number.isNaN(value)) return 'nan'
    if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
    if (exponents) return signed(value, scientific(Math.abs(value), precision))
    return signed(value, whole ? `${Math.abs(value)}.` : Math.abs(value).toFixed(precision))
  })
  // Zeros and non-finite values do not widen the columns.
  return padded(
    texts,
    texts.filter((_, place) => Number.isFinite(shown[place]) && shown[place] !== 0),
  )
}

function signed(value: number, text: string): string {
  return value < 0 || Object.is(value, -0) ? `-${text}` : text
}

/** Pads all texts to the width of the widest of `measured`. */
function padded(texts: readonly string[], measured: readonly string[]): string[] {
  const width = maximum(measured.map((text) => text.length))
  return texts.map((text) => text.padStart(width))
}

/**
 * The largest of non-negative numbers, 0 if there are none. Unlike `Math.max(...values)`, it takes any number of them.
 */
function maximum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0)
}
