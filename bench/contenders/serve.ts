/**
 * The process of a contender that runs in Node: `serve.ts NAME SETTINGS`. Answers requests as peers/serve.py does,
 * until standard input ends.
 */

import { createInterface } from 'node:readline'
import { timed } from '../lib/timed'
import type { Reply, Request } from './child'
import { type Library, type Ready, Refusal, type Settings } from './contender'

/** A module that a contender lives in; each is loaded in its own process only. */
type Open = (settings: Settings) => Library | Refusal | Promise<Library | Refusal>

const openers: Record<string, () => Open> = {
  ours: () => () => require('./ours').open('ours'),
  tape: () => () => require('./ours').open('tape'),
  ort: () => require('./onnxruntime').open,
  tfjs: () => require('./tfjs').open,
  padded: () => () => require('./ragged').open('padded'),
  lengths: () => () => require('./ragged').open('lengths'),
  packed: () => () => require('./ragged').open('packed'),
}

async function open(name: string, settings: Settings): Promise<Library | Refusal> {
  try {
    const opened = await openers[name]?.()(settings)
    return opened ?? new Refusal('there is no contender of this name')
  } catch (error) {
    return new Refusal(`it cannot be loaded: ${String(error).split('\n')[0]}`)
  }
}

async function serve(name: string, settings: Settings): Promise<void> {
  const library = await open(name, settings)
  const works: (Ready | undefined)[] = []

  const answer = async (request: Request): Promise<Reply> => {
    if (library instanceof Refusal) return { refusal: library.reason }
    if (request.do === 'version') return { version: library.version }
    if (request.do === 'prepare') {
      const ready = await library.prepare(request)
      if (ready instanceof Refusal) return { refusal: ready.reason }
      return { work: works.push(ready) - 1, probe: ready.probe }
    }
    const ready = works[request.work]
    if (ready === undefined) return { error: 'there is no such work' }
    if (request.do === 'sample') {
      ready.begin?.()
      return { times: await timed(ready.call, request.calls, request.samples) }
    }
    works[request.work] = undefined
    await ready.dispose?.()
    return {}
  }

  for await (const line of createInterface(process.stdin)) {
    const reply = await answer(JSON.parse(line)).catch((error) => ({ error: String(error) }))
    process.stdout.write(`${JSON.stringify(reply)}\n`)
  }
  process.exit()
}

const [name = '', settings = '{}'] = process.argv.slice(2)
serve(name, JSON.parse(settings))
