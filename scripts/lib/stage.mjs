/**
 * The packages as they are published: @elman/rnn, and one for each platform with the addon in it.
 *
 * They are made by napi's own commands, in a folder apart. Its `pre-publish` writes the platform packages into
 * `optionalDependencies`; in the working tree that would break `npm ci`, since package-lock.json would name packages
 * of a version that is not published yet.
 */

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { root, runNode, runNpm, Stop } from './run.mjs'

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))
const writeJson = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)

/** The platforms, as napi names them in files and packages. */
export async function platforms() {
  const { parseTriple } = await import('@napi-rs/cli')
  const { targets } = readJson(join(root, 'package.json')).napi
  return targets.map((triple) => parseTriple(triple).platformArchABI)
}

/** The addon's file name on a platform. */
export const addonFile = (platform) => `elman.${platform}.node`

/** The addons in a folder and the folders within: downloaded artifacts have one each. */
export function addonsIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^elman\..*\.node$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** package.json as users get it: without what only this repository needs. */
function publishedManifest() {
  const { devDependencies, overrides, scripts, ...manifest } = readJson(join(root, 'package.json'))
  // npm checks the origin of a package against this field, and here it cannot be wrong.
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env
  if (GITHUB_SERVER_URL && GITHUB_REPOSITORY) {
    manifest.repository = {
      type: 'git',
      url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git`,
    }
  }
  return manifest
}

/**
 * Makes all packages.
 *
 * @param {string} folder where to; emptied first
 * @param {string[]} addons elman.<platform>.node for every platform
 * @param {{ placeholders?: boolean }} [options] whether an addon that is missing is made up, as a file that no platform
 *   loads: for tests of the installation on this one
 * @returns {Promise<{ folder: string, tarball: string }[]>} the platform packages first: @elman/rnn can be installed only
 *   after them
 */
export async function stage(folder, addons, { placeholders = false } = {}) {
  rmSync(folder, { recursive: true, force: true })
  const [main, artifacts, tarballs] = ['rnn', 'addons', 'tarballs'].map((name) =>
    join(folder, name),
  )
  for (const path of [main, artifacts, tarballs]) mkdirSync(path, { recursive: true })

  const manifest = publishedManifest()
  for (const name of ['README.md', ...manifest.files]) {
    if (!existsSync(join(root, name))) throw new Stop(`${name} is missing: npm run build`)
    cpSync(join(root, name), join(main, name), { recursive: true })
  }
  writeJson(join(main, 'package.json'), manifest)

  for (const file of addons) copyFileSync(file, join(artifacts, basename(file)))
  for (const platform of placeholders ? await platforms() : []) {
    const file = join(artifacts, addonFile(platform))
    if (!existsSync(file)) writeFileSync(file, `no addon: a placeholder for ${platform}\n`)
  }

  const cli = join(root, 'node_modules/@napi-rs/cli/dist/cli.js')
  const napi = (...args) => runNode(cli, [...args, '--cwd', main])
  await napi('create-npm-dirs')
  await napi('artifacts', '--output-dir', artifacts)
  await napi('pre-publish', '--skip-optional-publish', '--no-gh-release')

  const { napi: _, ...published } = readJson(join(main, 'package.json'))
  writeJson(join(main, 'package.json'), published)
  const folders = readdirSync(join(main, 'npm')).map((platform) => join(main, 'npm', platform))
  const licences = manifest.files.filter((name) => name.startsWith('LICENSE'))
  for (const path of folders) {
    for (const name of licences) copyFileSync(join(root, name), join(path, name))
    const platformManifest = readJson(join(path, 'package.json'))
    platformManifest.files.push(...licences)
    writeJson(join(path, 'package.json'), { ...platformManifest, type: 'commonjs' })
  }

  const all = [...folders, main]
  await runNpm(['pack', ...all, '--pack-destination', tarballs, '--ignore-scripts'])
  return all.map((path) => {
    const { name, version } = readJson(join(path, 'package.json'))
    const tarball = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
    return { folder: path, tarball: join(tarballs, tarball) }
  })
}
