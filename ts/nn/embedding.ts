/** The embedding table. */

import { checkDType, checkInteger, checkOptions, checkPositiveInteger, refuseExtra } from '../check'
import type { DType } from '../dtype'
import { embedding } from '../ops/embedding'
import { type IntTensor, intValues } from '../tensor/int-tensor'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { normal, parameter, zero } from './init'
import { declareParameters } from './members'
import { Module } from './module'
import { checkParameter } from './parameter'

/** Options of {@link Embedding}. */
export interface EmbeddingOptions<D extends DType = 'float32'> {
  /** A row that starts as zero and gets no gradient, counted from the end if negative. Default: none. */
  paddingIdx?: number | null | undefined
  /** Default: `'float32'`. */
  dtype?: D | undefined
}

/** The class of {@link Embedding}. */
class EmbeddingModule<D extends DType = 'float32'> extends Module<D> {
  /** The number of vectors. */
  readonly numEmbeddings: number
  /** The size of a vector. */
  readonly embeddingDim: number
  /** The row that gets no gradient, counted from the start; null if there is none. */
  readonly paddingIdx: number | null
  /** W: (num, dim). */
  weight: Tensor<D>

  constructor(numEmbeddings: number, embeddingDim: number, options?: EmbeddingOptions<DType>) {
    if (arguments.length > 3) refuseExtra('Embedding', 3, arguments)
    super()
    const given = checkOptions('Embedding', options, ['paddingIdx', 'dtype'])
    this.numEmbeddings = checkPositiveInteger('num_embeddings', numEmbeddings)
    this.embeddingDim = checkPositiveInteger('embedding_dim', embeddingDim)
    this.paddingIdx = checkPaddingIdx(given.paddingIdx ?? null, numEmbeddings)
    const dtype = checkDType(given.dtype ?? 'float32')
    this.weight = parameter([numEmbeddings, embeddingDim], dtype)
    declareParameters(this, ['weight'])
    this.resetParameters()
  }

  /** Draws new values for the table. */
  resetParameters(): void {
    if (arguments.length > 0) refuseExtra('Embedding.resetParameters', 0, arguments)
    normal(this.weight)
    if (this.paddingIdx === null) return
    const start = this.paddingIdx * this.embeddingDim
    zero(this.weight, start, start + this.embeddingDim)
  }

  /**
   * Looks up the vectors of the given classes.
   *
   * @param input indices, of any shape; copied, so `input.data` may change after the call.
   * @returns the vectors, in the shape of the input followed by `embeddingDim`.
   * @throws RangeError if an index is out of range; TypeError if the input is not an `IntTensor`.
   */
  forward(input: IntTensor): Tensor<D> {
    if (arguments.length > 1) refuseExtra('Embedding.forward', 1, arguments)
    const indices = intValues(input, 'indices')
    const weight = checkTensor('embedding', 'weight', this.weight)
    checkParameter('weight', weight, [this.numEmbeddings, this.embeddingDim], weight.dtype)
    const paddingIdx = checkPaddingIdx(this.paddingIdx, this.numEmbeddings)
    return wrap(embedding(weight, indices, input.shape, paddingIdx ?? -1))
  }

  protected override extraRepr(): string {
    const padding = this.paddingIdx === null ? '' : `, padding_idx=${this.paddingIdx}`
    return `${this.numEmbeddings}, ${this.embeddingDim}${padding}`
  }
}

/** The constructor of {@link Embedding}. */
export interface EmbeddingConstructor {
  /**
   * @param numEmbeddings the number of vectors.
   * @param embeddingDim the size of a vector.
   * @param options `paddingIdx`: a row that starts as zero and gets no gradient, default none; `dtype`: default
   *   `'float32'`.
   * @throws RangeError for a size that is not greater than zero or a `paddingIdx` that is out of range; TypeError for
   *   one that is not an integer, or an option of the wrong type, or an unknown option.
   */
  new <D extends DType = 'float32'>(
    numEmbeddings: number,
    embeddingDim: number,
    options?: EmbeddingOptions<D>,
  ): Embedding<NoInfer<D>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is EmbeddingModule<DType>
}

/**
 * A table of vectors, looked up by class index, as `torch.nn.Embedding`.
 *
 * The output is y[…] = W[index[…]].
 *
 * | shape | where |
 * |---|---|
 * | input (…) | an `IntTensor` of indices from 0 to `numEmbeddings` - 1 |
 * | output (…, dim) | dim = `embeddingDim` |
 * | `weight` (num, dim) | num = `numEmbeddings` |
 *
 * The table is drawn from the normal distribution with mean 0 and variance 1; row `paddingIdx` is zero.
 *
 * @example
 * ```ts
 * import { nn, tensor } from '@elman/rnn'
 *
 * const embedding = new nn.Embedding(100, 16, { paddingIdx: 0 })
 * const words = tensor([[4, 7, 0], [9, 0, 0]], { dtype: 'int32' })
 * console.log(embedding.forward(words).shape) // [ 2, 3, 16 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
 * @class
 */
export const Embedding = EmbeddingModule as EmbeddingConstructor

/** An instance of {@link Embedding}. */
export type Embedding<D extends DType = 'float32'> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): Embedding<T>
} & EmbeddingModule<D>

function checkPaddingIdx(value: unknown, count: number): number | null {
  if (value === null) return null
  const index = checkInteger('padding_idx', value)
  if (index < -count || index >= count) {
    throw new RangeError(
      `Padding_idx must be within num_embeddings: expected -${count} to ${count - 1}, got ${index}`,
    )
  }
  return index < 0 ? index + count : index
}
