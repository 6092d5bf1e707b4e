/**
 * tfjs with its WebAssembly backend, which is what trains in Node without a native library: a training step of
 * SimpleRNN or LSTM layers by `variableGrads`. Its GRU resets the state before the projection, where torch and ONNX
 * reset what comes out of it: another function, which is not measured.
 *
 * Its layers have one bias, which gets the sum of ours; where there are two, both have the same gradient.
 */

import * as tf from '@tensorflow/tfjs'
import '@tensorflow/tfjs-backend-wasm'
import { type Fingerprint, fingerprint, numbersOf, type Values } from '../lib/numbers'
import { cellFacts, inputFeatures, type Shape } from '../lib/shape'
import { timed } from '../lib/timed'
import {
  type Library,
  type Probe,
  type Ready,
  Refusal,
  type Settings,
  type Work,
} from './contender'

/** A prefix of so many steps tells beforehand what a long sequence costs: the cost grows with T. */
const prefix = 8

export async function open({ patience }: Settings): Promise<Library | Refusal> {
  const ready = await quietly(() => tf.setBackend('wasm'))
  if (!ready) return new Refusal('its WebAssembly backend did not start')
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')
  return {
    version: `tfjs ${tf.version.tfjs}, wasm${simd ? ' with SIMD' : ''}`,
    prepare: (work) => prepare(work, patience),
  }
}

/**
 * Starts a backend without its recommendation of others, and without the handlers for uncaught errors that come with
 * it: they would print its whole source.
 */
async function quietly<T>(start: () => Promise<T>): Promise<T> {
  const { warn } = console
  console.warn = () => {}
  const events = ['uncaughtException', 'unhandledRejection']
  const before = events.map((event) => process.listeners(event as 'exit'))
  const result = await start()
  console.warn = warn
  events.forEach((event, index) => {
    for (const listener of process.listeners(event as 'exit')) {
      if (!before[index]?.includes(listener)) process.off(event, listener)
    }
  })
  return result
}

async function prepare({ shape, dtype }: Work, patience: number): Promise<Ready | Refusal> {
  if (dtype !== 'float32') return new Refusal(`it knows no ${dtype}`)
  if (shape.cell === 'gru') return new Refusal('its GRU computes something else')

  if (shape.T > 2 * prefix) {
    const short = network({ ...shape, T: prefix })
    await short.step()
    const [milliseconds = 0] = await timed(() => short.step(), 1, 1)
    short.dispose()
    const seconds = ((milliseconds / 1000) * shape.T) / prefix
    if (seconds > patience) return new Refusal(`a step would take about ${seconds.toFixed(0)} s`)
  }
  const whole = network(shape)
  return {
    probe: await whole.probe(),
    call: () => whole.step(),
    dispose: () => whole.dispose(),
  }
}

/** A network; what is made on the way to its variables is let go. */
function network(shape: Shape): Network {
  tf.engine().startScope()
  const made = new Network(shape)
  tf.engine().endScope()
  return made
}

interface Layer {
  readonly rnn: tf.RNN
  /** hx, and of an LSTM cx */
  readonly begin: readonly tf.Variable[]
  /** where the reverse half begins */
  readonly reverse: boolean
  readonly name: string
}

/** A stack of recurrent layers; batch first, as tfjs wants it. */
class Network {
  readonly #input: tf.Variable
  readonly #gradient: tf.Variable
  /** for each layer its directions */
  readonly #layers: Layer[][]
  readonly #states: readonly string[]

  constructor(shape: Shape) {
    const { B, H, L, D, cell } = shape
    this.#states = cellFacts[cell].states
    const numbers = numbersOf(shape)
    // The gradient of taking apart a sequence of one step is broken, so none is asked for.
    this.#input = tf.variable(batchFirst(numbers.input), shape.T > 1)
    this.#gradient = tf.variable(batchFirst(numbers.gradient), false)
    this.#layers = Array.from({ length: L }, (_, layer) =>
      Array.from({ length: D }, (_, direction) => {
        const name = `l${layer}${direction === 1 ? '_reverse' : ''}`
        const options = {
          units: H,
          returnSequences: true,
          returnState: true,
          goBackwards: direction === 1,
          recurrentInitializer: 'zeros', // the default one takes long, and all are set below
        } as const
        const rnn =
          cell === 'lstm'
            ? tf.layers.lstm({ ...options, recurrentActivation: 'sigmoid' })
            : tf.layers.simpleRNN(options)
        const begin = numbers.states.map(({ values }) => {
          const state = values.subarray((layer * D + direction) * B * H).subarray(0, B * H)
          return tf.variable(tf.tensor2d(Float32Array.from(state), [B, H]))
        })
        rnn.apply([tf.zeros([B, 1, inputFeatures(shape, layer)]), ...begin]) // makes the weights
        const get = (kind: string) => numbers.parameters.get(`${kind}_${name}`) ?? numbers.input
        rnn.setWeights([
          tf.transpose(matrix(get('weight_ih'))),
          tf.transpose(matrix(get('weight_hh'))),
          tf.add(vector(get('bias_ih')), vector(get('bias_hh'))),
        ])
        return { rnn, begin, reverse: direction === 1, name }
      }),
    )
  }

  /** Output (B, T, D·H), and the last states of all layers, a list for h and one for c. */
  #forward(): { output: tf.Tensor; states: tf.Tensor[][] } {
    let output: tf.Tensor = this.#input
    const states: tf.Tensor[][] = this.#states.map(() => [])
    for (const directions of this.#layers) {
      const halves = directions.map(({ rnn, begin, reverse }) => {
        const [half, ...last] = rnn.apply([output, ...begin]) as [tf.Tensor3D, ...tf.Tensor[]]
        last.forEach((state, index) => {
          states[index]?.push(state)
        })
        return reverse ? tf.reverse(half, 1) : half
      })
      output = halves.length === 1 ? (halves[0] ?? output) : tf.concat(halves, 2)
    }
    return { output, states }
  }

  /** Everything that a gradient is wanted of. */
  #variables(): [name: string, variable: tf.Variable][] {
    return [
      ...(this.#input.trainable ? [['input', this.#input] as [string, tf.Variable]] : []),
      ...this.#layers.flat().flatMap(({ rnn, begin, name }): [string, tf.Variable][] => {
        const weights = rnn.trainableWeights.map((weight) => weight.read() as tf.Variable)
        const [kernel, recurrent, bias] = weights
        if (!kernel || !recurrent || !bias) throw new Error('a layer has three weights')
        return [
          ...begin.map((state, index): [string, tf.Variable] => [
            `${this.#states[index]}x_${name}`,
            state,
          ]),
          [`weight_ih_${name}`, kernel],
          [`weight_hh_${name}`, recurrent],
          [`bias_ih_${name}`, bias],
        ]
      }),
    ]
  }

  #gradients(): { value: tf.Scalar; grads: tf.NamedTensorMap } {
    return tf.variableGrads(
      () => tf.sum(tf.mul(this.#forward().output, this.#gradient)) as tf.Scalar,
      this.#variables().map(([, variable]) => variable),
    )
  }

  /** A training step: the gradients, read. */
  async step(): Promise<void> {
    const { value, grads } = this.#gradients()
    await Promise.all(Object.values(grads).map((gradient) => gradient.data()))
    tf.dispose([value, grads])
  }

  /** Fingerprints in the layout of the others: time first, weights (out, in). */
  async probe(): Promise<Probe> {
    const { output, states } = tf.tidy(() => {
      const { output, states } = this.#forward()
      return { output: timeFirst(output), states }
    })
    const probe: Record<string, Fingerprint> = {
      output: fingerprint(await output.data()),
    }
    const joined = async (parts: readonly tf.Tensor[]) =>
      fingerprint(...(await Promise.all(parts.map((part) => part.data()))))
    for (const [index, state] of this.#states.entries())
      probe[`${state}N`] = await joined(states[index] ?? [])
    const { value, grads } = this.#gradients()
    const begin = new Map(this.#states.map((state) => [`${state}x`, [] as tf.Tensor[]]))
    for (const [name, variable] of this.#variables()) {
      const gradient = grads[variable.name]
      if (!gradient) throw new Error(`tfjs gave no gradient of ${name}`)
      const state = begin.get(name.slice(0, 2))
      if (state) state.push(gradient)
      else probe[name] = fingerprint(await timeFirst(gradient).data())
    }
    for (const [name, gradients] of begin) probe[name] = await joined(gradients)
    tf.dispose([output, states, value, grads])
    return probe
  }

  dispose(): void {
    tf.dispose([this.#input, this.#gradient])
    for (const { rnn, begin } of this.#layers.flat()) {
      rnn.dispose()
      for (const state of begin) state.dispose()
    }
  }
}

function matrix({ shape, values }: Values): tf.Tensor2D {
  return tf.tensor2d(Float32Array.from(values), shape as [number, number])
}

function vector({ values }: Values): tf.Tensor1D {
  return tf.tensor1d(Float32Array.from(values))
}

/** (T, B, …) as (B, T, …). */
function batchFirst({ shape, values }: Values): tf.Tensor3D {
  const tensor = tf.tensor3d(Float32Array.from(values), shape as [number, number, number])
  return tf.transpose(tensor, [1, 0, 2])
}

/** The other way: also (in, out) as (out, in), and a vector as it is. */
function timeFirst(tensor: tf.Tensor): tf.Tensor {
  return tensor.rank === 1 ? tensor : tf.transpose(tensor, [1, 0, 2].slice(0, tensor.rank))
}
