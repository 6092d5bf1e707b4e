/**
 * `npm run test:asan`: the smoke part of the public suite (test/platform/smoke) with an addon that AddressSanitizer watches.
 *
 * Every access of the addon's own code is checked against the memory that was allocated, by Rust or by Node: an
 * `ArrayBuffer` has guarded zones around it too. First two bad reads on purpose (test/platform/asan/probe.rs) must be found.
 *
 * The runtime is gcc's, loaded before Node. Leaks are not looked for, since Node leaves much when it ends;
 * `npm run test:leaks` does that. Vitest itself does not start under it, since its bundler is an addon too. `-- FILE…`
 * runs some files of tests alone, such as `files/files`.
 */

import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { apt, firstLine, meet } from './lib/needs.mjs'
import { fail, root, run, Stop } from './lib/run.mjs'
import { runCargo, setUp } from './lib/setup.mjs'
import { buildSmoke } from './lib/smoke.mjs'
import { step } from './lib/steps.mjs'

const triple = 'x86_64-unknown-linux-gnu'
const folder = join(root, 'target/asan')

/** gcc's runtime; only a name if there is none. */
const runtime = () => firstLine('gcc', '-print-file-name=libasan.so') ?? ''

/** @type {import('./lib/needs.mjs').Need[]} */
const needs = [
  {
    what: "gcc's runtime of AddressSanitizer",
    isThere: () => existsSync(runtime()),
    install: apt(['gcc']),
  },
]

/** The sanitizer is not a stable option of rustc, but works in a stable one. */
const building = { RUSTC_BOOTSTRAP: '1' }
const sanitize = '-Zsanitizer=address'

/**
 * Each check is a call instead of instructions in place, and variables on the stack have no guarded zones: else LLVM would
 * take half an hour for the kernels, whose tiles are inlined hundreds of times.
 */
const smaller = '-Cllvm-args=-asan-instrumentation-with-call-threshold=0 -Cllvm-args=-asan-stack=0'

/** What a process is run with. */
const watched = () => ({
  LD_PRELOAD: runtime(),
  ASAN_OPTIONS: [
    'detect_leaks=0',
    // Sizes that cannot be had are part of the tests: malloc must be able to refuse.
    'allocator_may_return_null=1',
    'max_allocation_size_mb=20000',
    'abort_on_error=0',
    'exitcode=99',
  ].join(':'),
})

async function buildProbe() {
  const probe = join(folder, 'probe.node')
  await run(
    process.env.RUSTC ?? 'rustc',
    [
      ...[
        join(root, 'test/platform/asan/probe.rs'),
        '--crate-type',
        'cdylib',
        '--edition',
        '2024',
        '-O',
      ],
      ...[sanitize, '--target', triple, '-o', probe],
    ],
    { env: building },
  )
  return probe
}

/** Shows that bad reads end the process with a report, and that good ones do not. */
async function checkProbe(probe) {
  const load = (name) =>
    run(process.execPath, ['-e', `require(${JSON.stringify(probe)})`], {
      env: { ...watched(), ELMAN_PROBE: name },
    })
  await load('none')
  for (const name of ['rust', 'node']) {
    const output = await load(name).then(
      () => '',
      (error) => error.output,
    )
    if (!/AddressSanitizer: heap-buffer-overflow/.test(output)) {
      throw new Stop(`the bad read of the probe '${name}' was not found`, output)
    }
  }
}

async function buildAddon() {
  await runCargo(
    ['build', '--release', '--locked', '--lib', '--target', triple, '--target-dir', folder],
    {
      env: {
        ...building,
        RUSTFLAGS: `${sanitize} ${smaller}`,
        CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
        CARGO_PROFILE_RELEASE_LTO: 'off',
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
        CARGO_PROFILE_RELEASE_STRIP: 'none',
        CARGO_PROFILE_RELEASE_DEBUG: 'line-tables-only',
      },
    },
  )
  const addon = join(folder, 'elman.node')
  copyFileSync(join(folder, triple, 'release/libelman_node.so'), addon)
  return addon
}

try {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Stop('this needs Linux on x64')
  const { values, positionals } = parseArgs({
    options: { setup: { type: 'boolean' } },
    allowPositionals: true,
  })
  await meet(needs, { setup: values.setup === true, script: 'test:asan' })
  await setUp()
  mkdirSync(folder, { recursive: true })
  await step('two bad reads are found', async () => checkProbe(await buildProbe()))
  const addon = await step('the addon, watched', buildAddon)
  const program = await step('the smoke tests', buildSmoke)
  await step('the smoke part of the public suite', () =>
    run(process.execPath, [program, ...positionals], {
      env: { ...watched(), NAPI_RS_NATIVE_LIBRARY_PATH: addon },
    }),
  )
} catch (error) {
  fail(error)
}
