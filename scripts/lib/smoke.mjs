/**
 * Makes JavaScript of the smoke part of the suite (test/smoke), which any Node with the package can run.
 */

import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/** Where the program lies: `node out/smoke/main.mjs`. Inside the repository, so that '@elman/rnn' is this one. */
export const smokeFolder = join(root, 'out/smoke')

/** @returns {Promise<string>} the program to run */
export async function buildSmoke() {
  const { build } = await import('esbuild')
  const test = (...parts) => join(root, 'test', ...parts)
  const files = JSON.parse(readFileSync(test('smoke/files.json'), 'utf8'))
  rmSync(smokeFolder, { recursive: true, force: true })
  await build({
    entryPoints: [test('smoke/main.ts'), ...files.map((name) => test(`${name}.test.ts`))],
    outdir: smokeFolder,
    entryNames: '[name]',
    bundle: true,
    // One copy of what several files use: the runner above all.
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    external: ['@elman/rnn'],
    alias: { vitest: test('smoke/vitest.ts') },
    sourcemap: 'inline',
    logLevel: 'silent',
  })
  cpSync(test('golden'), join(smokeFolder, 'golden'), { recursive: true })
  return join(smokeFolder, 'main.mjs')
}
