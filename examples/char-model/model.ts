/** The network, and how it writes. */

import { type IntTensor, nn, noGrad, rand, type Tensor, tensor } from '@elman/rnn'
import type { Vocabulary } from './text'

export interface Sizes {
  embedding: number
  hidden: number
  layers: number
}

/** Characters → vectors → recurrent layers → a score for every character that may come next. */
export class CharModel extends nn.Module {
  readonly embedding: nn.Embedding
  readonly rnn: nn.RNN
  readonly head: nn.Linear

  constructor(characters: number, { embedding, hidden, layers }: Sizes) {
    super()
    this.embedding = new nn.Embedding(characters, embedding)
    this.rnn = new nn.RNN(embedding, hidden, { numLayers: layers })
    this.head = new nn.Linear(hidden, characters)
  }

  /**
   * @param characters (T, B)
   * @param hidden (layers, B, H), what the network remembers; nothing at the start of a text
   * @returns the scores (T, B, characters), and what it remembers now
   */
  forward(characters: IntTensor, hidden: Tensor | null): [Tensor, Tensor] {
    const [output, last] = this.rnn.forward(this.embedding.forward(characters), hidden)
    return [this.head.forward(output), last]
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
    let hidden: Tensor | null = null
    let number = vocabulary.characters.includes('\n') ? vocabulary.encode('\n')[0] : 0
    for (let i = 0; i < length; i++) {
      const input = tensor([[number ?? 0]], { dtype: 'int32' })
      const [scores, last]: [Tensor, Tensor] = model.forward(input, hidden)
      number = draw(scores.data, temperature)
      hidden = last
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
