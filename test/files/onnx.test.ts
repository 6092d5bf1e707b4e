/** exportOnnx: ONNX Runtime gives the numbers of forward, with any flags, sequence length and batch. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportOnnx, nn, noGrad, type Tensor, zeros } from '@elman/rnn'
import { afterAll, describe, expect, it } from 'vitest'
import { errorOf, expectClose, filled } from '../helpers/numbers'
import { type Loaded, onnxRuntimes, type Result } from '../helpers/onnxruntimes'
import { elmanCore } from '../helpers/recurrent-calls'

/** Sums of up to 13 products of numbers around 1, through 7 steps and 3 layers, and two approximations of tanh. */
const tolerance = 5e-6

const flags = [1, 2, 3].flatMap((numLayers) =>
  [false, true].flatMap((bidirectional) =>
    [false, true].flatMap((bias) =>
      [false, true].flatMap((batchFirst) =>
        (['tanh', 'relu'] as const).map((nonlinearity) => ({
          numLayers,
          bidirectional,
          bias,
          batchFirst,
          nonlinearity,
        })),
      ),
    ),
  ),
)

type Recurrent = nn.RNN | nn.LSTM | nn.GRU

/** Output and states of forward in one list; h0 and c0 may be left out. */
function run(rnn: Recurrent, input: Tensor, states: Tensor[] = []): Tensor[] {
  return noGrad(() => {
    if (!(rnn instanceof nn.LSTM)) return rnn.forward(input, states[0])
    const [h, c] = states
    const [output, hN] = rnn.forward(input, h && [h, c])
    return [output, ...hN]
  })
}

function expectSame(results: Record<string, Result>, expected: readonly Tensor[]): void {
  for (const [place, name] of Object.keys(results).entries()) {
    const wanted = expected[place]
    expect(results[name].dims, name).toEqual(wanted.shape)
    expectClose(results[name].data, wanted.data, tolerance)
  }
}

describe.each(onnxRuntimes)('%s', (_, load) => {
  it.each(flags)('%o', async (options) => {
    const [I, H] = [5, 4]
    const rnn = new nn.RNN(I, H, options)
    const model = await load(exportOnnx(rnn))
    expect(model.inputNames).toEqual(['input', 'h0'])
    expect(model.outputNames).toEqual(['output', 'hN'])
    const groups = options.numLayers * (options.bidirectional ? 2 : 1)
    // One loaded model takes any number of steps and sequences.
    for (const [T, B] of [
      [1, 1],
      [7, 3],
      [2, 6],
    ]) {
      const input = filled(options.batchFirst ? [B, T, I] : [T, B, I], T)
      const h0 = filled([groups, B, H], B)
      expectSame(
        await model.run({ input, h0 }),
        noGrad(() => rnn.forward(input, h0)),
      )
      expectSame(
        await model.run({ input, h0: zeros([groups, 1, H]) }),
        noGrad(() => rnn.forward(input)),
      )
    }
  })

  const gated = flags
    .filter(({ nonlinearity }) => nonlinearity === 'tanh')
    .map(({ nonlinearity: _, ...options }) => options)

  it.each(gated)('LSTM and GRU, %o', async (options) => {
    const [I, H] = [5, 4]
    const groups = options.numLayers * (options.bidirectional ? 2 : 1)
    for (const rnn of [new nn.LSTM(I, H, options), new nn.GRU(I, H, options)]) {
      const names = rnn instanceof nn.LSTM ? ['h', 'c'] : ['h']
      const model = await load(exportOnnx(rnn))
      expect(model.inputNames).toEqual(['input', ...names.map((name) => `${name}0`)])
      expect(model.outputNames).toEqual(['output', ...names.map((name) => `${name}N`)])
      for (const [T, B] of [
        [1, 1],
        [7, 3],
      ]) {
        const input = filled(options.batchFirst ? [B, T, I] : [T, B, I], T)
        const states = names.map((_, place) => filled([groups, B, H], B + 10 * place))
        const feeds = (of: Tensor[]) =>
          Object.fromEntries(names.map((name, place) => [`${name}0`, of[place]]))
        expectSame(await model.run({ input, ...feeds(states) }), run(rnn, input, states))
        const zero = names.map(() => zeros([groups, 1, H]))
        expectSame(await model.run({ input, ...feeds(zero) }), run(rnn, input))
      }
    }
  })

  it('wider LSTM and GRU', async () => {
    const options = { numLayers: 2, bidirectional: true }
    for (const rnn of [new nn.LSTM(40, 33, options), new nn.GRU(40, 33, options)]) {
      const model = await load(exportOnnx(rnn))
      const [input, h0, c0] = [filled([9, 5, 40], 1), filled([4, 5, 33], 2), filled([4, 5, 33], 3)]
      const feeds = rnn instanceof nn.LSTM ? { input, h0, c0 } : { input, h0 }
      expectSame(await model.run(feeds), run(rnn, input, [h0, c0]))
    }
  })

  it('carries a state from one part of a sequence to the next', async () => {
    const rnn = new nn.RNN(3, 4, { numLayers: 2 })
    const model = await load(exportOnnx(rnn))
    const input = filled([6, 2, 3], 1)
    const [whole] = noGrad(() => rnn.forward(input))
    const first = await model.run({ input: input.narrow(0, 0, 2), h0: zeros([2, 1, 4]) })
    const h0 = zeros([2, 2, 4])
    h0.data.set(first.hN.data)
    const second = await model.run({ input: input.narrow(0, 2, 4), h0 })
    expectClose([...first.output.data, ...second.output.data], whole.data, tolerance)
  })

  it('wider layers, after training mode and dropout', async () => {
    const rnn = new nn.RNN(40, 33, { numLayers: 2, dropout: 0.5, bidirectional: true })
    const model: Loaded = await load(exportOnnx(rnn))
    const [input, h0] = [filled([9, 5, 40], 1), filled([4, 5, 33], 2)]
    rnn.eval()
    expectSame(
      await model.run({ input, h0 }),
      noGrad(() => rnn.forward(input, h0)),
    )
  })
})

describe('exportOnnx', () => {
  const folder = mkdtempSync(join(tmpdir(), 'elman-onnx-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('takes the weights as they are, and gives a file of its own each time', () => {
    const rnn = new nn.RNN(2, 3)
    const before = exportOnnx(rnn)
    expect(exportOnnx(rnn)).toEqual(before)
    rnn.weight_hh_l0.data[0] += 1
    expect(exportOnnx(rnn)).not.toEqual(before)
    rnn.weight_hh_l0.data[0] = Number.NaN // is a number like others
    expect(exportOnnx(rnn).length).toBe(before.length)
    expect(exportOnnx(rnn)).toBeInstanceOf(Uint8Array)
  })

  it('writes the same bytes to a file, as a whole or not at all', () => {
    const rnn = new nn.RNN(2, 3)
    const path = join(folder, 'model.onnx')
    writeFileSync(path, 'what was there before')
    const bytes = exportOnnx(rnn, { path })
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes)
    expect(readdirSync(folder)).toEqual(['model.onnx'])
    expect(() => exportOnnx(rnn, { path: join(folder, 'no', 'model.onnx') })).toThrow('ENOENT')
    expect(() => exportOnnx(rnn, { path: folder })).toThrow()
    expect(readdirSync(folder)).toEqual(['model.onnx'])
  })

  it.each<[string, unknown[], string]>([
    ['no module', [3], "argument 'rnn' must be nn.RNN, nn.LSTM or nn.GRU, not 3"],
    ['nothing', [], "argument 'rnn' must be nn.RNN, nn.LSTM or nn.GRU, not undefined"],
    [
      'another module',
      [new nn.Linear(1, 1)],
      "argument 'rnn' must be nn.RNN, nn.LSTM or nn.GRU, not Linear",
    ],
    [
      'a Proxy',
      [new Proxy(new nn.RNN(1, 1), {})],
      "argument 'rnn' must be nn.RNN, nn.LSTM or nn.GRU, not RNN",
    ],
    ['no path', [new nn.RNN(1, 1), { path: 3 }], 'path should be a string, got: 3'],
    ['an option', [new nn.RNN(1, 1), { file: '' }], "unexpected keyword argument 'file'"],
    ['a path', [new nn.RNN(1, 1), 'model.onnx'], 'expected an object of options'],
    [
      'float64',
      [new nn.RNN(1, 1, { dtype: 'float64' })],
      "expected a module of float32, which is what ONNX Runtime's RNN computes in, got float64",
    ],
  ])('refuses %s', (_, args, message) => {
    const error = errorOf(() => Reflect.apply(exportOnnx, undefined, args))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toContain(message)
  })

  it('refuses a projection, which ONNX does not have', () => {
    const lstm = new nn.LSTM(3, 4, { projSize: 2 })
    expect(errorOf(() => exportOnnx(lstm))).toEqual(
      new TypeError(
        "exportOnnx(): expected an LSTM without a projection, which ONNX's LSTM does not have, got proj_size=2",
      ),
    )
    expect(() => exportOnnx(new nn.LSTM(3, 4, { dtype: 'float64' }))).toThrow(
      "expected a module of float32, which is what ONNX Runtime's LSTM computes in, got float64",
    )
  })

  it('refuses parameters that do not fit, in the addon too', () => {
    const rnn = new nn.RNN(2, 3)
    rnn.weight_hh_l0 = zeros([4, 4], { requiresGrad: true })
    expect(() => exportOnnx(rnn)).toThrow(RangeError)
    const core = elmanCore({ hiddenSize: 2, bias: false })
    const weights = [2, 4].map((length) => new Float32Array(length))
    expect(core.serializeOnnx(weights, false).length).toBeGreaterThan(100)
    expect(() => core.serializeOnnx([...weights, weights[0]], false)).toThrow(
      'expected 2 parameters, got 3',
    )
    expect(() => core.serializeOnnx(weights.toReversed(), false)).toThrow(
      'parameter 0 must have 2 elements, got 4',
    )
  })
})
