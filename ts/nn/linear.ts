/** The affine layer. */

import { checkBoolean, checkDType, checkOptions, checkPositiveInteger, refuseExtra } from '../check'
import type { DType } from '../dtype'
import { linear } from '../ops/linear'
import { pythonValue } from '../python'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { parameter, uniform } from './init'
import { declareParameters } from './members'
import { Module } from './module'
import { checkParameter } from './parameter'
import type { BiasParameters } from './recurrent/parameters'

/** Options of {@link Linear}. */
export interface LinearOptions<D extends DType = 'float32', Bias extends boolean = boolean> {
  /** Whether b is added. Default: true. */
  bias?: Bias | undefined
  /** Default: `'float32'`. */
  dtype?: D | undefined
}

/** The class of {@link Linear}. */
class LinearModule<D extends DType = 'float32'> extends Module<D> {
  /** The size of the input's last dimension. */
  readonly inFeatures: number
  /** The size of the output's last dimension. */
  readonly outFeatures: number
  /** W: (out, in). */
  weight: Tensor<D>
  /** b: (out), or null without one. */
  bias: Tensor<D> | null

  constructor(inFeatures: number, outFeatures: number, options?: LinearOptions<DType>) {
    if (arguments.length > 3) refuseExtra('Linear', 3, arguments)
    super()
    const given = checkOptions('Linear', options, ['bias', 'dtype'])
    this.inFeatures = checkPositiveInteger('in_features', inFeatures)
    this.outFeatures = checkPositiveInteger('out_features', outFeatures)
    const bias = checkBoolean('bias', given.bias ?? true)
    const dtype = checkDType(given.dtype ?? 'float32')
    this.weight = parameter([outFeatures, inFeatures], dtype)
    this.bias = bias ? parameter([outFeatures], dtype) : null
    declareParameters(this, ['weight', 'bias'])
    this.resetParameters()
  }

  /** Draws new values for weight and bias. */
  resetParameters(): void {
    if (arguments.length > 0) refuseExtra('Linear.resetParameters', 0, arguments)
    const fanIn = this.inFeatures
    // As torch, which takes the weight's bound 1/√in from Kaiming initialization with slope √5: the same rounding.
    const slope = Math.sqrt(5)
    const gain = Math.sqrt(2 / (1 + slope * slope))
    const deviation = gain / Math.sqrt(fanIn)
    uniform(this.weight, Math.sqrt(3) * deviation)
    if (this.bias !== null) uniform(this.bias, 1 / Math.sqrt(fanIn))
  }

  /**
   * Computes x Wᵀ + b.
   *
   * @param input (…, in).
   * @returns (…, out).
   * @throws RangeError if the last dimension is not `inFeatures`; TypeError if the input is not a tensor or has another
   *   dtype than the weight.
   */
  forward(input: Tensor<D>): Tensor<D> {
    if (arguments.length > 1) refuseExtra('Linear.forward', 1, arguments)
    const x = checkTensor('linear', 'input', input)
    const weight = checkTensor('linear', 'weight', this.weight)
    const bias = this.bias === null ? null : checkTensor('linear', 'bias', this.bias)
    checkParameter('weight', weight, [this.outFeatures, this.inFeatures], weight.dtype)
    if (bias !== null) checkParameter('bias', bias, [this.outFeatures], weight.dtype)
    if (x.shape.length === 0) {
      throw new RangeError(
        'both arguments to linear need to be at least 1D, but they are 0D and 2D',
      )
    }
    if (x.dtype !== weight.dtype) {
      throw new TypeError(
        `mat1 and mat2 must have the same dtype, but got ${x.dtype} and ${weight.dtype}`,
      )
    }
    const size = x.shape.at(-1) ?? 0
    if (size !== this.inFeatures) {
      const rows = x.shape.slice(0, -1).reduce((product, one) => product * one, 1)
      throw new RangeError(
        `mat1 and mat2 shapes cannot be multiplied (${rows}x${size} and ${this.inFeatures}x${this.outFeatures})`,
      )
    }
    return wrap(linear(x, weight, bias))
  }

  protected override extraRepr(): string {
    const bias = pythonValue(this.bias !== null)
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${bias}`
  }
}

/** The constructor of {@link Linear}. */
export interface LinearConstructor {
  /**
   * @param inFeatures the size of the input's last dimension.
   * @param outFeatures the size of the output's last dimension.
   * @param options `bias`: whether b is added, default true; `dtype`: default `'float32'`.
   * @throws RangeError for a size that is not greater than zero; TypeError for one that is not an integer, or an option
   *   of the wrong type, or an unknown option.
   */
  new <D extends DType = 'float32', Bias extends boolean = true>(
    inFeatures: number,
    outFeatures: number,
    options?: LinearOptions<D, Bias>,
  ): Linear<NoInfer<D>, NoInfer<Bias>>
  /** @ignore */
  [Symbol.hasInstance](value: unknown): value is LinearModule<DType>
}

/**
 * The affine map y = x Wᵀ + b of the last dimension, as `torch.nn.Linear`.
 *
 * | shape | where |
 * |---|---|
 * | input (…, in) | in = `inFeatures`; any number of leading dimensions |
 * | output (…, out) | out = `outFeatures` |
 * | `weight` (out, in), `bias` (out) | |
 *
 * Weight and bias are drawn from uniform(-1/√in, 1/√in): the same values as in torch for the same seed.
 *
 * @example
 * ```ts
 * import { nn, randn } from '@elman/rnn'
 *
 * const head = new nn.Linear(20, 30)
 * console.log(head.forward(randn([128, 20])).shape) // [ 128, 30 ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
 * @class
 */
export const Linear = LinearModule as LinearConstructor

/** An instance of {@link Linear}, whose `bias` is null without one. */
export type Linear<D extends DType = 'float32', Bias extends boolean = boolean> = {
  /** {@inheritDoc Module.to} */
  to<T extends DType>(dtype: T): Linear<T, Bias>
} & LinearModule<D> &
  BiasParameters<D, Bias, 'bias'>
