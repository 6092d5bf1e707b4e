/**
 * A contender's process, and the conversation with it: one line of JSON each way on its standard input and output, as
 * peers/serve.py tells.
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type Prepared, type Probe, Refusal, type Work } from './contender'

/** What is asked. */
export type Request =
  | { do: 'version' }
  | ({ do: 'prepare' } & Work)
  | { do: 'sample'; work: number; calls: number; samples: number }
  | { do: 'dispose'; work: number }

/** What is answered: the fields that belong to the request. */
export interface Reply {
  error?: string
  refusal?: string
  version?: string
  work?: number
  probe?: Probe
  times?: number[]
}

export class Child {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = []
  #errors = ''
  #ended = false

  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#process = spawn(command, args, { env: { ...process.env, ...env } })
    this.#process.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000)
    })
    createInterface(this.#process.stdout).on('line', (line) => this.#waiting.shift()?.resolve(line))
    this.#process.on('error', ({ message }) => {
      this.#errors = message
      this.#end()
    })
    this.#process.on('close', () => this.#end())
    this.#process.stdin.on('error', () => {}) // told by 'close'
  }

  #end(): void {
    this.#ended = true
    for (const { reject } of this.#waiting.splice(0)) reject(this.#reason())
  }

  /** The last line that it wrote is the one that says what was wrong. */
  #reason(): Error {
    return new Error(this.#errors.trim().split('\n').at(-1) || 'its process has ended')
  }

  async request(request: Request): Promise<Reply> {
    const line = await new Promise<string>((resolve, reject) => {
      if (this.#ended) return reject(this.#reason())
      this.#waiting.push({ resolve, reject })
      this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    })
    const reply: Reply = JSON.parse(line)
    if (reply.error !== undefined) throw new Error(reply.error)
    return reply
  }

  /** The version of what runs in the process; Refusal if it cannot be had. */
  async version(): Promise<string | Refusal> {
    try {
      const { version, refusal } = await this.request({ do: 'version' })
      return version ?? new Refusal(refusal ?? 'it does not tell its version')
    } catch (error) {
      return new Refusal((error as Error).message)
    }
  }

  async prepare(request: Work): Promise<Prepared | Refusal> {
    const { work, probe, refusal } = await this.request({ do: 'prepare', ...request })
    if (work === undefined || probe === undefined)
      return new Refusal(refusal ?? 'it gave no reason')
    return {
      probe,
      sample: async (calls, samples) =>
        (await this.request({ do: 'sample', work, calls, samples })).times ?? [],
      dispose: async () => {
        await this.request({ do: 'dispose', work })
      },
    }
  }

  close(): void {
    this.#process.stdin.end()
  }
}
