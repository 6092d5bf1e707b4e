/** README.md: its example is run as a user runs it, from a folder with the package in node_modules; its links. */

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
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

test('the example of the README runs, and prints what the README says', () => {
  const readme = readFileSync('README.md', 'utf8')
  const code = readme.match(/```js\n([\s\S]*?)```/)?.[1]
  const promised = readme.match(/It prints ([\d.]+), ([\d.]+) and ([\d.]+)/)?.slice(1)
  if (code === undefined || promised === undefined) throw new Error('README.md has no example')

  const folder = mkdtempSync(join(tmpdir(), 'elman-readme-'))
  try {
    mkdirSync(join(folder, 'node_modules/@elman'), { recursive: true })
    symlinkSync(resolve('.'), join(folder, 'node_modules/@elman/rnn'), 'junction')
    writeFileSync(join(folder, 'example.mjs'), code)
    const output = execFileSync(process.execPath, ['example.mjs'], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(output.match(/\d+\.\d+/g)).toEqual(promised)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.each(['README.md', 'CONTRIBUTING.md'])('the links of %s lead somewhere', (file) => {
  const targets = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)]+)\)/g)].map(
    ([, target]) => target,
  )
  const local = targets.filter((target) => !/^https:/.test(target ?? ''))
  expect(targets.length).toBeGreaterThan(0)
  expect(local.filter((target) => !existsSync(target ?? ''))).toEqual([])
})
