/**
 * Loads the compiled addon through napi's loader. If there is none, the error says what to do.
 *
 * Each platform has a package with its addon, listed in `optionalDependencies`; a package manager installs the one that
 * fits. It is missing if optional packages were left out, or if node_modules or the lock file was made on another
 * platform.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { types } from 'node:util'
import { ofThisRealm } from './realm'

/** The version of this package, put in by scripts/lib/bundle.mjs. */
declare const PACKAGE_VERSION: string

type Addon = typeof import('../index.js')

/** @throws Error that names the missing package and the remedy. */
export function loadAddon(): Addon {
  let addon: Addon
  try {
    addon = ofThisRealm(require('../index.js') as Addon)
  } catch (error) {
    throw new Error(explain(messages(error)), { cause: error })
  }
  // This call reads ELMAN_ISA and ELMAN_NUM_THREADS too: a wrong value makes the import fail, not a later call.
  checkVersion(addon.backendInfo().version)
  return addon
}

/** The platform packages of the published package.json; undefined in the working tree (docs/release.md). */
function platformPackages(): string[] | undefined {
  // Read, not required: not every loader put in front of Node's can load JSON.
  const manifest = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8'))
  return manifest.optionalDependencies && Object.keys(manifest.optionalDependencies)
}

/** The error at each place where napi's loader looked, the latest first. */
function messages(error: unknown): string[] {
  const found: string[] = []
  // The outermost error is the loader's general advice about npm.
  let cause = types.isNativeError(error) ? error.cause : undefined
  for (; types.isNativeError(cause); cause = cause.cause)
    found.push(cause.message.split('\n', 1)[0] ?? '')
  // The loader looks for a WebAssembly package on every platform; there is none.
  const native = found.filter((message) => !message.includes('wasi'))
  return native.length > 0 ? native : [String(error)]
}

function explain(messages: readonly string[]): string {
  const packages = platformPackages()
  const platform = `${process.platform}-${process.arch}`
  const absent = (message: string) => message.startsWith('Cannot find ')
  const reason = messages.find((message) => !absent(message)) ?? messages.at(-1)

  const override = process.env.NAPI_RS_NATIVE_LIBRARY_PATH
  if (override) {
    return `@elman/rnn could not load ${override}, which NAPI_RS_NATIVE_LIBRARY_PATH names: ${reason}`
  }
  if (packages === undefined) {
    return (
      `@elman/rnn: this folder holds the sources, but no compiled addon that loads on ${platform}; ` +
      `run \`npm run build\` in it (${reason})`
    )
  }

  // The names that the loader tried show the platform and its C library (glibc or musl).
  const tried = [...messages.join('\n').matchAll(/elman\.([\w-]+)\.node/g)].map(([, name]) => name)
  const wanted = packages.find((name) => tried.some((suffix) => name === `@elman/rnn-${suffix}`))
  if (wanted === undefined) {
    return (
      `@elman/rnn has no compiled part for ${platform}; there are packages for ` +
      `${packages.map((name) => name.replace('@elman/rnn-', '')).join(', ')}. On other platforms, ` +
      'build it from source with Rust.'
    )
  }
  if (messages.some((message) => absent(message) && message.includes(`'${wanted}'`))) {
    return (
      `@elman/rnn needs the package ${wanted}, which holds its compiled part for this platform and is not ` +
      'installed. It is an optional dependency: install without --omit=optional (--no-optional). If ' +
      'node_modules or the lock file comes from another platform, remove both and install again on this one. ' +
      `Or install it by name: npm install ${wanted}@${PACKAGE_VERSION}`
    )
  }
  return `@elman/rnn: the package ${wanted} is installed, but could not be loaded: ${reason}`
}

function checkVersion(ofAddon: string): void {
  if (ofAddon === PACKAGE_VERSION) return
  throw new Error(
    `@elman/rnn is of version ${PACKAGE_VERSION}, but its compiled part of ${ofAddon}: reinstall it`,
  )
}
