/** The package as npm and Node see it. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import * as esm from '@elman/rnn'
import { describe, expect, test } from 'vitest'

const require = createRequire(import.meta.url)
const manifest = JSON.parse(readFileSync('package.json', 'utf8'))

describe('import and require', () => {
  const cjs = require('@elman/rnn')

  test('give the same names', () => {
    expect(Object.keys(esm).sort()).toEqual(Object.keys(cjs).sort())
  })

  test('give the same classes and functions, so instanceof holds across both', () => {
    for (const [name, value] of Object.entries(esm)) expect(cjs[name], name).toBe(value)
    expect(esm.tensor([1, 2])).toBeInstanceOf(cjs.Tensor)
    expect(new cjs.nn.Linear(1, 1)).toBeInstanceOf(esm.nn.Module)
  })
})

describe('package.json', () => {
  test('has no install script and no dependency but its own binaries', () => {
    const { scripts, dependencies = {}, optionalDependencies = {} } = manifest
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(scripts).not.toHaveProperty(name)
    }
    expect(dependencies).toEqual({})
    for (const name of Object.keys(optionalDependencies)) expect(name).toMatch(/^@elman\/rnn-/)
  })

  test('points to files that are there, types first', () => {
    for (const conditions of [manifest.exports['.'].import, manifest.exports['.'].require]) {
      expect(Object.keys(conditions)).toEqual(['types', 'default'])
      for (const file of Object.values<string>(conditions))
        expect(existsSync(file), file).toBe(true)
    }
    expect(existsSync(manifest.main)).toBe(true)
    expect(existsSync(manifest.types)).toBe(true)
  })

  test('the lock file names no registry', () => {
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
    for (const [name, entry] of Object.entries<{ resolved?: string }>(packages)) {
      expect(entry.resolved ?? '', name).toMatch(/^$|^https:\/\/registry\.npmjs\.org\//)
    }
  })
})

test('the tarball holds what users need, and nothing else', () => {
  const npm = process.env.npm_execpath
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const json = npm?.endsWith('.js')
    ? execFileSync(process.execPath, [npm, ...args], { encoding: 'utf8' })
    : execFileSync('npm', args, { encoding: 'utf8' })
  const report = JSON.parse(json)
  const [{ files }] = Array.isArray(report) ? report : Object.values<{ files: [] }>(report)
  const paths: string[] = files.map(({ path }: { path: string }) => path)
  for (const path of ['index.js', 'index.d.ts', 'README.md', 'LICENSE-MIT', 'dist/index.mjs']) {
    expect(paths).toContain(path)
  }
  const outside = paths.filter(
    (path) => !/^(dist\/|index\.|README|CHANGELOG|LICENSE|package\.json)/.test(path),
  )
  expect(outside).toEqual([])
})
