/** The base of the elementwise losses. */

import type { Variable } from '../autograd/variable'
import { checkOptions, checkSameDType, refuseExtra } from '../check'
import type { DType } from '../dtype'
import { type PointwiseLossKind, pointwiseLoss, type Reduction } from '../ops/loss'
import { checkTensor, type Tensor, wrap } from '../tensor/tensor'
import { instanceLike, unfilled } from './clone'
import { checkReduction } from './loss'
import { Module } from './module'

/** Options of {@link MSELoss}, {@link L1Loss} and {@link BCEWithLogitsLoss}. */
export interface PointwiseLossOptions {
  /** Whether the losses of all elements are averaged, summed or returned one by one. Default: `'mean'`. */
  reduction?: Reduction | undefined
}

/** What differs between these losses. */
export interface PointwiseLossRule {
  /** The class's name. */
  readonly name: string
  /** The function's name in messages. */
  readonly owner: string
  readonly kind: PointwiseLossKind
  /** Refuses two shapes that differ. */
  checkShapes(input: readonly number[], target: readonly number[]): void
}

/** A loss of each element against its target, averaged or summed. */
export class PointwiseLoss extends Module {
  /** The reduction of the losses of all elements. */
  readonly reduction: Reduction
  readonly #rule: PointwiseLossRule

  /** @internal */
  constructor(rule: PointwiseLossRule, options: unknown) {
    super()
    const given = checkOptions(rule.name, options, ['reduction'])
    this.reduction = checkReduction(given.reduction ?? 'mean')
    this.#rule = rule
  }

  /** @internal */
  override [unfilled](): this {
    return instanceLike(PointwiseLoss, [this.#rule, { reduction: this.reduction }], this)
  }

  /**
   * The loss.
   *
   * @param input any shape.
   * @param target of the same shape and dtype; gradients flow to it too, if it requires them.
   * @throws RangeError if the shapes differ; TypeError if the dtypes do, or one is not a tensor.
   */
  forward<D extends DType>(input: Tensor<D>, target: Tensor<NoInfer<D>>): Tensor<D> {
    if (arguments.length > 2) refuseExtra('PointwiseLoss.forward', 2, arguments)
    const { owner, kind, checkShapes } = this.#rule
    const given: Variable = checkTensor(owner, 'input', input)
    const wanted: Variable = checkTensor(owner, 'target', target)
    checkSameDType(`${owner}(): expected input and target`, given.dtype, wanted.dtype)
    checkShapes(given.shape, wanted.shape)
    return wrap(pointwiseLoss(kind, given, wanted, checkReduction(this.reduction)))
  }
}
