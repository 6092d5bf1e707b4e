/** The public wrapper of a variable: values with a shape, and a node of the tape. */

import { runBackward, runBackwardAsync } from '../autograd/backward'
import { type CallPromise, decidedAtCall } from '../autograd/grad-mode'
import type { Variable } from '../autograd/variable'
import { brand } from '../brand'
import {
  checkBoolean,
  checkOptions,
  checkSameDType,
  describe,
  formatShape,
  refuseExtra,
  sameShape,
} from '../check'
import { allocate, converted, type DType, type FloatArrays } from '../dtype'
import { checkSignal } from '../foreign'
import { showAsText } from '../inspect'
import type { Floats } from '../native'
import * as elementwise from '../ops/elementwise'
import * as reduce from '../ops/reduce'
import * as view from '../ops/view'
import { type TensorJson, tensorJson, tensorsNotCloneable, tensorToPrimitive } from '../tools'
import { formatFloats } from './format'
import { type NestedNumber, nested } from './nested'

/** The constructor requires this key, so that only this package creates tensors. */
const key = Symbol('Tensor')

// Assigned by the class: access to its constructor and private fields for this package.
let make: <D extends DType>(variable: Variable) => Tensor<D>
let unwrap: (value: unknown) => Variable | null

/**
 * A dense, row-major array of floats in JavaScript memory, and a node of a reverse-mode tape.
 *
 * `tensor`, `zeros`, `ones`, `rand` and `randn`, operations and modules create tensors. There are few operations on
 * purpose: those that a recurrent model needs. Shapes are never broadcast.
 *
 * Every operation on a tensor that requires a gradient is recorded. {@link Tensor.backward} traverses the recorded
 * graph in reverse order, adds the gradients to the leaves' {@link Tensor.grad} and releases the graph.
 *
 * `Tensor` without an argument is a tensor of float32 to TypeScript; `Tensor<DType>` may be of either dtype.
 *
 * **Memory.** `detach()` and `reshape()` share `data` with their input; `transpose`, `select` and `narrow` copy. Memory
 * is garbage-collected; there is nothing to dispose of.
 *
 * @example
 * ```ts
 * import { tensor } from '@elman/rnn'
 *
 * const x = tensor([[1, 2], [3, 4]], { requiresGrad: true })
 * x.mul(x).sum().backward()
 * console.log(x.grad?.toArray()) // [ [ 2, 4 ], [ 6, 8 ] ]
 * ```
 *
 * @see https://docs.pytorch.org/docs/stable/tensors.html
 */
export class Tensor<D extends DType = 'float32'> {
  /** @ignore */
  declare static readonly [Symbol.hasInstance]: (value: unknown) => value is Tensor<DType>

  /** @internal */
  readonly structuredClone: symbol = tensorsNotCloneable
  /** @internal Public for the deep equality of tools. */
  readonly variable: Variable
  /** The wrapper of the gradient: `grad` is the same object as long as the gradient is the same. */
  #grad: Tensor<D> | null = null

  private constructor(secret: unknown, variable: Variable) {
    if (secret !== key)
      throw new TypeError('a Tensor is created by tensor, zeros, ones, rand or randn')
    this.variable = variable
  }

  static {
    showAsText(Tensor.prototype)
    brand(Tensor.prototype, 'Tensor')
    make = <D extends DType>(variable: Variable) => new Tensor<D>(key, variable)
    unwrap = (value) =>
      typeof value === 'object' && value !== null && #grad in value ? value.variable : null
  }

  /**
   * The elements, row-major. Writing to them is allowed; the next operation uses the new values.
   *
   * An optimizer and `loadStateDict` write to it too; `module.to(dtype)` replaces it.
   */
  get data(): FloatArrays[D] {
    return this.variable.exposed() as FloatArrays[D]
  }

  /** The size of each dimension; empty for a single value. */
  get shape(): readonly number[] {
    return this.variable.shape
  }

  /** `'float32'` or `'float64'`. */
  get dtype(): D {
    return this.variable.dtype as D
  }

  /** The number of elements. */
  get numel(): number {
    return this.variable.numel
  }

  /**
   * Whether gradients flow to this tensor. It can be set on a leaf, a tensor that is not the result of a recorded
   * operation. A module's parameter with `requiresGrad` false is frozen, and still a parameter.
   *
   * @throws RangeError when set to false on the result of a recorded operation; use `detach()` instead.
   */
  get requiresGrad(): boolean {
    return this.variable.requiresGrad
  }

  /** Sets it on a leaf; the result of a recorded operation accepts true only. */
  set requiresGrad(wanted: boolean) {
    checkBoolean('requires_grad', wanted)
    if (this.variable.origin === null) this.variable.requiresGrad = wanted
    else if (!wanted) {
      throw new RangeError(
        "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use detach().",
      )
    }
  }

  /**
   * The accumulated gradient of a leaf, or null. Setting it to null starts a new sum.
   *
   * @throws TypeError when set to anything but null or a tensor of the same dtype; RangeError if the shape differs.
   */
  get grad(): Tensor<D> | null {
    const { grad } = this.variable
    if (grad === null) this.#grad = null
    else if (this.#grad === null || this.#grad.variable !== grad) this.#grad = make(grad)
    return this.#grad
  }

  /** Sets it to null, or to a tensor of the same shape and dtype. */
  set grad(value: Tensor<D> | null) {
    if (value === null) {
      this.variable.grad = null
      return
    }
    const grad = unwrap(value)
    if (grad === null) {
      throw new TypeError(
        `assigned grad expected to be a Tensor or null but got grad of type ${describe(value)}`,
      )
    }
    checkSameDType('expected the tensor and its gradient', this.dtype, grad.dtype)
    if (!sameShape(grad.shape, this.shape)) {
      throw new RangeError(
        `attempting to assign a gradient of size '${formatShape(grad.shape)}' to a tensor of size '${formatShape(this.shape)}'. Please ensure that the gradient and the tensor are the same size`,
      )
    }
    this.variable.grad = grad
    this.#grad = value
  }

  /**
   * The same values as a leaf: no gradient flows through the result. It shares `data` with this tensor.
   *
   * Truncated back-propagation through time passes `hN.detach()` to the next chunk.
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html
   */
  detach(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.detach', 0, arguments)
    return make(this.variable.detach())
  }

  /**
   * A copy with memory of its own. Gradients flow through it to this tensor; `detach().clone()` is a copy without.
   *
   * @example
   * ```ts
   * import { ones } from '@elman/rnn'
   *
   * const x = ones([2])
   * const copy = x.clone()
   * x.data.fill(0)
   * console.log(copy.toArray()) // [ 1, 1 ]
   * ```
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.clone.html
   */
  clone(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.clone', 0, arguments)
    return make(view.clone(this.variable))
  }

  /**
   * Computes the gradients of this tensor with respect to the leaves that require one, and adds them to their `grad`.
   *
   * The graph is released, so a second `backward` through any part of it is an error.
   *
   * @param gradient the gradient of a loss with respect to this tensor, of the same shape and dtype. Default: 1, for a
   *   tensor of one element.
   * @throws RangeError if `gradient` is missing for several elements or has another shape; TypeError if it is not a
   *   tensor or has another dtype; Error if this tensor requires no gradient, if the graph was released already, or if
   *   a saved value was changed in place. No gradient changes on an error.
   *
   * @example
   * ```ts
   * import { tensor } from '@elman/rnn'
   *
   * const w = tensor([1, 2, 3], { requiresGrad: true })
   * w.mul(2).backward(tensor([1, 0, -1]))
   * console.log(w.grad?.toArray()) // [ 2, 0, -2 ]
   * ```
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html
   */
  backward(gradient?: Tensor<D> | null): void {
    if (arguments.length > 1) refuseExtra('Tensor.backward', 1, arguments)
    const root = this.variable
    runBackward(root, seedOf(root, gradient))
  }

  /**
   * {@link backward} off the event loop, which goes on with timers, requests and files.
   *
   * The call checks the graph, and other backward passes through it are refused until the promise is settled. The
   * gradients are added to the leaves at the end, all in one turn of the event loop. A change of a saved value before
   * that (by `optimizer.step()`, by a write to `data`) is an error. At most two tasks of a process run at a time, the
   * others wait in a queue; a worker thread that ends cancels its own.
   *
   * @param gradient as for `backward`; copied.
   * @param options `signal`: cancels the pass within a few milliseconds.
   * @returns a promise that is fulfilled when the gradients are complete. It is rejected with the errors of `backward`,
   *   or with `signal.reason`; then no gradient has changed, and the graph can be used again.
   *
   * @example
   * ```ts
   * import { nn, randn } from '@elman/rnn'
   *
   * const rnn = new nn.RNN(4, 8)
   * const [output] = await rnn.forwardAsync(randn([6, 2, 4]))
   * await output.mean().backwardAsync()
   * console.log(rnn.weight_hh_l0.grad?.shape) // [ 8, 8 ]
   * ```
   */
  backwardAsync(
    gradient?: Tensor<D> | null,
    options?: { signal?: AbortSignal | null | undefined },
  ): CallPromise<void> {
    return decidedAtCall(async () => {
      if (arguments.length > 2) refuseExtra('Tensor.backwardAsync', 2, arguments)
      const { signal } = checkOptions('Tensor.backwardAsync', options, ['signal'])
      const checked = checkSignal('Tensor.backwardAsync', signal)
      const root = this.variable
      const seed = converted(seedOf(root, gradient), root.dtype)
      await runBackwardAsync(root, seed, checked)
    })
  }

  /**
   * The same elements in another shape.
   *
   * @param shape the new sizes; one of them may be -1 and is inferred.
   * @returns a tensor that shares `data` with this one.
   * @throws RangeError if the number of elements does not fit.
   *
   * @example
   * ```ts
   * import { ones } from '@elman/rnn'
   *
   * console.log(ones([2, 3, 4]).reshape([6, -1]).shape) // [ 6, 4 ]
   * ```
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.reshape.html
   */
  reshape(shape: readonly number[]): Tensor<D> {
    if (arguments.length > 1) refuseExtra('Tensor.reshape', 1, arguments)
    return make(view.reshape(this.variable, shape))
  }

  /**
   * A copy with two dimensions exchanged.
   *
   * @param dim0 a dimension, counted from the end if negative.
   * @param dim1 the other one.
   * @throws RangeError if there is no such dimension.
   *
   * @example
   * ```ts
   * import { ones } from '@elman/rnn'
   *
   * console.log(ones([2, 3, 4]).transpose(0, -1).shape) // [ 4, 3, 2 ]
   * ```
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.transpose.html
   */
  transpose(dim0: number, dim1: number): Tensor<D> {
    if (arguments.length > 2) refuseExtra('Tensor.transpose', 2, arguments)
    return make(view.transpose(this.variable, dim0, dim1))
  }

  /**
   * A copy of one slice, without the dimension that it was taken from.
   *
   * @param dim the dimension, counted from the end if negative.
   * @param index the index in it, counted from the end if negative.
   * @throws RangeError if there is no such dimension or index.
   *
   * @example
   * ```ts
   * import { tensor } from '@elman/rnn'
   *
   * console.log(tensor([[1, 2], [3, 4]]).select(0, -1).toArray()) // [ 3, 4 ]
   * ```
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.select.html
   */
  select(dim: number, index: number): Tensor<D> {
    if (arguments.length > 2) refuseExtra('Tensor.select', 2, arguments)
    return make(view.select(this.variable, dim, index))
  }

  /**
   * A copy of a part of one dimension.
   *
   * @param dim the dimension, counted from the end if negative.
   * @param start the first index, counted from the end if negative.
   * @param length the number of indices.
   * @throws RangeError if the part exceeds the dimension.
   *
   * @example
   * ```ts
   * import { tensor } from '@elman/rnn'
   *
   * console.log(tensor([1, 2, 3, 4]).narrow(0, 1, 2).toArray()) // [ 2, 3 ]
   * ```
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.narrow.html
   */
  narrow(dim: number, start: number, length: number): Tensor<D> {
    if (arguments.length > 3) refuseExtra('Tensor.narrow', 3, arguments)
    return make(view.narrow(this.variable, dim, start, length))
  }

  /**
   * This plus `other`, element by element.
   *
   * @param other a number, or a tensor of the same shape and dtype.
   * @throws RangeError if the shapes differ; TypeError if the dtypes differ, or `other` is neither a number nor a
   *   tensor.
   * @see https://docs.pytorch.org/docs/stable/generated/torch.add.html
   */
  add(other: Tensor<D> | number): Tensor<D> {
    if (arguments.length > 1) refuseExtra('Tensor.add', 1, arguments)
    return typeof other === 'number'
      ? make(elementwise.addScalar(this.variable, other))
      : make(elementwise.add(this.variable, operand('add', other)))
  }

  /**
   * This times `other`, element by element.
   *
   * @param other a number, or a tensor of the same shape and dtype.
   * @throws RangeError if the shapes differ; TypeError if the dtypes differ, or `other` is neither a number nor a
   *   tensor.
   * @see https://docs.pytorch.org/docs/stable/generated/torch.mul.html
   */
  mul(other: Tensor<D> | number): Tensor<D> {
    if (arguments.length > 1) refuseExtra('Tensor.mul', 1, arguments)
    return typeof other === 'number'
      ? make(elementwise.mulScalar(this.variable, other))
      : make(elementwise.mul(this.variable, operand('mul', other)))
  }

  /**
   * The hyperbolic tangent of each element; NaN stays NaN.
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.tanh.html
   */
  tanh(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.tanh', 0, arguments)
    return make(elementwise.tanh(this.variable))
  }

  /**
   * max(x, 0) of each element; NaN stays NaN, and the gradient at 0 is 0.
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu.html
   */
  relu(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.relu', 0, arguments)
    return make(elementwise.relu(this.variable))
  }

  /**
   * 1 / (1 + exp(-x)) of each element.
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.sigmoid.html
   */
  sigmoid(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.sigmoid', 0, arguments)
    return make(elementwise.sigmoid(this.variable))
  }

  /**
   * The sum of all elements, as a tensor of shape `[]`.
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.sum.html
   */
  sum(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.sum', 0, arguments)
    return make(reduce.sum(this.variable))
  }

  /**
   * The mean of all elements, as a tensor of shape `[]`; NaN if there are none.
   *
   * @see https://docs.pytorch.org/docs/stable/generated/torch.mean.html
   */
  mean(): Tensor<D> {
    if (arguments.length > 0) refuseExtra('Tensor.mean', 0, arguments)
    return make(reduce.mean(this.variable))
  }

  /**
   * The value of a tensor of one element.
   *
   * @throws RangeError if there is not exactly one.
   * @see https://docs.pytorch.org/docs/stable/generated/torch.Tensor.item.html
   */
  item(): number {
    if (arguments.length > 0) refuseExtra('Tensor.item', 0, arguments)
    const [value] = this.variable.values()
    if (value === undefined || this.numel !== 1) {
      throw new RangeError(`a Tensor with ${this.numel} elements cannot be converted to Scalar`)
    }
    return value
  }

  /**
   * The value of a tensor of one element, wherever JavaScript wants a number: `loss < 1`, `total + loss`,
   * `Math.max(loss, 0)`. In a template, `${tensor}` is the text of {@link toString}.
   *
   * @throws TypeError if a number is wanted and there is not exactly one element.
   */
  [Symbol.toPrimitive](hint: string): number | string {
    return tensorToPrimitive(this, this.variable.values(), hint)
  }

  /**
   * The elements as nested arrays; a plain number if there are no dimensions.
   *
   * @throws RangeError if they are more than nested arrays can hold: 2^26 numbers in 2^24 arrays.
   */
  toArray(): NestedNumber {
    if (arguments.length > 0) refuseExtra('Tensor.toArray', 0, arguments)
    return nested(this.variable.values(), this.shape)
  }

  /**
   * What `JSON.stringify` writes, and what Vitest and Jest show: dtype, shape, and the elements in row-major order. NaN
   * and infinite elements are strings, since JSON has no such numbers. `tensor(data.map(Number), { shape, dtype })` makes
   * the tensor again.
   *
   * @example
   * ```ts
   * import { tensor } from '@elman/rnn'
   *
   * console.log(JSON.stringify(tensor([[1, 2]]))) // {"dtype":"float32","shape":[1,2],"data":[1,2]}
   * ```
   */
  toJSON(): TensorJson<D> {
    return tensorJson(this.dtype, this.shape, this.variable.values())
  }

  /**
   * The tensor as torch prints it, with shape and dtype: four decimals, and only the edges of more than 1000 elements.
   *
   * @example
   * ```ts
   * import { tensor } from '@elman/rnn'
   *
   * console.log(String(tensor([1.5, -2]))) // tensor([ 1.5000, -2.0000], size=(2,), dtype=float32)
   * ```
   */
  toString(): string {
    if (arguments.length > 0) refuseExtra('Tensor.toString', 0, arguments)
    const { origin, requiresGrad } = this.variable
    const leaf = requiresGrad ? 'requires_grad=True' : null
    const suffix = origin === null ? leaf : `grad_fn=<${origin.node.name}>`
    return formatFloats(this.variable.values(), this.shape, this.dtype, suffix)
  }
}

/** A tensor around a new variable. A variable has only one tensor. */
export function wrap<D extends DType>(variable: Variable): Tensor<D> {
  return make(variable)
}

/** Whether a value is a tensor of this copy of the package, and no proxy of one. */
export function isTensor(value: unknown): value is Tensor {
  return unwrap(value) !== null
}

/** The variable of a tensor; null if `value` is not a tensor. */
export function variableOf(value: unknown): Variable | null {
  return unwrap(value)
}

/** The variable of a tensor argument. */
export function checkTensor(owner: string, name: string, value: unknown): Variable {
  const variable = unwrap(value)
  if (variable === null) {
    throw new TypeError(`${owner}(): argument '${name}' must be Tensor, not ${describe(value)}`)
  }
  return variable
}

function operand(owner: string, value: unknown): Variable {
  return checkTensor(owner, 'other', value)
}

/** The gradient that a backward pass starts from; copied, since the caller's may be a leaf's gradient. */
function seedOf(root: Variable, gradient: unknown): Floats {
  if (!root.requiresGrad) {
    throw new Error('element 0 of tensors does not require grad and does not have a grad_fn')
  }
  if (gradient === undefined || gradient === null) {
    if (root.numel !== 1) {
      throw new RangeError('grad can be implicitly created only for scalar outputs')
    }
    return allocate(root.dtype, 1).fill(1)
  }
  const seed = unwrap(gradient)
  if (seed === null) {
    throw new TypeError(`gradients can be either Tensors or null, but got ${describe(gradient)}`)
  }
  checkSameDType('expected the tensor and its gradient', root.dtype, seed.dtype)
  if (!sameShape(seed.shape, root.shape)) {
    throw new RangeError(
      `Mismatch in shape: grad_output[0] has a shape of ${formatShape(seed.shape)} and output[0] has a shape of ${formatShape(root.shape)}.`,
    )
  }
  return seed.values()
}
