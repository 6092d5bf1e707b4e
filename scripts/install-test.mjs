/**
 * `npm run test:install -- [--all] [--addon FILE]`: the packages, from packing to training, as a user meets them.
 *
 * They are packed, published to a registry on loopback, and installed from there into an empty folder, without install
 * scripts and without Rust; then programs of test/platform/install are run. With --all on every runtime that is supported, else
 * on this Node. The addon is that of the working tree, or FILE; for other platforms there are placeholders, of which
 * none must be installed.
 */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkPackages, INSTALLED_LIMIT, inMB, sizeOf } from './lib/gates.mjs'
import { publishAll } from './lib/publish.mjs'
import { openRegistry } from './lib/registry.mjs'
import { fail, root, run, runNode, Stop } from './lib/run.mjs'
import { here, otherCompilers, otherRuntimes } from './lib/runtimes.mjs'
import { addonFile, platforms, stage } from './lib/stage.mjs'

let passed = 0

/** Runs a check and tells of it; it may give a word about what it saw. */
async function check(title, action) {
  const begin = performance.now()
  let detail
  try {
    detail = await action()
  } catch (error) {
    console.log(`failed  ${title}`)
    throw error
  }
  passed += 1
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  console.log(`${seconds.padStart(5)} s  ${title}${detail ? `: ${detail}` : ''}`)
}

/** This platform, as napi names it. */
async function thisPlatform() {
  const names = (await platforms()).filter((name) =>
    `${name}-`.startsWith(`${process.platform}-${process.arch}-`),
  )
  if (names.length <= 1) return names[0]
  const { glibcVersionRuntime } = process.report.getReport().header
  return names.find((name) => name.endsWith(glibcVersionRuntime ? 'gnu' : 'musl'))
}

const programs = ['cargo', 'rustc'].flatMap((name) => [name, `${name}.exe`])

/** The PATH without the folders that have Rust in them. */
function pathWithoutRust() {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !programs.some((name) => existsSync(join(folder, name))))
    .join(delimiter)
}

/** What is in a folder and looks like a package. */
function packagesIn(folder) {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(folder, name)).map((own) => `${name}/${own}`) : name,
    )
    .sort()
}

/** Type-checks and compiles programs as a user's project would. */
async function compile(project, files, options) {
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023'],
        strict: true,
        typeRoots: [join(root, 'node_modules/@types')],
        types: ['node'],
        ...options,
      },
      files,
    }),
  )
  await runNode(join(root, 'node_modules/typescript/bin/tsc'), ['-p', project])
}

async function installTest({ all, addon, platform, folder }) {
  const packages = []
  await check('packages by napi, packed', async () => {
    packages.push(...(await stage(join(folder, 'stage'), [addon], { placeholders: true })))
    return `${packages.length} of them`
  })
  await check('gates', async () => (await checkPackages(packages)).join('; '))

  const registry = await openRegistry(join(folder, 'registry'))
  try {
    const named = packages.map(({ folder: own, tarball }) => {
      const { name, version } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'))
      return { name, version, tarball }
    })
    await check('published to a registry on loopback', async () => {
      // As after a release that stopped half-way: what is there already is left alone.
      await publishAll(registry.npm, named.slice(0, 2))
      const { published, present } = await publishAll(registry.npm, named)
      if (present.length !== 2 || published.length !== named.length - 2) {
        throw new Stop(`published ${published.join(', ')}; there before: ${present.join(', ')}`)
      }
    })

    const project = join(folder, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true }))
    const env = { ...registry.env, PATH: pathWithoutRust() }
    // Windows looks for the variable in any case.
    delete env.Path
    const options = { cwd: project, env, bare: true }

    const modules = join(project, 'node_modules')
    const own = [`@elman/rnn`, `@elman/rnn-${platform}`]
    await check('npm install --ignore-scripts @elman/rnn, without Rust', async () => {
      const args = ['install', '--ignore-scripts', '@elman/rnn']
      await registry.npm(args, { cwd: project, env: { PATH: env.PATH } })
      const found = packagesIn(modules)
      if (found.join() !== own.join()) throw new Stop(`installed: ${found.join(', ')}`)
      const size = sizeOf(modules)
      if (size > INSTALLED_LIMIT) throw new Stop(`installed are ${inMB(size)}`)
      return `${own.join(' and ')}, ${inMB(size)} of ${inMB(INSTALLED_LIMIT)}`
    })

    cpSync(join(root, 'test/platform/install'), project, { recursive: true })
    await check('types with module nodenext, from ESM and CommonJS', () =>
      compile(project, ['typed.mts', 'typed.cts'], { module: 'nodenext' }),
    )
    await check('types with moduleResolution bundler', () =>
      compile(project, ['typed.mts'], {
        module: 'esnext',
        moduleResolution: 'bundler',
        noEmit: true,
      }),
    )

    const typeRoots = join(root, 'node_modules/@types')
    const installed = {
      name: 'this TypeScript',
      tsc: join(root, 'node_modules/typescript/bin/tsc'),
    }
    for (const { name, tsc } of [installed, ...(all ? await otherCompilers() : [])]) {
      await check(`types under strict options, by ${name}`, () =>
        runNode(tsc, ['-p', join(project, 'strict.json'), '--typeRoots', typeRoots]),
      )
    }

    const files = ['esm.mjs', 'cjs.cjs', 'typed.mjs', 'typed.cjs', 'worker.mjs']
    const runtimes = [here, ...(all ? await otherRuntimes() : [])]
    for (const { name, program, args } of runtimes) {
      for (const file of files) {
        await check(`${name} runs ${file}`, async () => {
          const output = await run(program, [...args, file], options)
          if (!output.endsWith('done\n')) throw new Stop(`${file} did not come to its end`, output)
        })
      }
    }

    rmSync(join(modules, `@elman/rnn-${platform}`), { recursive: true })
    for (const { name, program, args } of runtimes) {
      await check(`${name} names a package that is missing`, async () => {
        const error = await run(program, [...args, 'esm.mjs'], options).then(
          () => new Stop('there was no error'),
          (error) => error,
        )
        const remedy = `npm install @elman/rnn-${platform}@`
        if (!error.output.includes(remedy)) throw new Stop(`not told: ${remedy}`, error.output)
      })
    }
  } finally {
    await registry.close()
  }
}

const folder = mkdtempSync(join(tmpdir(), 'elman-install-'))
try {
  const { values } = parseArgs({
    options: { all: { type: 'boolean', default: false }, addon: { type: 'string' } },
  })
  const platform = await thisPlatform()
  if (platform === undefined) throw new Stop('there is no package for this platform')
  const addon = resolve(values.addon ?? join(root, addonFile(platform)))
  if (!existsSync(addon)) throw new Stop(`${addon} is missing: npm run build`)
  await installTest({ all: values.all, addon, platform, folder })
  console.log(`${passed} passed, 0 failed`)
} catch (error) {
  fail(error)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
