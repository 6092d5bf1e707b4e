/**
 * Peers in Python: programs of peers/. Each number of threads has a process of its own, because JAX reads it at its
 * start.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Child } from './child'
import { type Contender, Refusal, type Settings } from './contender'

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
export async function openPython(
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

  const first = childFor(name === 'torch' ? 1 : availableParallelism())
  if (first instanceof Refusal) return first
  const version = await first.version()
  if (version instanceof Refusal) return new Refusal(`${python}: ${version.reason}`)
  return {
    name,
    version,
    async prepare(work) {
      const child = childFor(work.threads)
      return child instanceof Refusal ? child : child.prepare(work)
    },
    close() {
      for (const child of children.values()) child.close()
    },
  }
}
