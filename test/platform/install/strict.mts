/** What a program of a user with strict compiler options has to be able to write. */

import {
  type DType,
  exportOnnx,
  getRngState,
  loadSafetensors,
  nn,
  noGrad,
  optim,
  randn,
  saveCheckpoint,
  serializeSafetensors,
  type Tensor,
  tensor,
  zeros,
} from '@elman/rnn'

class Tagger extends nn.Module {
  embedding = new nn.Embedding(10, 3)
  rnn: nn.RNN | nn.GRU
  head = new nn.Linear(4, 2)

  constructor(kind: 'RNN' | 'GRU', options: nn.RNNOptions) {
    super()
    this.rnn = new nn[kind](3, 4, options)
  }

  forward(words: readonly number[], hx?: Tensor | null): [Tensor, Tensor] {
    const input = this.embedding.forward(tensor(words.slice(), { dtype: 'int32' }))
    const [output, hN] = this.rnn.forward(input, hx)
    return [this.head.forward(output), hN]
  }
}

export function parameters(layers: number): number[] {
  const rnn = new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true })
  rnn.bias_ih_l0.data.fill(1, 4, 8)
  rnn.bias_hh_l1_reverse.data.fill(0)
  const { weight_hh_l0, weight_hh_l1 } = rnn
  const any = new nn.GRU(3, 4, { numLayers: layers })
  const sums = [weight_hh_l0, weight_hh_l1, any.weight_ih_l0, any.bias_hh_l0].map(({ data }) =>
    data.reduce((sum, value) => sum + value),
  )
  const cell = new nn.LSTMCell(3, 4)
  const second: nn.GRUParameterName = `weight_ih_l${1}`
  return [...sums, any[second]?.numel ?? 0, cell.bias_hh.data[0] ?? 0]
}

export async function bytes(): Promise<number> {
  const file = serializeSafetensors(new nn.RNN(3, 4).stateDict())
  const hash = await crypto.subtle.digest('SHA-256', file)
  const state: Uint8Array = getRngState()
  const x = randn([2])
  const blob = new Blob([file, hash, state.slice(), x.data, tensor([1], { dtype: 'int32' }).data])
  const response = new Response(exportOnnx(new nn.LSTM(3, 4)))
  return blob.size + (await response.arrayBuffer()).byteLength
}

export function numbers(): number {
  const x = zeros([2, 3], { dtype: 'float64' })
  const doubled = x.toArray().map((row) => row.map((value) => 2 * value))
  const rows: number[][] = x.toArray()
  const mean: number = x.mean().toArray()
  const loaded = loadSafetensors('model.safetensors').get('weight')
  const first = loaded?.dtype === 'float64' ? loaded.data.at(0) : loaded?.data[0]
  return (x.toArray()[0]?.[1] ?? 0) + doubled.length + rows.length + mean + (first ?? 0)
}

export function train(model: Tagger): Map<string, Tensor> {
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 })
  const [scores] = model.forward([1, 2, 3])
  const loss = new nn.CrossEntropyLoss().forward(scores, tensor([0, 1, 0], { dtype: 'int32' }))
  loss.backward()
  optimizer.step()
  const largest = (weights: readonly Tensor<DType>[]) =>
    Math.max(...weights.flatMap(({ data }) => [...data]))
  saveCheckpoint({ model, optimizer, extra: { largest: largest(model.parameters()) } }, 'file')
  return noGrad(() => model.stateDict())
}

train(new Tagger('GRU', { numLayers: 2, dropout: 0.1 }))
