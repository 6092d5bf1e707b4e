/**
 * Makes JavaScript of the smoke part of the suite (test/platform/smoke), which any Node with the package can run.
 */

import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/** Where the program lies. Inside the repository, so that '@elman/rnn' is this one. */
const smokeFolder = join(root, 'out/smoke')

/** @returns {Promise<string>} the program to run */
export async function buildSmoke() {
  const { build } = await import('esbuild')
  const test = (...parts) => join(root, 'test', ...parts)
  const files = JSON.parse(readFileSync(test('platform/smoke/files.json'), 'utf8'))
  rmSync(smokeFolder, { recursive: true, force: true })
  await build({
    // All in one folder beside golden/, as deep as helpers/ is in test/.
    entryPoints: [
      { in: test('platform/smoke/main.ts'), out: 'main' },
      ...files.map((name) => ({
        in: test(`${name}.test.ts`),
        out: `${name.replaceAll('/', '-')}.test`,
      })),
    ],
    outdir: join(smokeFolder, 'suite'),
    bundle: true,
    // One copy of what several files use: the runner above all.
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    external: ['@elman/rnn'],
    alias: { vitest: test('platform/smoke/vitest.ts') },
    sourcemap: 'inline',
    logLevel: 'silent',
  })
  cpSync(test('golden'), join(smokeFolder, 'golden'), { recursive: true })
  return join(smokeFolder, 'suite/main.mjs')
}
