/** The examples in the doc comments: each runs, and prints what its comments say. */

import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Example {
  /** File and line. */
  where: string
  code: string
  /** What each `console.log` prints, from the comment behind it; null if the comment is only about it. */
  printed: (string | null)[]
}

function examplesOf(file: string): Example[] {
  const source = fs.readFileSync(file, 'utf8')
  return [...source.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm)].map((match) => {
    const code = match[1].replace(/^ *\* ?/gm, '')
    const line = source.slice(0, match.index).split('\n').length
    const printed = [...code.matchAll(/^ *console\.log\(.*\)(?: \/\/ (.*))?$/gm)].map(
      ([, comment = null]) => (comment === null || /^(about|some) /.test(comment) ? null : comment),
    )
    return { where: `${file}:${line}`, code, printed }
  })
}

const examples = fs
  .readdirSync('ts', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort()
  .flatMap((file) => examplesOf(join('ts', file)))

let folder = ''
let outputs: Record<string, { lines: string[]; error: string | null }> = {}

beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'elman-examples-'))
  fs.mkdirSync(join(folder, 'node_modules/@elman'), { recursive: true })
  fs.symlinkSync(resolve('.'), join(folder, 'node_modules/@elman/rnn'), 'junction')
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
  const modules = examples.map(({ where, code }, place) => {
    const path = join(folder, `${place}.mjs`)
    fs.writeFileSync(path, ts.transpileModule(code, { compilerOptions }).outputText)
    return [where, pathToFileURL(path).href]
  })
  // One process runs them all, and tells at its end what each has printed.
  fs.writeFileSync(
    join(folder, 'run.mjs'),
    `import { format } from 'node:util'
     const outputs = {}
     for (const [where, url] of ${JSON.stringify(modules)}) {
       const lines = []
       console.log = (...values) => lines.push(format(...values))
       const error = await import(url).then(() => null, String)
       outputs[where] = { lines, error }
     }
     process.stdout.write(JSON.stringify(outputs))`,
  )
  const text = execFileSync(process.execPath, ['run.mjs'], { cwd: folder, encoding: 'utf8' })
  outputs = JSON.parse(text) as typeof outputs
})

afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true })
})

describe('the example at', () => {
  it.each(examples)('$where', ({ where, printed }) => {
    const { lines, error } = outputs[where]
    expect(error).toBeNull()
    expect(lines).toHaveLength(printed.length)
    printed.forEach((expected, place) => {
      if (expected !== null) expect(lines[place]).toBe(expected)
    })
  })
})

/** The functions and classes that a module exports, its namespaces included, whose doc comments hold no example. */
function withoutExample(checker: ts.TypeChecker, module: ts.Symbol, path: string): string[] {
  return checker.getExportsOfModule(module).flatMap((named) => {
    const found = named.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(named) : named
    const name = `${path}${named.name}`
    if (found.flags & ts.SymbolFlags.ValueModule) return withoutExample(checker, found, `${name}.`)
    if (!(found.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class))) return []
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
