/**
 * Runs the smoke part of the suite with nothing but Node and the package: `node main.mjs [FILE…]`.
 *
 * The smoke part is the test files of files.json, unchanged: those that need no child process and no other program.
 * `scripts/lib/smoke.mjs` makes JavaScript of them, so that they also run where Vitest cannot: in an emulator, on a
 * processor without AVX, beside an installed package. Prints a line for each file, every failure, and at the end
 * which package and instruction set was tested and how many tests passed.
 */

import { backendInfo } from '@elman/rnn'
import { startTests, type VitestRunner } from '@vitest/runner'
import { getTests } from '@vitest/runner/utils'
import files from './files.json'

// An emulator takes up to a hundred times as long.
const timeout = 600_000

const runner: VitestRunner = {
  config: {
    root: import.meta.dirname,
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: undefined,
    allowOnly: false,
    sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: timeout,
    hookTimeout: timeout,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: (path) => import(path),
}

async function runFile(name: string): Promise<{ passed: number; failed: number }> {
  const begin = performance.now()
  const module = `./${name.replaceAll('/', '-')}.test.mjs`
  const [file] = await startTests([new URL(module, import.meta.url).href], runner)
  const tests = getTests(file)
  const passed = tests.filter(({ result }) => result?.state === 'pass').length
  const failures = tests.filter(({ result, mode }) => mode === 'run' && result?.state !== 'pass')
  const errors = [file, ...failures].flatMap(({ name, result }) =>
    (result?.errors ?? []).map((error) => `${name}: ${error.stack ?? error.message}`),
  )
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  console.log(`${name.padEnd(32)}${String(passed).padStart(5)} passed${seconds.padStart(8)} s`)
  for (const error of errors) console.error(error)
  // A file that could not be read has no tests, and one error.
  return {
    passed,
    failed: Math.max(failures.length, tests.length === 0 ? 1 : 0, errors.length ? 1 : 0),
  }
}

async function main(): Promise<void> {
  const { version, isa, threads } = backendInfo()
  console.log(
    `@elman/rnn ${version}, ${isa}, ${threads} threads, Node ${process.version} ${process.arch}`,
  )
  const names = process.argv.length > 2 ? process.argv.slice(2) : files
  const sum = { passed: 0, failed: 0 }
  for (const name of names) {
    const { passed, failed } = await runFile(name)
    sum.passed += passed
    sum.failed += failed
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed`)
  // Without waiting for work in the background that a failed test has left.
  process.exit(sum.failed > 0 || sum.passed === 0 ? 1 : 0)
}

main()
