/** The release workflow, as far as it can be read: least privilege, pinned actions, all platforms. */

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const read = (name: string) => readFileSync(`.github/workflows/${name}`, 'utf8')
const release = read('release.yml')
const { napi } = JSON.parse(readFileSync('package.json', 'utf8'))

describe.each(['ci.yml', 'release.yml'])('%s', (name) => {
  const text = read(name)

  test('pins every action by a commit, with its version beside', () => {
    const uses = [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action)
    expect(uses.length).toBeGreaterThan(1)
    for (const action of uses) expect(action).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  test('may read, and nothing else, unless a job says so', () => {
    expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m)
    expect(text).not.toContain('secrets.')
    const writes = text.match(/^ +[\w-]+: write$/gm) ?? []
    expect(writes).toEqual(name === 'release.yml' ? ['      id-token: write'] : [])
  })

  test('calls scripts that are there', () => {
    const scripts = [...text.matchAll(/node (scripts\/[\w-]+\.mjs)/g)].map(([, path]) => path ?? '')
    const missing = scripts.filter((path) => !existsSync(path))
    expect(missing).toEqual([])
  })
})

test('the job that may ask for an identity runs no code of others', () => {
  const publish = release.slice(release.indexOf('\n  publish:'))
  expect(publish).toContain('id-token: write')
  const runs = [...publish.matchAll(/run: (.*)/g)].map(([, command]) => command)
  expect(runs).toEqual(['node scripts/publish.mjs tarballs'])
})

test('builds and tests every platform that there is a package for', () => {
  const targets = [...release.matchAll(/target: ([\w-]+), runner/g)].map(([, target]) => target)
  expect(targets.toSorted()).toEqual([...napi.targets].sort())
  const built = [...release.matchAll(/platform: ([\w-]+), target/g)].map(([, name]) => name)
  const lists = [...release.matchAll(/platform: \[([^\]]+)\]/g)].map(([, list = '']) => list)
  const tested = lists.flatMap((list) => list.split(', '))
  expect(tested.toSorted()).toEqual(built.toSorted())
  const table = readFileSync('docs/release.md', 'utf8')
  for (const platform of built) expect(table).toContain(`| \`@elman/rnn-${platform}\` |`)
})
