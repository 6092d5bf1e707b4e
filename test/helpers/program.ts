/** A program as a child process like a user's: run to its end, or until Ctrl-C. */

import { spawn } from 'node:child_process'

export interface Ended {
  exitCode: number | null
  stdout: string
  stderr: string
}

/** Runs Node to its end; sends SIGINT, once, as soon as `interrupt` says so of what it has written. */
export function runNode(args: string[], interrupt?: (stdout: string) => boolean): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk
    })
    const look = (): void => {
      if (!interrupt?.(stdout)) return
      clearInterval(watch)
      child.kill('SIGINT')
    }
    const watch = interrupt && setInterval(look, 2)
    child.on('error', reject)
    child.on('close', (exitCode) => {
      clearInterval(watch)
      resolve({ exitCode, stdout, stderr })
    })
  })
}

/** Runs a program of examples/, without the set-up of scripts/example.mjs: the tests run on what is built. */
export function runExample(
  name: string,
  args: string[],
  interrupt?: (stdout: string) => boolean,
): Promise<Ended> {
  return runNode(['--require', 'tsx/cjs', `examples/${name}/main.ts`, ...args], interrupt)
}
