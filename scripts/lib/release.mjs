/**
 * The binary of one platform as it is published.
 *
 * On Linux it must load with an older C library than that of the machine that builds it: zig links it against the
 * symbols of glibc {@link GLIBC} (or of musl), through cargo-zigbuild, both from PyPI. Elsewhere it is a plain build.
 */

import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { compareVersions, neededGlibc, readElf } from './elf.mjs'
import { firstLine, onPath } from './needs.mjs'
import { root, runNode, Stop } from './run.mjs'

/** The oldest glibc that the package runs with: RHEL 7's, and what Rust's own standard library asks for. */
export const GLIBC = '2.17'

const zigFolder = join(root, 'target/zig')
const zigPackages = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']

/** The PATH with the zig of `--setup` before it. */
function zigPath() {
  return [join(zigFolder, 'bin'), process.env.PATH].join(delimiter)
}

/** @type {import('./needs.mjs').Need} */
export const zig = {
  what: `zig and cargo-zigbuild (${zigPackages.join(', ')})`,
  isThere: () =>
    existsSync(join(zigFolder, 'bin/cargo-zigbuild')) ||
    (onPath('cargo-zigbuild') &&
      (onPath('zig') || firstLine('python3', '-m', 'ziglang', 'version') !== undefined)),
  install: [
    ['python3', '-m', 'venv', zigFolder],
    [join(zigFolder, 'bin/pip'), 'install', '-q', ...zigPackages],
  ],
}

/** Whether a target's binary is linked by zig. */
export const needsZig = (triple) => triple.includes('-linux-')

/**
 * Compiles and links the addon for a target, and checks what it asks of the system.
 *
 * @param {string} triple one of `napi.targets` in package.json
 * @param {{ output: string, symbols?: boolean, env?: Record<string, string> }} options `output`: a folder for
 *   `elman.<platform>.node`; `symbols`: leave the names of functions in it
 * @returns {Promise<string>} the file
 */
export async function buildRelease(triple, { output, symbols = false, env = {} }) {
  mkdirSync(output, { recursive: true })
  const target = triple.endsWith('-linux-gnu') ? `${triple}.${GLIBC}` : triple
  const log = await runNode(
    join(root, 'node_modules/@napi-rs/cli/dist/cli.js'),
    [
      ...['build', '--platform', '--release', '--target', target, '--output-dir', output],
      ...['--no-js', '--dts', 'addon.d.ts', '--target-dir', join(root, 'target/release-builds')],
      ...(needsZig(triple) ? ['--cross-compile'] : []),
      ...['--', '--locked'],
    ],
    {
      env: {
        PATH: needsZig(triple) ? zigPath() : (process.env.PATH ?? ''),
        ...(symbols ? { CARGO_PROFILE_RELEASE_STRIP: 'none' } : {}),
        ...env,
      },
    },
  )
  const name = readdirSync(output).find((file) => /^elman\..*\.node$/.test(file))
  if (name === undefined) throw new Stop('napi build wrote no elman.<platform>.node', log)
  const file = join(output, name)
  if (triple.includes('-linux-')) checkLinux(file, triple)
  return file
}

/** The processors by the first part of a triple, as Node names them. */
const processors = { x86_64: 'x64', aarch64: 'arm64' }

/** The libraries of every system that Node runs on; libgcc and libstdc++ are not among them. */
const given = {
  gnu: /^(lib(c|m|dl|pthread|rt|util)\.so\.\d+|ld-linux-.*\.so\.\d+)$/,
  musl: /^lib(c\.so|c\.musl-.*\.so\.1)$/,
}

/**
 * Checks a binary for Linux: its processor, that it loads nothing beyond the C library, and that no symbol of that is
 * newer than the oldest glibc that is promised.
 *
 * @throws {Stop}
 */
export function checkLinux(file, triple) {
  return checkNeeds(file, readElf(file), triple)
}

/** {@link checkLinux} of what was read. */
export function checkNeeds(file, elf, triple) {
  const libc = triple.endsWith('musl') ? 'musl' : 'gnu'
  const processor = processors[triple.split('-')[0]]
  if (elf.arch !== processor) throw new Stop(`${file} is for ${elf.arch}, not for ${processor}`)
  const strange = elf.libraries.filter((name) => !given[libc].test(name))
  if (strange.length > 0) throw new Stop(`${file} needs ${strange.join(', ')}`)
  const glibc = neededGlibc(elf)
  if (libc === 'musl' && glibc) throw new Stop(`${file} is for musl, and needs glibc ${glibc}`)
  if (libc === 'gnu' && (!glibc || compareVersions(glibc, GLIBC) > 0)) {
    throw new Stop(`${file} needs glibc ${glibc}, and ${GLIBC} is promised`)
  }
  return { glibc, libraries: elf.libraries }
}
