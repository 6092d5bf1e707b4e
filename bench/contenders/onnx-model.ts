/** A stack of recurrent layers as an ONNX model: one node a layer, with the benchmark's numbers as weights. */

import { onnx } from 'onnx-proto'
import type { Numbers } from '../lib/numbers'
import { type Cell, cellFacts, inputFeatures, type Shape } from '../lib/shape'

const { AttributeProto, ModelProto, TensorProto } = onnx
const { FLOAT, INT64 } = TensorProto.DataType

/** Where ONNX's gates are among torch's: i, o, f, c among i, f, g, o, and z, r, h among r, z, n. */
const gateOrder: Record<Cell, readonly number[]> = { rnn: [0], gru: [1, 0, 2], lstm: [0, 3, 1, 2] }

/**
 * The model as bytes. Inputs: `input` (T, B, I) and for each layer `hx_0`, … (D, B, H), of an LSTM also `cx_0`, …;
 * outputs: `output` (T, B, D·H) and for each layer `hN_0`, … (D, B, H) and `cN_0`, ….
 */
export function onnxModel(shape: Shape, numbers: Numbers): Uint8Array {
  const { T, B, I, H, L, D, cell } = shape
  const { gates, states } = cellFacts[cell]
  const nodes: onnx.INodeProto[] = []
  const initializers: onnx.ITensorProto[] = []
  const layers = Array.from({ length: L }, (_, layer) => layer)

  const weights = (layer: number, kinds: readonly string[], size: readonly number[]): string => {
    const name = `${kinds.join('_and_')}_l${layer}`
    const parts = directions(layer, D).flatMap((place) =>
      kinds.flatMap((kind) => {
        const values = numbers.parameters.get(`${kind}_${place}`)?.values ?? new Float64Array()
        const size = values.length / gates
        return gateOrder[cell].map((gate) => values.subarray(gate * size, (gate + 1) * size))
      }),
    )
    initializers.push({
      name,
      dims: [...size],
      dataType: FLOAT,
      rawData: new Uint8Array(Float32Array.from(parts.flatMap((part) => [...part])).buffer),
    })
    return name
  }

  let below = 'input'
  for (const layer of layers) {
    const features = inputFeatures(shape, layer)
    nodes.push({
      opType: cellFacts[cell].title,
      input: [
        below,
        weights(layer, ['weight_ih'], [D, gates * H, features]),
        weights(layer, ['weight_hh'], [D, gates * H, H]),
        weights(layer, ['bias_ih', 'bias_hh'], [D, 2 * gates * H]),
        '', // every sequence is as long as the input
        ...states.map((state) => `${state}x_${layer}`),
      ],
      output: [`Y_${layer}`, ...states.map((state) => `${state}N_${layer}`)],
      attribute: [
        attribute('hidden_size', { type: AttributeProto.AttributeType.INT, i: H }),
        attribute('direction', {
          type: AttributeProto.AttributeType.STRING,
          s: new TextEncoder().encode(D === 2 ? 'bidirectional' : 'forward'),
        }),
        // The reset gate is applied to the projected state, as torch does.
        ...(cell === 'gru'
          ? [attribute('linear_before_reset', { type: AttributeProto.AttributeType.INT, i: 1 })]
          : []),
      ],
    })
    // (T, D, B, H) → (T, B, D·H)
    const above = layer === L - 1 ? 'output' : `output_${layer}`
    nodes.push(
      {
        opType: 'Transpose',
        input: [`Y_${layer}`],
        output: [`transposed_${layer}`],
        attribute: [
          attribute('perm', { type: AttributeProto.AttributeType.INTS, ints: [0, 2, 1, 3] }),
        ],
      },
      { opType: 'Reshape', input: [`transposed_${layer}`, 'rows'], output: [above] },
    )
    below = above
  }
  initializers.push({
    name: 'rows',
    dims: [3],
    dataType: INT64,
    rawData: new Uint8Array(BigInt64Array.from([T, B, D * H], BigInt).buffer),
  })

  const ports = (kind: string) =>
    states.flatMap((state) => layers.map((layer) => port(`${state}${kind}_${layer}`, [D, B, H])))
  const model = ModelProto.create({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 14 }],
    producerName: '@elman/bench',
    graph: {
      name: 'rnn',
      node: nodes,
      initializer: initializers,
      input: [port('input', [T, B, I]), ...ports('x')],
      output: [port('output', [T, B, D * H]), ...ports('N')],
    },
  })
  return ModelProto.encode(model).finish()
}

/** The places of a layer's parameters in their names: `l0`, `l0_reverse`. */
function directions(layer: number, D: number): string[] {
  return D === 2 ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]
}

function attribute(name: string, value: onnx.IAttributeProto): onnx.IAttributeProto {
  return { name, ...value }
}

/** An input or output of the model. */
function port(name: string, size: readonly number[]): onnx.IValueInfoProto {
  const dim = size.map((value) => ({ dimValue: value }))
  return { name, type: { tensorType: { elemType: FLOAT, shape: { dim } } } }
}
