/** Further copies of the package in this process. */

import { readFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { basename, join } from 'node:path'
import { compileFunction, createContext, runInContext } from 'node:vm'

type Package = typeof import('@elman/rnn')

const nodeRequire = createRequire(import.meta.url)
const entry = nodeRequire.resolve('@elman/rnn')

/** What Jest and Vitest put into the contexts that tests run in: these are of Node's own realm. */
const globals = [
  ...['AbortController', 'AbortSignal', 'Buffer', 'DOMException', 'clearTimeout', 'performance'],
  ...['process', 'setTimeout', 'structuredClone'],
]

/** A context with the package in it. */
export interface Realm {
  readonly api: Package
  /** Runs JavaScript in it. */
  readonly run: (code: string) => unknown
}

/** Loads the package in a new context as Jest does: only JavaScript is evaluated there, no addon and no module of Node. */
export function newRealm(): Realm {
  const all = globalThis as unknown as Record<string, unknown>
  const parsingContext = createContext(Object.fromEntries(globals.map((name) => [name, all[name]])))
  const api = new Loader({ parsingContext }).load(entry) as Package
  return { api, run: (code) => runInContext(code, parsingContext) as unknown }
}

/**
 * Loads the package once more in this realm.
 *
 * @param folder where it takes itself to be. Default: where it is.
 */
export function secondCopy(folder?: string): Package {
  return new Loader({}, folder).load(entry) as Package
}

/** Node's loader of CommonJS in a few lines, with modules of its own. */
class Loader {
  readonly #modules = new Map<string, { exports: unknown }>()
  readonly #options: Parameters<typeof compileFunction>[2]
  readonly #folder: string | undefined

  constructor(options: Parameters<typeof compileFunction>[2], folder?: string) {
    this.#options = options
    this.#folder = folder
  }

  load(path: string): unknown {
    const known = this.#modules.get(path)
    if (known !== undefined) return known.exports
    const module = { exports: {} as unknown }
    this.#modules.set(path, module)
    const { resolve } = createRequire(path)
    const require = (name: string): unknown =>
      isBuiltin(name) || resolve(name).endsWith('.node')
        ? nodeRequire(isBuiltin(name) ? name : resolve(name))
        : this.load(resolve(name))
    const filename = this.#folder === undefined ? path : join(this.#folder, basename(path))
    compileFunction(
      readFileSync(path, 'utf8'),
      ['exports', 'require', 'module', '__filename', '__dirname'],
      { filename, ...this.#options },
    )(module.exports, require, module, filename, join(filename, '..'))
    return module.exports
  }
}
