/**
 * Running programs for the scripts of this folder: quietly, with the output shown only if they fail.
 */

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root, where programs are started. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The programs that are running. @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set()

/** Ends all programs that are running. */
export function stopAll() {
  for (const child of children) child.kill()
}

/** An error to be told in one line, without a stack. */
export class Stop extends Error {
  /** @param {string} message @param {string} [output] what the failing program wrote */
  constructor(message, output = '') {
    super(message)
    this.output = output
  }
}

/**
 * Runs a program to its end and gives what it wrote.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, bare?: boolean, cwd?: string }} [options] with `bare`, `env` is all of the
 *   environment, not only what is added to it
 * @returns {Promise<string>} standard output and standard error, in the order of arrival
 * @throws {Stop} when the program is missing or fails
 */
export function run(command, args, { env = {}, bare = false, cwd = root } = {}) {
  const name = [command, ...args.slice(0, 1)].map((part) => basename(part)).join(' ')
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: {
        ...(bare ? {} : process.env),
        ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.add(child)
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.stderr.on('data', (chunk) => chunks.push(chunk))

    // A signal ends the child first, then this process, with the exit code that shells use.
    const pass = (signal) => {
      child.kill(signal)
      process.exit(128 + constants.signals[signal])
    }
    process.on('SIGINT', pass).on('SIGTERM', pass)

    const done = () => {
      children.delete(child)
      process.off('SIGINT', pass).off('SIGTERM', pass)
      return Buffer.concat(chunks).toString()
    }
    child.on('error', (error) => {
      done()
      reject(new Stop(`${command} could not be started: ${error.message}`))
    })
    child.on('close', (code, signal) => {
      const output = done()
      if (code === 0) resolve(output)
      else reject(new Stop(`${name} ended with ${signal ?? `exit code ${code}`}`, output))
    })
  })
}

/** Runs a JavaScript program of node_modules with this Node, without a shell between. */
export function runNode(file, args, options) {
  return run(process.execPath, [file, ...args], options)
}

/** Runs npm, the one that started this script where there is one. */
export function runNpm(args, options) {
  const npm = process.env.npm_execpath
  if (npm?.endsWith('.js')) return runNode(npm, args, options)
  return run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, options)
}

/** Ends the process after an error: one line for a {@link Stop}, the stack for anything else. */
export function fail(error) {
  if (error instanceof Stop) {
    if (error.output) console.error(error.output.trimEnd())
    console.error(`error: ${error.message}`)
  } else {
    console.error(error)
  }
  process.exitCode = 1
}
