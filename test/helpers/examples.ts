/**
 * Examples in documents and doc comments: extracts them, checks their types, and runs them in one process, as a user
 * would.
 */

import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

export interface Example {
  /** File and line. */
  where: string
  code: string
  /** What each `console.log` prints, from the comment after it; null if the comment only describes it. */
  printed: (string | null)[]
}

export interface Outcome {
  lines: string[]
  error: string | null
}

/**
 * The TypeScript blocks of a text.
 *
 * @param margin what stands before each of their lines, as a regular expression.
 */
export function examplesOf(file: string, margin = ''): Example[] {
  const source = fs.readFileSync(file, 'utf8')
  const fenced = new RegExp(`^${margin}\`\`\`ts\\n([\\s\\S]*?)^${margin}\`\`\`$`, 'gm')
  return [...source.matchAll(fenced)].map((match) => {
    const code = match[1].replace(new RegExp(`^${margin.trimEnd()} ?`, 'gm'), (found) =>
      margin === '' ? found : '',
    )
    const line = source.slice(0, match.index).split('\n').length
    const printed = [...code.matchAll(/^ *console\.log\(.*?\)(?: \/\/ (.*))?$/gm)].map(
      ([, comment = null]) => (comment === null || /^(about|some) /.test(comment) ? null : comment),
    )
    return { where: `${file}:${line}`, code, printed }
  })
}

/** A folder with the package in node_modules; the caller removes it. */
export function userFolder(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'elman-examples-'))
  fs.mkdirSync(join(folder, 'node_modules/@elman'), { recursive: true })
  fs.symlinkSync(resolve('.'), join(folder, 'node_modules/@elman/rnn'), 'junction')
  return folder
}

/** Runs the examples one after the other; the outcomes are in their order. */
export function runExamples(folder: string, examples: readonly Example[]): Outcome[] {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
  const urls = examples.map(({ code }, place) => {
    const path = join(folder, `${place}.mjs`)
    fs.writeFileSync(path, ts.transpileModule(code, { compilerOptions }).outputText)
    return pathToFileURL(path).href
  })
  fs.writeFileSync(
    join(folder, 'run.mjs'),
    `import { format } from 'node:util'
     const outcomes = []
     for (const url of ${JSON.stringify(urls)}) {
       const lines = []
       console.log = (...values) => lines.push(format(...values))
       const error = await import(url).then(() => null, String)
       outcomes.push({ lines, error })
     }
     process.stdout.write(JSON.stringify(outcomes))`,
  )
  const text = execFileSync(process.execPath, ['run.mjs'], { cwd: folder, encoding: 'utf8' })
  return JSON.parse(text) as Outcome[]
}

/** The messages of TypeScript, in strict mode, about the examples. */
export function typeErrors(folder: string, examples: readonly Example[]): string[] {
  const paths = examples.map(({ code }, place) => {
    const path = join(folder, `${place}.mts`)
    fs.writeFileSync(path, code)
    return path
  })
  const program = ts.createProgram(paths, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    types: ['node'],
    typeRoots: [resolve('node_modules/@types')],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  })
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const place = paths.findIndex((path) => file?.fileName.endsWith(path))
    const line = file?.text.slice(0, start).split('\n').length ?? 0
    const text = ts.flattenDiagnosticMessageText(messageText, '\n')
    return `${examples[place]?.where ?? file?.fileName}, line ${line} of it: ${text}`
  })
}
