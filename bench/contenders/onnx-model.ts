/** A stack of recurrent layers as an ONNX model: one RNN node a layer, with the benchmark's numbers as weights. */

import { onnx } from 'onnx-proto'
import type { Numbers } from '../lib/numbers'
import { inputFeatures, type Shape } from '../lib/shape'

const { AttributeProto, ModelProto, TensorProto } = onnx
const { FLOAT, INT64 } = TensorProto.DataType

/**
 * The model as bytes. Inputs: `input` (T, B, I) and for each layer `hx_0`, … (D, B, H); outputs: `output`
 * (T, B, D·H) and for each layer `hN_0`, … (D, B, H).
 */
export function onnxModel(shape: Shape, numbers: Numbers): Uint8Array {
  const { T, B, I, H, L, D } = shape
  const nodes: onnx.INodeProto[] = []
  const initializers: onnx.ITensorProto[] = []
  const states = Array.from({ length: L }, (_, layer) => layer)

  const weights = (layer: number, kinds: readonly string[], size: readonly number[]): string => {
    const name = `${kinds.join('_and_')}_l${layer}`
    const parts = directions(layer, D).flatMap((place) =>
      kinds.map((kind) => numbers.parameters.get(`${kind}_${place}`)?.values ?? []),
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
  for (const layer of states) {
    const features = inputFeatures(shape, layer)
    nodes.push({
      opType: 'RNN',
      input: [
        below,
        weights(layer, ['weight_ih'], [D, H, features]),
        weights(layer, ['weight_hh'], [D, H, H]),
        weights(layer, ['bias_ih', 'bias_hh'], [D, 2 * H]),
        '', // every sequence is as long as the input
        `hx_${layer}`,
      ],
      output: [`Y_${layer}`, `hN_${layer}`],
      attribute: [
        attribute('hidden_size', { type: AttributeProto.AttributeType.INT, i: H }),
        attribute('direction', {
          type: AttributeProto.AttributeType.STRING,
          s: new TextEncoder().encode(D === 2 ? 'bidirectional' : 'forward'),
        }),
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

  const state = (kind: string) => states.map((layer) => port(`${kind}_${layer}`, [D, B, H]))
  const model = ModelProto.create({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 14 }],
    producerName: '@elman/bench',
    graph: {
      name: 'rnn',
      node: nodes,
      initializer: initializers,
      input: [port('input', [T, B, I]), ...state('hx')],
      output: [port('output', [T, B, D * H]), ...state('hN')],
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
