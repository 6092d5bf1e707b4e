/**
 * The sizes of a network and of what it reads, the kind of its cells, and the grid that is measured by default.
 *
 * T time steps, B sequences in the batch, I input features, H hidden features, L layers, D directions.
 */

/** The kinds of cell. */
export const cells = ['rnn', 'gru', 'lstm'] as const

export type Cell = (typeof cells)[number]

/** What differs from kind to kind. */
export const cellFacts: Readonly<
  Record<
    Cell,
    { readonly title: string; readonly gates: number; readonly states: readonly string[] }
  >
> = {
  rnn: { title: 'RNN', gates: 1, states: ['h'] },
  gru: { title: 'GRU', gates: 3, states: ['h'] },
  lstm: { title: 'LSTM', gates: 4, states: ['h', 'c'] },
}

export interface Shape {
  readonly T: number
  readonly B: number
  readonly I: number
  readonly H: number
  readonly L: number
  readonly D: number
  readonly cell: Cell
}

/** A shape; one layer and one direction if not said, of plain cells. */
export function shape(T: number, B: number, I: number, H: number, L = 1, D = 1): Shape {
  return { T, B, I, H, L, D, cell: 'rnn' }
}

/** The same sizes with another kind of cell. */
export function withCell(shape: Shape, cell: Cell): Shape {
  return shape.cell === cell ? shape : { ...shape, cell }
}

/** From a single cell's step to networks that are bound by nothing but arithmetic. */
export const grid: readonly Shape[] = [
  shape(1, 1, 64, 64),
  shape(50, 1, 16, 32),
  shape(50, 16, 32, 64),
  shape(35, 20, 200, 200, 2),
  shape(784, 64, 1, 128),
  shape(1000, 1, 64, 128),
  shape(100, 32, 128, 256, 2, 2),
  shape(128, 64, 512, 512),
  shape(64, 128, 1024, 1024),
]

/** What is measured: a forward pass without gradients, or one with all of them (a training step). */
export type Task = 'forward' | 'step'

export type DType = 'float32' | 'float64'

/** Features that layer `layer` reads. */
export function inputFeatures({ I, H, D }: Shape, layer: number): number {
  return layer === 0 ? I : D * H
}

/**
 * Floating-point operations of a task, counting those of the matrix products alone: forward 2·T·B·H·(I + H) for each
 * gate (one of a plain cell, 3 of a GRU, 4 of an LSTM), layer and direction, backward twice as many.
 */
export function operations(shape: Shape, task: Task): number {
  const { T, B, H, L, D, cell } = shape
  const { gates } = cellFacts[cell]
  let forward = 0
  for (let layer = 0; layer < L; layer += 1) {
    forward += 2 * T * B * gates * H * D * (inputFeatures(shape, layer) + H)
  }
  return task === 'forward' ? forward : 3 * forward
}

/**
 * Arrays (T, B, H) that a training step keeps or works in beyond inputs, outputs and gradients: the gradient before the
 * activation; the gates i, f, g, o and the states c; the gates r, z, n and the projected state of n.
 */
export const keptArrays: Readonly<Record<Cell, number>> = { rnn: 1, gru: 4, lstm: 5 }

/** One parameter: its name in the state dict, and its shape. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
}

/** The parameters in the order of the state dict. */
export function parameters(shape: Shape): Parameter[] {
  const { H, L, D, cell } = shape
  const rows = cellFacts[cell].gates * H
  const list: Parameter[] = []
  for (let layer = 0; layer < L; layer += 1) {
    for (const suffix of D === 2 ? ['', '_reverse'] : ['']) {
      const place = `l${layer}${suffix}`
      list.push(
        { name: `weight_ih_${place}`, shape: [rows, inputFeatures(shape, layer)] },
        { name: `weight_hh_${place}`, shape: [rows, H] },
        { name: `bias_ih_${place}`, shape: [rows] },
        { name: `bias_hh_${place}`, shape: [rows] },
      )
    }
  }
  return list
}

/** `(50, 16, 32, 64)`; with layers and directions where there is more than one. */
export function shapeName({ T, B, I, H, L, D }: Shape): string {
  return `(${[T, B, I, H].join(', ')}${L > 1 || D > 1 ? `, ${L}, ${D}` : ''})`
}

/** Reads `3`, a number of the grid counted from 1, or `50x16x32x64` (TxBxIxH, xL, xLxD). */
export function parseShape(text: string): Shape | undefined {
  if (/^\d+$/.test(text)) return grid[Number(text) - 1]
  if (!/^[1-9]\d*(x[1-9]\d*){3,5}$/.test(text)) return undefined
  const [T = 1, B = 1, I = 1, H = 1, L = 1, D = 1] = text.split('x').map(Number)
  return D > 2 ? undefined : shape(T, B, I, H, L, D)
}
