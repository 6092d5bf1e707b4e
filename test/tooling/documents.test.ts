/** README.md and docs/: their links, and their examples, run from a folder with the package in node_modules. */

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { examplesOf, runExamples, typeErrors, userFolder } from '../helpers/examples'

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

describe.each([
  // the second figure: examples that there are at least
  ['docs/guide.md', 20],
  ['docs/from-pytorch.md', 16],
] as const)('%s', (file, atLeast) => {
  const examples = examplesOf(file)
  const folder = userFolder()
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  test('its examples run, and print what their comments say', () => {
    expect(examples.length).toBeGreaterThanOrEqual(atLeast)
    // What the Python examples of from-pytorch.md write.
    copyFileSync('test/golden/guide.safetensors', join(folder, 'from-torch.safetensors'))
    copyFileSync('test/golden/guide-lstm.safetensors', join(folder, 'lstm-from-torch.safetensors'))
    const outcomes = runExamples(folder, examples)
    examples.forEach(({ where, printed }, place) => {
      expect({ where, ...outcomes[place] }).toEqual({ where, lines: printed, error: null })
    })
  })

  test('its examples fit the types', () => {
    expect(typeErrors(folder, examples)).toEqual([])
  })
})

/** The anchors of a document's headings. */
const anchorsOf = (file: string) =>
  [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  )

test.each([
  ['docs/guide.md', 15],
  ['docs/from-pytorch.md', 11],
  ['docs/bptt.md', 1],
] as const)('the links of %s to headings lead to headings', (file, atLeast) => {
  const links = [...readFileSync(file, 'utf8').matchAll(/\]\(([\w./-]+\.md)?#([^)]+)\)/g)]
  expect(links.length).toBeGreaterThanOrEqual(atLeast)
  const lost = links.filter(([, page, anchor = '']) => {
    const target = page === undefined ? file : join(dirname(file), page)
    return !anchorsOf(target).includes(anchor)
  })
  expect(lost.map(([link]) => link)).toEqual([])
})

test('the example of docs/bptt.md prints what its comments say', () => {
  const code = example('docs/bptt.md')
  const promised = [...code.matchAll(/^show\(.*\/\/ (.*)$/gm)].map(([, line]) => line)
  expect(promised.length).toBeGreaterThan(5)
  expect(run(code).trim().split('\n')).toEqual(promised)
})

test('every test that SECURITY.md names is there', () => {
  const text = readFileSync('SECURITY.md', 'utf8').replace(/\s+/g, ' ')
  let file = ''
  let count = 0
  for (const [, path, name] of text.matchAll(/`(test\/[\w/-]+\.test\.ts)`|(?<=[ (])\*([^*]+)\*/g)) {
    if (path !== undefined) file = path
    else if (file !== '' && name !== undefined) {
      expect(readFileSync(file, 'utf8'), `${file}: ${name}`).toContain(name)
      count += 1
    }
    if (path !== undefined) expect(existsSync(path), path).toBe(true)
  }
  expect(count).toBeGreaterThan(20)
})

test.each([
  'README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/bptt.md',
  'docs/from-pytorch.md',
  'docs/guide.md',
  'docs/performance.md',
  'docs/testing.md',
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
