/** A program whose bundler shortens all identifiers prints the same texts and messages as one that is not bundled. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'elman-minified-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Makes one object of every class, prints it, and passes it where it does not belong, so that a message names it. */
const program = `
  import { nn, optim, tensor, zeros, Tensor } from '@elman/rnn'
  import { inspect } from 'node:util'

  const { lrScheduler } = optim
  const rnn = new nn.RNN(2, 3, { numLayers: 2, dropout: 0.5 })
  const parameters = rnn.parameters()
  const optimizers = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop].map((O) => new O(parameters))
  const packed = nn.utils.rnn.packSequence([zeros([2, 2])])
  const objects = [
    rnn, new nn.LSTM(2, 3), new nn.GRU(2, 3), new nn.JordanRNN(2, 3, 1),
    new nn.RNNCell(2, 3), new nn.LSTMCell(2, 3), new nn.GRUCell(2, 3),
    new nn.Module(), new nn.Linear(2, 3), new nn.Embedding(2, 3), new nn.Dropout(),
    new nn.CrossEntropyLoss(), new nn.MSELoss(), new nn.L1Loss(), new nn.BCEWithLogitsLoss(),
    ...optimizers,
    new lrScheduler.StepLR(optimizers[0], 1),
    new lrScheduler.CosineAnnealingLR(optimizers[1], 1),
    new lrScheduler.ReduceLROnPlateau(optimizers[2]),
    zeros([2]), tensor([1], { dtype: 'int32' }), packed, rnn.stream(),
  ]
  class Several extends nn.Module { all = [new nn.Linear(2, 3), rnn] }
  Object.defineProperty(Several, 'name', { value: 'Several' })
  const message = (call) => {
    try { call() } catch ({ name, message }) { return name + ': ' + message }
  }
  console.log(JSON.stringify({
    exported: Object.entries({ ...nn, ...nn.utils.rnn, ...optim, ...lrScheduler, Tensor })
      .filter(([name, { name: own }]) => own !== undefined && own !== name),
    names: objects.map((object) => object.constructor.name),
    shown: objects.map((object) => inspect(object, { depth: 0 })),
    refused: objects.map((object) => message(() => zeros(object))),
    operations: [rnn.forward(zeros([2, 2])), parameters[0].mul(2).tanh()].map(String),
    model: String(new Several()),
    messages: [
      () => new nn.Module(1), () => new nn.RNN(2), () => new nn.RNN(2, 3, { num_layers: 1 }), () => zeros([2]).sum(0),
      () => rnn.loadStateDict(new Map()), () => new Several().loadStateDict(new Map()),
      () => rnn.forward(zeros([2])), () => optimizers[1].loadStateDict({}), () => new Tensor(),
    ].map(message),
  }))
`

async function outputOf(name: string, options: BuildOptions): Promise<unknown> {
  const outfile = join(folder, `${name}.${options.format === 'esm' ? 'mjs' : 'cjs'}`)
  await build({
    stdin: { contents: program, resolveDir: root },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile,
    logLevel: 'silent',
    // The loader of the addon looks for it beside itself.
    plugins: [
      {
        name: 'addon',
        setup({ onResolve }) {
          onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({
            path: join(root, 'index.js'),
            external: true,
          }))
        },
      },
    ],
    ...options,
  })
  const { stdout, stderr, status } = spawnSync(process.execPath, [outfile], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as unknown
}

let plain: unknown
beforeAll(async () => {
  plain = await outputOf('plain', {})
})

it('names classes without a bundler', () => {
  expect(plain).toMatchObject({
    exported: [],
    names: expect.arrayContaining(['RNN', 'LSTM', 'IntTensor', 'PackedSequence', 'RNNStream']),
    shown: expect.arrayContaining(['RNN(2, 3, num_layers=2, dropout=0.5)']),
    refused: expect.arrayContaining([expect.stringContaining('not StepLR')]),
    model: expect.stringContaining('Linear(in_features=2, out_features=3, bias=True)'),
  })
})

it.each<[string, BuildOptions]>([
  ['minified', { minify: true }],
  ['with short identifiers', { minifyIdentifiers: true }],
  [
    'as a module',
    {
      minify: true,
      format: 'esm',
      mainFields: ['module', 'main'],
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)',
      },
    },
  ],
])('%s', async (name, options) => {
  expect(await outputOf(name, options)).toEqual(plain)
})
