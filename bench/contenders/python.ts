/**
 * Peers in Python: programs of peers/ that live as long as the benchmark, so that they can take turns with the others.
 * Each number of threads has a process of its own, because JAX reads it at its start.
 */

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  type Contender,
  type Prepared,
  type Probe,
  Refusal,
  type Settings,
  type Work,
} from './contender'

/** What a program answers: the fields that belong to the request. */
interface Reply {
  refusal?: string
  version?: string
  work?: number
  probe?: Probe
  times?: number[]
}

/** A running program of peers/. */
class Child {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = []
  #errors = ''

  constructor(command: string, args: readonly string[], env: Record<string, string>) {
    this.#process = spawn(command, args, { env: { ...process.env, ...env } })
    this.#process.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000)
    })
    createInterface(this.#process.stdout).on('line', (line) => this.#waiting.shift()?.resolve(line))
    this.#process.on('error', ({ message }) => this.#fail(message))
    this.#process.on('close', () => this.#fail(this.#errors || 'it ended'))
    this.#process.stdin.on('error', () => {}) // told by 'close'
  }

  #fail(message: string): void {
    const lastLine = message.trim().split('\n').at(-1)
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(lastLine))
  }

  async request(message: object): Promise<Reply> {
    const line = await new Promise<string>((resolve, reject) => {
      if (this.#process.exitCode !== null) return reject(new Error(this.#errors || 'it has ended'))
      this.#waiting.push({ resolve, reject })
      this.#process.stdin.write(`${JSON.stringify(message)}\n`)
    })
    return JSON.parse(line)
  }

  close(): void {
    this.#process.stdin.end()
  }
}

/** Starts a program with a number of threads. */
type Start = (python: string, threads: number) => Child | Refusal

const script = (name: string) => join(__dirname, '../peers', name)

/** PyTorch is told by itself and by the variable of OpenMP. */
const startTorch: Start = (python, threads) =>
  new Child(python, [script('torch_rnn.py'), String(threads)], { OMP_NUM_THREADS: String(threads) })

/** JAX takes as many threads as it has processors, so it is given so many. */
const startJax: Start = (python, threads) => {
  const env = { JAX_PLATFORMS: 'cpu', NPROC: String(threads) }
  if (threads >= availableParallelism()) return new Child(python, [script('jax_rnn.py')], env)
  if (spawnSync('taskset', ['--version']).error) {
    return new Refusal(`to hold it to ${threads} of the processors, taskset is needed`)
  }
  const processors = allowedProcessors().slice(0, threads).join(',')
  return new Child('taskset', ['-c', processors, python, script('jax_rnn.py')], env)
}

/** The numbers of the processors that this process may use (Linux). */
function allowedProcessors(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const list = status.match(/^Cpus_allowed_list:\s*(\S+)/m)?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** Opens a peer by its first process. */
export async function open(
  name: 'torch' | 'jax',
  { python }: Settings,
): Promise<Contender | Refusal> {
  if (python === undefined) return new Refusal('--python names no Python that has it')
  const start = name === 'torch' ? startTorch : startJax
  const children = new Map<number, Child>()
  const childFor = (threads: number): Child | Refusal => {
    const child = children.get(threads) ?? start(python, threads)
    if (child instanceof Child) children.set(threads, child)
    return child
  }

  const threads = name === 'torch' ? 1 : availableParallelism()
  const first = childFor(threads)
  if (first instanceof Refusal) return first
  const { refusal, version } = await first.request({ do: 'version' }).catch((error: Error) => ({
    refusal: `${python}: ${error.message}`,
    version: undefined,
  }))
  if (version === undefined) return new Refusal(refusal ?? 'it does not tell its version')

  return {
    name,
    version,
    async prepare({ threads, ...work }) {
      const child = childFor(threads)
      return child instanceof Refusal ? child : prepare(child, work)
    },
    close() {
      for (const child of children.values()) child.close()
    },
  }
}

async function prepare(child: Child, request: Omit<Work, 'threads'>): Promise<Prepared | Refusal> {
  const { work, probe, refusal } = await child.request({ do: 'prepare', ...request })
  if (refusal !== undefined) return new Refusal(refusal)
  return {
    probe: probe ?? {},
    async sample(calls, samples) {
      return (await child.request({ do: 'sample', work, calls, samples })).times ?? []
    },
    async dispose() {
      await child.request({ do: 'dispose', work })
    },
  }
}
