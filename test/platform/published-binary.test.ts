/** The checks that a binary must pass before it is published (scripts/lib/elf.mjs, release.mjs), on binaries at hand. */

import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runModule } from '../helpers/child'

/** What an expression with the functions of those scripts gives, or the message of the error that it throws. */
function evaluate(expression: string): unknown {
  const { status, stdout, stderr } = runModule(`
    import { compareVersions, neededGlibc, readElf } from './scripts/lib/elf.mjs'
    import { checkLinux, checkNeeds } from './scripts/lib/release.mjs'
    let result
    try { result = ${expression} } catch (error) { result = error.message }
    console.log(JSON.stringify(result))`)
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

it('versions are ordered by their numbers', () => {
  const versions = ['2.17', '2.2.5', '2.34', '2.4', '2.17.1', '3']
  expect(evaluate(`${JSON.stringify(versions)}.sort(compareVersions)`)).toEqual([
    ...['2.2.5', '2.4', '2.17', '2.17.1', '2.34', '3'],
  ])
})

it('the newest version of glibc counts, wherever it is needed', () => {
  const needed = (...lists: string[][]) =>
    evaluate(
      `neededGlibc({ versions: new Map(${JSON.stringify(lists.map((list, n) => [n, list]))}) }) ?? null`,
    )
  expect(needed(['GLIBC_2.9', 'GCC_3.0'], ['GLIBC_2.17', 'GLIBC_2.2.5'])).toBe('2.17')
  expect(needed(['GCC_3.0', 'GLIBC_PRIVATE'])).toBe(null)
})

it('a binary that needs a newer glibc than is promised is refused, and any glibc where musl is', () => {
  const check = (version: string, libc = 'gnu') =>
    evaluate(`checkNeeds('addon', {
      arch: 'arm64', libraries: [], versions: new Map([['libc.so.6', ['GLIBC_2.2.5', 'GLIBC_${version}']]]),
    }, 'aarch64-unknown-linux-${libc}')`)
  expect(check('2.17')).toEqual({ glibc: '2.17', libraries: [] })
  expect(check('2.18')).toBe('addon needs glibc 2.18, and 2.17 is promised')
  expect(check('2.17', 'musl')).toBe('addon is for musl, and needs glibc 2.17')
})

it('what is no ELF file is refused', () => {
  expect(evaluate(`readElf('package.json')`)).toMatch(/is no little-endian ELF64 file/)
})

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('on Linux', () => {
  const addon = readdirSync('.').find((name) => /^elman\.linux-x64-\w+\.node$/.test(name)) ?? ''

  it("the addon's own needs are read", () => {
    const { arch, libraries, names } = evaluate(`((elf) => ({
      ...elf, names: [...elf.versions.values()].flat(),
    }))(readElf('${addon}'))`) as { arch: string; libraries: string[]; names: string[] }
    expect(arch).toBe('x64')
    expect(libraries).toEqual(expect.arrayContaining([expect.stringMatching(/^libc\./)]))
    for (const name of names) expect(name).toMatch(/^(GLIBC|GCC)_[\d.]+$/)
  })

  it('a binary for another processor, or with other libraries, is refused', () => {
    const check = (file: string, triple: string) => evaluate(`checkLinux('${file}', '${triple}')`)
    expect(check(addon, 'aarch64-unknown-linux-gnu')).toMatch(/is for x64, not for arm64/)
    // Node itself is in C++.
    expect(check(process.execPath, 'x86_64-unknown-linux-gnu')).toMatch(/needs .*libstdc\+\+/)
  })
})
