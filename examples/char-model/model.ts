/** The network, and how it writes. */

import { type IntTensor, nn, noGrad, rand, type Tensor, tensor } from '@elman/rnn'
import type { Vocabulary } from './text'

/** The recurrent layers that there are, as the command line and people call them. */
export const cells = { rnn: 'Elman RNN', lstm: 'LSTM', gru: 'GRU' } as const

export type Cell = keyof typeof cells

export interface Sizes {
  cell: Cell
  embedding: number
  hidden: number
  layers: number
}

/** The states of the recurrent layers. */
export type Memory = Tensor[]

const classes = { rnn: nn.RNN, lstm: nn.LSTM, gru: nn.GRU }

/** Characters → vectors → recurrent layers → a score for every character that may come next. */
export class CharModel extends nn.Module {
  readonly embedding: nn.Embedding
  readonly rnn: nn.RNN | nn.LSTM | nn.GRU
  readonly head: nn.Linear

  constructor(characters: number, { cell, embedding, hidden, layers }: Sizes) {
    super()
    this.embedding = new nn.Embedding(characters, embedding)
    this.rnn = new classes[cell](embedding, hidden, { numLayers: layers })
    this.head = new nn.Linear(hidden, characters)
  }

  /**
   * @param characters (T, B)
   * @param memory what the network remembers: h, and c of an LSTM, (layers, B, H) each; nothing at the start of a text
   * @returns the scores (T, B, characters), and what it remembers now
   */
  forward(characters: IntTensor, memory: Memory | null): [Tensor, Memory] {
    const [output, last] = this.#recur(this.embedding.forward(characters), memory)
    return [this.head.forward(output), last]
  }

  #recur(input: Tensor, memory: Memory | null): [Tensor, Memory] {
    const [h, c] = memory ?? []
    if (this.rnn instanceof nn.LSTM) return this.rnn.forward(input, h && c && [h, c])
    const [output, last] = this.rnn.forward(input, h)
    return [output, [last]]
  }
}

/**
 * Lets the model write: it draws a character from its own guess, reads it, and draws the next.
 *
 * @param temperature below 1 it dares less, above 1 more; at 0 it always takes the likeliest
 */
export function write(
  model: CharModel,
  vocabulary: Vocabulary,
  length: number,
  temperature: number,
): string {
  return noGrad(() => {
    let written = ''
    let memory: Memory | null = null
    let number = vocabulary.characters.includes('\n') ? vocabulary.encode('\n')[0] : 0
    for (let i = 0; i < length; i++) {
      const input = tensor([[number ?? 0]], { dtype: 'int32' })
      const [scores, last]: [Tensor, Memory] = model.forward(input, memory)
      number = draw(scores.data, temperature)
      memory = last
      written += vocabulary.character(number)
    }
    return written
  })
}

/** Draws a place with the probabilities softmax(scores / temperature). */
function draw(scores: Float32Array | Float64Array, temperature: number): number {
  const most = Math.max(...scores)
  if (temperature === 0) return scores.indexOf(most)
  const weights = Array.from(scores, (score) => Math.exp((score - most) / temperature))
  let left = rand([1]).item() * weights.reduce((a, b) => a + b)
  for (const [place, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return place
  }
  return scores.indexOf(most)
}
