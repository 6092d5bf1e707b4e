/** README.md and docs/: their examples are run as a user runs them, from a folder with the package in node_modules; their links. */

import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** The first JavaScript block of a document. */
function example(file: string): string {
  const code = readFileSync(file, 'utf8').match(/```js\n([\s\S]*?)```/)?.[1]
  if (code === undefined) throw new Error(`${file} has no example`)
  return code
}

/** What a program prints. */
function run(code: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'elman-document-'))
  try {
    mkdirSync(join(folder, 'node_modules/@elman'), { recursive: true })
    symlinkSync(resolve('.'), join(folder, 'node_modules/@elman/rnn'), 'junction')
    writeFileSync(join(folder, 'example.mjs'), code)
    return execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('the example of the README runs, and prints what the README says', () => {
  const readme = readFileSync('README.md', 'utf8')
  const promised = readme.match(/It prints ([\d.]+), ([\d.]+) and ([\d.]+)/)?.slice(1)
  if (promised === undefined) throw new Error('README.md does not say what its example prints')
  expect(run(example('README.md')).match(/\d+\.\d+/g)).toEqual(promised)
})

test('the example of docs/bptt.md prints what its comments say', () => {
  const code = example('docs/bptt.md')
  const promised = [...code.matchAll(/^show\(.*\/\/ (.*)$/gm)].map(([, line]) => line)
  expect(promised.length).toBeGreaterThan(5)
  expect(run(code).trim().split('\n')).toEqual(promised)
})

test.each([
  'README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/bptt.md',
  'examples/README.md',
])('the links of %s lead somewhere', (file) => {
  const targets = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(
    ([, target]) => target ?? '',
  )
  const local = targets.filter((target) => !target.startsWith('https:'))
  expect(targets.length).toBeGreaterThan(0)
  expect(local.filter((target) => !existsSync(join(dirname(file), target)))).toEqual([])
})
