/**
 * The declarations in a program with strict compiler options, declarations of libraries included. Older compilers get
 * the same program in `npm run test:install -- --all`.
 */

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const folder = 'test/platform/install'

/** What the compiler says with the options of strict.json. */
function compile(...args: string[]): string {
  const tsc = ['node_modules/typescript/bin/tsc', ...args]
  return spawnSync(process.execPath, tsc, { encoding: 'utf8' }).stdout
}

it('a program with strict options compiles', () => {
  expect(compile('-p', join(folder, 'strict.json'))).toBe('')
})

it('what a mistake is can be read in the error', () => {
  const { compilerOptions } = JSON.parse(readFileSync(join(folder, 'strict.json'), 'utf8'))
  const options = Object.entries(compilerOptions).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ])
  const errors = compile(join(folder, 'wrong.mts'), '--ignoreConfig', ...options)
    .trimEnd()
    .split(/\n(?! )/)
    .map((error) => error.replace(/^.*?: error /, '').split(/\n */))
  expect(errors).toEqual([
    [
      "TS2345: Argument of type 'IntTensor' is not assignable to parameter of type 'Tensor<DType>'.",
      expect.stringMatching(
        /^Type 'IntTensor' is missing .* from type 'Tensor<DType>': requiresGrad, grad, /,
      ),
    ],
    [
      "TS2345: Argument of type 'Tensor<\"float32\">' is not assignable to parameter of type 'IntTensor'.",
      "Types of property 'dtype' are incompatible.",
      'Type \'"float32"\' is not assignable to type \'"int32"\'.',
    ],
    [
      'TS2345: Argument of type \'Tensor<"float64">\' is not assignable to parameter of type \'Tensor<"float32">\'.',
      'Type \'"float64"\' is not assignable to type \'"float32"\'.',
    ],
    ["TS2532: Object is possibly 'undefined'."],
    [
      "TS4111: Property 'weight_hh_l7' comes from an index signature, so it must be accessed with ['weight_hh_l7'].",
    ],
    [
      "TS2353: Object literal may only specify known properties, and 'projSize' does not exist in type 'RNNOptions<\"float32\", 2, true, boolean>'.",
    ],
  ])
})

it('the declarations have nothing that an older compiler lacks, and no #private, which errors would name', () => {
  const declarations = readdirSync('dist', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts'))
    .map((name) => join('dist', name))
  expect(declarations.length).toBeGreaterThan(50)
  for (const path of [...declarations, 'index.d.ts']) {
    // The comments name the types that the declarations spell in another way.
    const text = readFileSync(path, 'utf8').replace(/\/\*.*?\*\//gs, '')
    expect(text, path).not.toMatch(/#private|(Int|Uint|Float)\d+Array</)
  }
})
