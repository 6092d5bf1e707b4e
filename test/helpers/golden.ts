/**
 * Values that PyTorch computed, and comparisons with them; test/golden/README.md describes the files.
 *
 * Tolerances are relative to 1 + |value|: float64 agrees to 1e-11 in values and 1e-9 in gradients, float32 to 1e-5 and
 * 2e-4, and seeded random numbers are equal bit for bit (normal ones up to rounding, since log, sin and cos differ).
 * Each test runs a group of cases and lists every tensor that differs.
 */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type DType, loadSafetensors, type nn, Tensor, tensor } from '@elman/rnn'
import { expect } from 'vitest'

export type { DType }

export type Stored =
  ReturnType<typeof loadSafetensors> extends Map<string, infer Value> ? Value : never
export type Indices = Exclude<Stored, Tensor<DType>>
export type Options<
  Class extends abstract new (
    ...args: never[]
  ) => unknown,
  At extends number,
> = ConstructorParameters<Class>[At]

/** The path of a file of test/golden. */
export function goldenPath(file: string): string {
  return fileURLToPath(new URL(`../golden/${file}`, import.meta.url))
}

export function readCases<Case>(file: string): Case[] {
  return JSON.parse(readFileSync(goldenPath(file), 'utf8')) as Case[]
}

/** The tensors of one file, by name. */
export class Golden {
  readonly #tensors: Map<string, Stored>

  constructor(file: string) {
    this.#tensors = loadSafetensors(goldenPath(file))
  }

  get(name: string): Stored {
    const stored = this.#tensors.get(name)
    if (stored === undefined) throw new Error(`no golden tensor is called ${name}`)
    return stored
  }

  tensor(name: string): Tensor<DType> {
    const stored = this.get(name)
    if (!(stored instanceof Tensor))
      throw new Error(`${name} holds ${stored.dtype}, not real numbers`)
    return stored
  }

  indices(name: string): Indices {
    const stored = this.get(name)
    if (stored instanceof Tensor) throw new Error(`${name} holds ${stored.dtype}, not indices`)
    return stored
  }

  /** A fresh copy that collects a gradient. */
  leaf(name: string): Tensor<DType> {
    const { data, shape, dtype } = this.tensor(name)
    return tensor(data.slice(), { shape: [...shape], dtype, requiresGrad: true })
  }
}

/** Cuts numbers that were joined in state-dict order into the tensors of a module. */
export function unflatten(
  module: nn.Module<DType>,
  flat: Tensor<DType>,
): Map<string, Tensor<DType>> {
  const pieces = new Map<string, Tensor<DType>>()
  let start = 0
  for (const [name, { shape, numel }] of module.stateDict()) {
    const data = flat.data.slice(start, start + numel)
    pieces.set(name, tensor(data, { shape: [...shape], dtype: flat.dtype }))
    start += numel
  }
  if (start !== flat.numel)
    throw new Error(`the module has ${start} parameters, PyTorch's has ${flat.numel}`)
  return pieces
}

export const VALUES: Record<DType, number> = { float64: 1e-11, float32: 1e-5 }
export const GRADIENTS: Record<DType, number> = { float64: 1e-9, float32: 2e-4 }

function sameNumber(got: number, want: number, tolerance: number): boolean {
  if (tolerance === 0 || Number.isNaN(want)) return Object.is(got, want)
  return got === want || Math.abs(got - want) <= tolerance * (1 + Math.abs(want))
}

/** A message if the two differ, none if they agree; a tolerance of 0 requires equal bits. */
export function compare(
  what: string,
  got: Tensor<DType> | null | undefined,
  want: Tensor<DType>,
  tolerance: number,
): string[] {
  if (!got) return [`${what}: there is none`]
  if (got.dtype !== want.dtype) return [`${what}: dtype ${got.dtype}, PyTorch has ${want.dtype}`]
  if (`${got.shape}` !== `${want.shape}`)
    return [`${what}: shape [${got.shape}], PyTorch has [${want.shape}]`]
  if (got.data.length !== want.data.length)
    return [`${what}: ${got.data.length} numbers for shape [${got.shape}]`]
  const wrong: string[] = []
  for (const [index, expected] of want.data.entries()) {
    const actual = got.data[index]
    if (!sameNumber(actual, expected, tolerance))
      wrong.push(`[${index}] is ${actual}, PyTorch has ${expected}`)
  }
  return wrong.length === 0
    ? []
    : [`${what}: ${wrong.length} of ${want.numel} differ by more than ${tolerance}: ${wrong[0]}`]
}

export function compareNumber(
  what: string,
  got: number,
  want: number,
  tolerance: number,
): string[] {
  return sameNumber(got, want, tolerance)
    ? []
    : [`${what}: ${got}, PyTorch has ${want} (tolerance ${tolerance})`]
}

/** Runs every case, so that one failure does not hide the others, and fails with a list of all differences. */
export function checkAll<Case>(
  cases: Case[],
  name: (one: Case) => string,
  differences: (one: Case) => string[],
): void {
  expect(cases.length).toBeGreaterThan(0)
  const found: string[] = []
  for (const one of cases) {
    try {
      found.push(...differences(one).map((difference) => `${name(one)}: ${difference}`))
    } catch (error) {
      found.push(
        `${name(one)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    }
  }
  const shown = found.slice(0, 10).join('\n')
  if (found.length > 0)
    expect.fail(
      `${found.length} differences in ${cases.length} cases, the first of them:\n${shown}`,
    )
}
