/** What a script needs beyond Node and Rust: looked for first, and either installed or named. */

import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run, Stop } from './run.mjs'

/** Whether a program is on the PATH. */
export function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The first line of what a program prints, undefined if it cannot be run. */
export function firstLine(program, ...args) {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? stdout.split('\n')[0].trim() : undefined
}

/**
 * A compiler that has the standard library of a target: the one that cargo takes, or Debian's.
 *
 * @returns {string | undefined} what RUSTC should be
 */
export function rustcFor(triple) {
  return [process.env.RUSTC ?? 'rustc', '/usr/bin/rustc'].find((rustc) => {
    const folder = firstLine(rustc, '--print', 'target-libdir', '--target', triple)
    return folder !== undefined && existsSync(folder)
  })
}

/**
 * A thing that has to be there.
 *
 * @typedef {{ what: string, isThere: () => boolean, install: string[][] }} Need `install`: commands, for `--setup`
 */

/** Debian's packages, as root or through sudo. */
export function apt(packages, { architecture } = {}) {
  const root = process.getuid?.() === 0 ? [] : ['sudo']
  return [
    ...(architecture ? [[...root, 'dpkg', '--add-architecture', architecture]] : []),
    [...root, 'apt-get', 'update', '-q'],
    [...root, 'apt-get', 'install', '-y', '-q', '--no-install-recommends', ...packages],
  ]
}

/**
 * Sees that everything is there.
 *
 * @param {Need[]} needs
 * @param {{ setup: boolean, script: string }} options `setup`: install what is missing
 * @throws {Stop} naming what is missing, and the commands that bring it
 */
export async function meet(needs, { setup, script }) {
  const missing = needs.filter(({ isThere }) => !isThere())
  if (missing.length === 0) return
  if (setup) {
    for (const { what, install } of missing) {
      process.stderr.write(`Installing ${what}\n`)
      for (const [program, ...args] of install) await run(program, args)
    }
  }
  const still = missing.filter(({ isThere }) => !isThere())
  if (still.length === 0) return
  const how = still.map(
    ({ what, install }) => `- ${what}:\n${install.map((one) => `    ${one.join(' ')}`).join('\n')}`,
  )
  throw new Stop(
    `this is missing, and \`npm run ${script} -- --setup\` installs it:\n${how.join('\n')}`,
  )
}
