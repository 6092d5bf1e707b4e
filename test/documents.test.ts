/** README.md and docs/: their examples are run as a user runs them, from a folder with the package in node_modules; their links. */

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { examplesOf, runExamples, typeErrors, userFolder } from './helpers/examples'

/** The first JavaScript block of a document. */
function example(file: string): string {
  const code = readFileSync(file, 'utf8').match(/```js\n([\s\S]*?)```/)?.[1]
  if (code === undefined) throw new Error(`${file} has no example`)
  return code
}

/** What a program prints. */
function run(code: string): string {
  const folder = userFolder()
  try {
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

describe('docs/from-pytorch.md', () => {
  const examples = examplesOf('docs/from-pytorch.md')
  const folder = userFolder()
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test('its examples run, and print what their comments say', () => {
    expect(examples.length).toBeGreaterThan(15)
    // What its Python example writes.
    copyFileSync('test/golden/guide.safetensors', join(folder, 'from-torch.safetensors'))
    const outcomes = runExamples(folder, examples)
    examples.forEach(({ where, printed }, place) => {
      expect({ where, ...outcomes[place] }).toEqual({ where, lines: printed, error: null })
    })
  })

  test('its examples fit the types', () => {
    expect(typeErrors(folder, examples)).toEqual([])
  })

  test('its links within the page lead to its headings', () => {
    const text = readFileSync('docs/from-pytorch.md', 'utf8')
    const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    )
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor)
    expect(links.length).toBeGreaterThan(10)
    expect(links.filter((link) => !anchors.includes(link ?? ''))).toEqual([])
  })
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
  'docs/from-pytorch.md',
  'docs/performance.md',
  'docs/release.md',
  'examples/README.md',
])('the links of %s lead somewhere', (file) => {
  const targets = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(
    ([, target]) => target ?? '',
  )
  const local = targets.filter((target) => !target.startsWith('https:'))
  expect(targets.length).toBeGreaterThan(0)
  expect(local.filter((target) => !existsSync(join(dirname(file), target)))).toEqual([])
})
