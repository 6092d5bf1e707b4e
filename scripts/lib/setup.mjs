/**
 * Everything that has to be there before a program of this repository runs: the right tools, the npm
 * packages, the compiled addon and the compiled TypeScript. Each step looks first whether it is needed.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hidePrivateFields } from './declarations.mjs'
import { writeEntries } from './entries.mjs'
import { root, run, runNode, runNpm, Stop } from './run.mjs'

const inRoot = (...parts) => join(root, ...parts)

/** The oldest Node that package.json allows, as [major, minor]. */
function nodeFloor() {
  const { engines } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'))
  return engines.node.match(/\d+/g).map(Number)
}

/** Stops with a clear message when Node is too old or Rust is missing. */
export function checkTools() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [floorMajor, floorMinor] = nodeFloor()
  if (major < floorMajor || (major === floorMajor && minor < floorMinor)) {
    throw new Stop(
      `this needs Node.js ${floorMajor}.${floorMinor} or newer, and here runs ${process.version}`,
    )
  }
  if (!existsSync(inRoot('package-lock.json'))) {
    throw new Stop('package-lock.json is missing: this is not a complete checkout')
  }
}

/** Stops with a clear message when cargo cannot be found. */
function checkCargo() {
  if (spawnSync('cargo', ['--version'], { cwd: root }).status === 0) return
  const floor = readFileSync(inRoot('Cargo.toml'), 'utf8').match(/rust-version = "([^"]+)"/)?.[1]
  throw new Stop(
    `cargo was not found, and the addon is written in Rust: install Rust ${floor} or newer ` +
      '(https://rustup.rs), see that cargo is on the PATH, and run this again',
  )
}

/** The time of the last change under a path of the repository, 0 if there is nothing. */
function changed(path) {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) return 0
  if (!stats.isDirectory()) return stats.mtimeMs
  // A folder's own time tells of files that were added or removed.
  return readdirSync(path).reduce(
    (latest, name) => Math.max(latest, changed(join(path, name))),
    stats.mtimeMs,
  )
}

const newest = (...paths) => Math.max(...paths.map((path) => changed(inRoot(path))))

/** Installs the packages of package-lock.json, unless they are there. */
export const packages = {
  title: 'npm packages',
  isFresh: () => changed(inRoot('node_modules/.package-lock.json')) >= newest('package-lock.json'),
  // No package of ours needs its install script, so none is run.
  run: () => runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund']),
}

const rustSources = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src', 'crates', '.cargo']

/** Where napi puts the addon for this platform. */
function addonPath() {
  const name = readdirSync(root).find((file) => /^elman\..*\.node$/.test(file))
  return name === undefined ? undefined : inRoot(name)
}

/** Compiles the Rust addon; napi writes index.js, index.d.ts and elman.<platform>.node. */
export const addon = {
  title: 'Rust addon',
  isFresh: () => {
    const path = addonPath()
    return path !== undefined && changed(path) >= newest(...rustSources, 'package.json')
  },
  /** @param {string[]} [options] more of napi's options */
  run: async (options = []) => {
    checkCargo()
    const output = await runNode(inRoot('node_modules/@napi-rs/cli/dist/cli.js'), [
      ...['build', '--platform', '--release', '--js', 'index.js', '--dts', 'index.d.ts'],
      ...[...options, '--', '--locked'],
    ])
    const path = addonPath()
    if (path === undefined) throw new Stop('napi build wrote no elman.<platform>.node', output)
    return output
  },
}

/** Compiles ts/ to dist/: one CommonJS file, its types, and what require and import enter by. */
export const typescript = {
  title: 'TypeScript',
  isFresh: () =>
    // the last file that is written
    changed(inRoot('dist/index.d.mts')) >=
    newest(
      'ts',
      'tsconfig.json',
      'tsconfig.base.json',
      'index.d.ts',
      'package.json',
      'scripts/lib',
    ),
  run: async () => {
    rmSync(inRoot('dist'), { recursive: true, force: true })
    const output = await runNode(inRoot('node_modules/typescript/bin/tsc'), ['-p', 'tsconfig.json'])
    hidePrivateFields(inRoot('dist'))
    // Not before the packages are there.
    const { writeBundle } = await import('./bundle.mjs')
    await writeBundle(root)
    await writeEntries(inRoot('dist'))
    return output
  },
}

/** Writes the API pages to out/docs; typedoc.json says from what, and makes each warning an error. */
export const apiPages = {
  title: 'API pages',
  folder: inRoot('out/docs'),
  isFresh: () =>
    changed(inRoot('out/docs/assets/search.js')) >=
    newest(
      ...['ts', 'docs', 'scripts/typedoc', 'typedoc.json', 'package.json'],
      ...['README.md', 'CHANGELOG.md', 'examples/README.md'],
    ),
  run: () => runNode(inRoot('node_modules/typedoc/bin/typedoc'), []),
}

/** Runs cargo, with a message of our own where there is none. */
export function runCargo(args, options) {
  checkCargo()
  return run('cargo', args, options)
}

/**
 * Brings the repository to where its programs run. Says one line for each step that had something to do.
 */
export async function setUp() {
  checkTools()
  for (const step of [packages, addon, typescript]) {
    if (step.isFresh()) continue
    process.stderr.write(`Preparing: ${step.title} ... `)
    const begin = performance.now()
    try {
      await step.run()
    } catch (error) {
      process.stderr.write('failed\n')
      throw error
    }
    process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(1)} s\n`)
  }
}
