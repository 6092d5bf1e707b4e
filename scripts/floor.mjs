/**
 * `npm run test:floor`: the package for linux-x64-gnu on the oldest system that it is published for.
 *
 * 1. The addon as it is published asks for no glibc beyond the one that is promised, and for no other library.
 * 2. Instructions beyond the x86-64 baseline stand only in functions that run after the processor was asked.
 * 3. The smoke part of the public suite (test/platform/smoke) passes on an emulated Nehalem, which has no AVX, and on an
 *    emulated Haswell, which has AVX2; each time on the instruction set that this processor should get.
 *
 * `--setup` installs what is missing; without it the script says what is. `--addon FILE` tests that one instead, which
 * must not be stripped of the names of its functions for 2.
 */

import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { newerInstructions } from './lib/instructions.mjs'
import { apt, meet, onPath } from './lib/needs.mjs'
import { buildRelease, checkLinux, zig } from './lib/release.mjs'
import { fail, root, run, Stop } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'
import { buildSmoke } from './lib/smoke.mjs'
import { step } from './lib/steps.mjs'

const triple = 'x86_64-unknown-linux-gnu'
const emulator = 'qemu-x86_64'

/** The processors that are emulated, and the instruction set that each should get. */
const processors = [
  ['Nehalem', 'scalar'],
  ['Haswell', 'avx2'],
]

/** Functions that are called only where the processor has what they use. */
const dispatched = [
  // The kernels: the tokens of crates/kernels/src/simd are made after detection alone.
  /^<elman_kernels::simd::(avx2|avx512)::Avx\w+ as elman_kernels::simd::vector::Simd<f(32|64)>>::vectorize::inner$/,
  // Libraries and Rust's own, each behind a detection of its own.
  /^memchr::arch::x86_64::/,
  /^compiler_builtins::math::libm_math::arch::x86::fma::fmaf?_with_fma4?$/,
  /^core::core_arch::x86::xsave::_xgetbv/,
]

/** @type {import('./lib/needs.mjs').Need[]} */
const needs = [
  {
    what: "qemu's emulator of programs",
    isThere: () => onPath(emulator),
    install: apt(['qemu-user']),
  },
  { what: 'objdump', isThere: () => onPath('objdump'), install: apt(['binutils']) },
]

async function checkInstructions(addon) {
  const found = await newerInstructions(addon)
  const outside = [...found].filter(([name]) => !dispatched.some((one) => one.test(name)))
  if (outside.length > 0) {
    const lines = outside.map(([name, mnemonics]) => `${name}: ${[...mnemonics].join(', ')}`)
    throw new Stop(
      `instructions beyond the baseline outside the dispatched kernels`,
      lines.join('\n'),
    )
  }
  // Without these the check would have looked at nothing.
  for (const isa of ['avx2', 'avx512']) {
    if (![...found.keys()].some((name) => name.startsWith(`<elman_kernels::simd::${isa}::`))) {
      throw new Stop(`no kernel for ${isa} was found in ${addon}`)
    }
  }
  return [...found.keys()].sort().join('\n')
}

async function emulate(processor, isa, { program, addon }) {
  const output = await run(emulator, ['-cpu', processor, process.execPath, '--jitless', program], {
    // More threads than the machine has processors would only make the emulator slower.
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: addon, ELMAN_NUM_THREADS: '2' },
  })
  if (!output.includes(`, ${isa}, `)) throw new Stop(`${processor} should run ${isa}`, output)
  return output
}

try {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Stop('this needs Linux on x64')
  const { setup, addon: given } = parseArgs({
    options: { setup: { type: 'boolean' }, addon: { type: 'string' } },
  }).values
  await meet(given ? needs : [...needs, zig], { setup: setup === true, script: 'test:floor' })
  await setUp()
  const addon = given
    ? resolve(given)
    : await step('the addon, with the names of its functions', () =>
        buildRelease(triple, { output: join(root, 'out/floor'), symbols: true }),
      )
  await step('what it needs of the system', () => {
    const { glibc, libraries } = checkLinux(addon, triple)
    return `glibc ${glibc}; ${libraries.join(', ')}`
  })
  await step('functions with instructions beyond the baseline', () => checkInstructions(addon))
  const program = await step('the smoke tests', buildSmoke)
  for (const [processor, isa] of processors) {
    await step(`the smoke part of the suite on ${processor}`, () =>
      emulate(processor, isa, { program, addon }),
    )
  }
} catch (error) {
  fail(error)
}
