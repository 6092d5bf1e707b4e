/** The examples in the doc comments: each compiles, runs, and prints what its comments say. */

import * as fs from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { examplesOf, type Outcome, runExamples, typeErrors, userFolder } from '../helpers/examples'

const examples = fs
  .readdirSync('ts', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort()
  .flatMap((file) => examplesOf(join('ts', file), ' *\\* '))

let folder = ''
let outcomes: Outcome[] = []

beforeAll(() => {
  folder = userFolder()
  outcomes = runExamples(folder, examples)
})

afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true })
})

describe('the example at', () => {
  it.each(examples.map((example, place) => ({ ...example, place })))(
    '$where',
    ({ place, printed }) => {
      const outcome = outcomes[place]
      expect(outcome?.error).toBeNull()
      expect(outcome?.lines).toHaveLength(printed.length)
      printed.forEach((expected, line) => {
        if (expected !== null) expect(outcome?.lines[line]).toBe(expected)
      })
    },
  )
})

it('the examples fit the types', () => {
  expect(typeErrors(folder, examples)).toEqual([])
})

/** The functions and classes that a module exports, its namespaces included, whose doc comments hold no example. */
function withoutExample(checker: ts.TypeChecker, module: ts.Symbol, path: string): string[] {
  return checker.getExportsOfModule(module).flatMap((named) => {
    const found = named.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(named) : named
    const name = `${path}${named.name}`
    if (found.flags & ts.SymbolFlags.ValueModule) return withoutExample(checker, found, `${name}.`)
    const { Function: aFunction, Class, Variable } = ts.SymbolFlags
    if (!(found.flags & (aFunction | Class | Variable))) return []
    // `export type { Optimizer }`: not to be made by a user, and shown where what extends it is.
    if (named.declarations?.some(ts.isTypeOnlyExportDeclaration)) return []
    return found.getJsDocTags(checker).some((tag) => tag.name === 'example') ? [] : [name]
  })
}

it('there are examples for all that is exported', () => {
  const program = ts.createProgram(['dist/index.d.ts'], { skipLibCheck: true })
  const checker = program.getTypeChecker()
  const file = program.getSourceFile('dist/index.d.ts')
  const module = file && checker.getSymbolAtLocation(file)
  if (module === undefined) throw new Error('dist/index.d.ts is no module')
  expect(checker.getExportsOfModule(module).length).toBeGreaterThan(20)
  expect(withoutExample(checker, module, '')).toEqual([])
})
