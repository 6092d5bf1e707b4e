/** Child processes, for programs that could end the process of the tests. */

import { spawnSync } from 'node:child_process'

/** How a process ended. */
export interface Ended {
  /** The exit code; null if a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

interface Options {
  env?: Readonly<Record<string, string>>
  /** Arguments of Node itself. */
  flags?: string[]
  /** The most memory that the process may ask for, in MiB. Linux only. */
  megabytes?: number
}

/** Runs the text of an ES module, which may import '@elman/rnn'. */
export function runModule(code: string, options: Options = {}): Ended {
  return runNode(['--input-type=module', '--eval', code], options)
}

/** Runs a TypeScript file. */
export function runFile(path: string, args: string[], options: Options = {}): Ended {
  return runNode(['--import', 'tsx', path, ...args], options)
}

function runNode(args: string[], { env = {}, flags = [], megabytes }: Options): Ended {
  const node = [process.execPath, ...flags, ...args]
  const limited = ['sh', '-c', `ulimit -v ${(megabytes ?? 0) * 1024} && exec "$0" "$@"`, ...node]
  const [program = '', ...rest] = megabytes === undefined ? node : limited
  const { status, signal, stdout, stderr } = spawnSync(program, rest, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  })
  return { status, signal, stdout, stderr }
}
