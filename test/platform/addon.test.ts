/** What the import says where there is no addon that fits: a copy of the package, as npm would have installed it. */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nn, optim, Tensor } from '@elman/rnn'
import { afterAll, beforeAll, expect, test } from 'vitest'

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const { version } = manifest
const platforms = ['linux-x64-gnu', 'linux-x64-musl', 'darwin-arm64', 'win32-x64-msvc']
const folder = mkdtempSync(join(tmpdir(), 'elman-addon-'))
const own = join(folder, 'node_modules/@elman/rnn')

beforeAll(() => {
  mkdirSync(own, { recursive: true })
  cpSync('dist', join(own, 'dist'), { recursive: true })
  cpSync('index.js', join(own, 'index.js'))
  writeManifest(own, {
    ...manifest,
    optionalDependencies: Object.fromEntries(platforms.map((p) => [`@elman/rnn-${p}`, version])),
  })
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function writeManifest(where: string, content: object): void {
  writeFileSync(join(where, 'package.json'), JSON.stringify(content))
}

/** A package beside ours, with this as its program. */
function install(name: string, program: string): string {
  const where = join(folder, 'node_modules/@elman', name)
  mkdirSync(where, { recursive: true })
  writeManifest(where, { name: `@elman/${name}`, version, main: 'main.js' })
  writeFileSync(join(where, 'main.js'), program)
  return where
}

/** The message of the error that the import throws. */
function message(platform: string, arch: string, env: Record<string, string> = {}): string {
  const program = `
    Object.defineProperty(process, 'platform', { value: '${platform}' })
    Object.defineProperty(process, 'arch', { value: '${arch}' })
    import('@elman/rnn').then(() => console.log('loaded'), (error) => console.log(error.message))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return stdout.trim()
}

test('a package that is not installed is named, and how to install it', () => {
  const text = message('darwin', 'arm64')
  expect(text).toContain('needs the package @elman/rnn-darwin-arm64, which')
  expect(text).toContain('not installed')
  expect(text).toContain(`npm install @elman/rnn-darwin-arm64@${version}`)
  expect(text).toContain('--omit=optional')
  expect(message('win32', 'x64')).toContain(`npm install @elman/rnn-win32-x64-msvc@${version}`)
})

test.each([
  ['freebsd', 'x64'],
  ['linux', 'riscv64'],
  ['sunos', 'x64'],
])('a platform without a package, %s-%s, is told which there are', (platform, arch) => {
  const text = message(platform, arch)
  expect(text).toContain(`no compiled part for ${platform}-${arch}`)
  expect(text).toContain(platforms.join(', '))
  expect(text).not.toContain('npm install')
})

test('a package that is there and does not load: why', () => {
  const where = install('rnn-darwin-arm64', "throw new Error('libm.so.6 is too old')")
  const text = message('darwin', 'arm64')
  expect(text).toBe(
    '@elman/rnn: the package @elman/rnn-darwin-arm64 is installed, but could not be loaded: libm.so.6 is too old',
  )
  rmSync(where, { recursive: true })
})

test('a package of another version is refused', () => {
  const where = install(
    'rnn-darwin-arm64',
    `module.exports = { backendInfo: () => ({ version: '9.8.7' }) }`,
  )
  expect(message('darwin', 'arm64')).toContain(
    `@elman/rnn is of version ${version}, but its compiled part of 9.8.7`,
  )
  rmSync(where, { recursive: true })
})

test('a file that NAPI_RS_NATIVE_LIBRARY_PATH names', () => {
  const text = message(process.platform, process.arch, { NAPI_RS_NATIVE_LIBRARY_PATH: '/no/addon' })
  expect(text).toContain('could not load /no/addon, which NAPI_RS_NATIVE_LIBRARY_PATH names')
})

test('sources without an addon', () => {
  writeManifest(own, manifest)
  const text = message(process.platform, process.arch)
  expect(text).toContain('`npm run build`')
})

test('classes keep their names in the bundle', () => {
  const groups = Object.entries({ ...nn, ...optim, ...optim.lrScheduler, Tensor })
  const classes = groups.filter(([, value]) => typeof value === 'function')
  expect(classes.length).toBeGreaterThan(15)
  for (const [name, value] of classes) expect((value as { name: string }).name).toBe(name)
})
