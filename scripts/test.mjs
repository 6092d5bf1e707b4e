/**
 * `npm test`: everything that CI checks, in one command, as the first command in a fresh clone.
 * Two lists of steps run side by side, and each step prints a line when it ends. Stops at the first failure; ends with a
 * line that counts the tests.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fail, root, runNode, Stop, stopAll } from './lib/run.mjs'
import { addon, apiPages, checkTools, packages, runCargo, typescript } from './lib/setup.mjs'

const tool = (path) => join(root, 'node_modules', path)
const tests = { passed: 0, failed: 0 }

/** The files that napi writes and git keeps. */
const generated = ['index.js', 'index.d.ts']

function readGenerated() {
  return generated.map((name) => {
    try {
      return readFileSync(join(root, name), 'utf8')
    } catch {
      return undefined
    }
  })
}

async function buildAddon() {
  const before = readGenerated()
  await addon.run()
  const stale = generated.filter((_, i) => before[i] !== readGenerated()[i])
  if (stale.length > 0) {
    throw new Stop(
      `${stale.join(' and ')} did not match the Rust sources; now written anew: commit them`,
    )
  }
}

/** Adds up the closing lines of cargo's test programs. */
function countCargo(output) {
  for (const [, passed, failed] of output.matchAll(
    /^test result: .*? (\d+) passed; (\d+) failed;/gm,
  )) {
    tests.passed += Number(passed)
    tests.failed += Number(failed)
  }
}

async function cargoTests() {
  try {
    countCargo(await runCargo(['test', '--workspace', '--locked', '--no-fail-fast']))
  } catch (error) {
    if (error instanceof Stop) countCargo(error.output)
    throw error
  }
}

async function vitest() {
  const folder = mkdtempSync(join(tmpdir(), 'elman-test-'))
  const report = join(folder, 'report.json')
  try {
    await runNode(tool('vitest/vitest.mjs'), [
      ...['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      `--maxWorkers=${availableParallelism()}`, // its default leaves one core free
    ])
  } finally {
    const { numPassedTests = 0, numFailedTests = 0 } = readReport(report)
    tests.passed += numPassedTests
    tests.failed += numFailedTests
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Vitest's own count; empty if it failed before it could write one. */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return {}
  }
}

function tscOfBench() {
  const project = existsSync(join(root, 'bench/node_modules')) ? '' : '/tsconfig.without-peers.json'
  return runNode(tool('typescript/bin/tsc'), ['-p', `bench${project}`])
}

/** The command `npm run demo` itself; what it does is tested by test/tooling/demo.test.ts. */
async function demo() {
  const folder = mkdtempSync(join(tmpdir(), 'elman-test-'))
  try {
    await runNode(join(root, 'scripts/example.mjs'), [
      ...['char-model', '--text', join(root, 'README.md'), '--output', folder],
      ...['--epochs', '1', '--batch', '2', '--hidden', '16', '--sample', '20'],
    ])
    if (!existsSync(join(folder, 'loss.svg'))) throw new Stop('the demo wrote no loss.svg')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Packs, checks, publishes to a registry of its own, installs from it and runs; scripts/install-test.mjs. */
async function installation() {
  const output = await runNode(join(root, 'scripts/install-test.mjs'), [])
  tests.passed += Number(output.match(/^(\d+) passed, 0 failed$/m)?.[1])
}

const deny = '-D warnings'

/** A step: its title, and what it does. @typedef {[string, () => unknown]} Step */

/** @type {Step[]} */
const first = [['npm packages', () => packages.isFresh() || packages.run()]]

/** Steps in target/debug, for the most part on all cores. @type {Step[]} */
const rust = [
  ['rustfmt', () => runCargo(['fmt', '--all', '--check'])],
  [
    'clippy',
    () =>
      runCargo(['clippy', '--workspace', '--all-targets', '--locked', '--', ...deny.split(' ')]),
  ],
  [
    // A workspace of its own, so that its libraries stay out of ours.
    'clippy of the Rust benchmarks',
    () =>
      runCargo([
        ...['clippy', '--manifest-path', 'bench/rust/Cargo.toml', '--target-dir', 'target'],
        ...['--all-targets', '--locked', '--', ...deny.split(' ')],
      ]),
  ],
  [
    'rustdoc',
    () =>
      runCargo(['doc', '--workspace', '--no-deps', '--locked'], { env: { RUSTDOCFLAGS: deny } }),
  ],
  ['cargo tests', cargoTests],
]

/** Steps that mostly take one core: the addon, in target/release, and what needs it. @type {Step[]} */
const javascript = [
  [
    'format and lint of TypeScript',
    () => runNode(tool('@biomejs/biome/bin/biome'), ['check', '--error-on-warnings']),
  ],
  ['addon, index.js and index.d.ts up to date', buildAddon],
  ['TypeScript build', () => typescript.run()],
  ['types of the tests', () => runNode(tool('typescript/bin/tsc'), ['-p', 'test'])],
  ['types of the examples', () => runNode(tool('typescript/bin/tsc'), ['-p', 'examples'])],
  // The peers of bench/ are installed by `npm run bench` alone, and their types come with them.
  ['types of the benchmark', tscOfBench],
  // All pages, since some warnings come only when they are written.
  ['API pages', () => apiPages.run()],
  ['the demo command', demo],
  ['packages, installed from a registry', installation],
]

/** Alone, since some tests measure time. @type {Step[]} */
const last = [['vitest', vitest]]

const begin = performance.now()
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1).padStart(7)} s`

/** Runs steps one after the other, until one fails here or in another list. */
async function runSteps(steps, signal) {
  for (const [title, action] of steps) {
    if (signal.aborted) return
    const start = performance.now()
    const end = (result) => console.log(`${title.padEnd(44)}${seconds(start)}   ${result}`)
    try {
      await action()
    } catch (error) {
      if (!signal.aborted) end('failed')
      throw error
    }
    end('ok')
  }
}

/** Runs lists of steps side by side; the first failure ends them all. */
async function sideBySide(...lists) {
  const failure = new AbortController()
  const stop = (error) => {
    failure.abort()
    stopAll()
    throw error
  }
  await Promise.all(lists.map((steps) => runSteps(steps, failure.signal).catch(stop)))
}

try {
  checkTools()
  await sideBySide(first)
  await sideBySide(rust, javascript)
  await sideBySide(last)
  console.log(`${'all together'.padEnd(44)}${seconds(begin)}`)
  if (tests.failed > 0 || tests.passed === 0) throw new Stop('no test ran, or one failed unnoticed')
} catch (error) {
  fail(error)
}
console.log(`${tests.passed} passed, ${tests.failed} failed`)
