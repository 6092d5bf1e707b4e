/** Elementwise operations. */

import { apply } from '../autograd/record'
import type { Variable } from '../autograd/variable'
import { checkSameDType, checkSameShape } from '../check'
import { allocate, dtypeOf } from '../dtype'
import { type Floats, native } from '../native'

/** A new array of the same dtype and length, for a result. */
function like(values: Floats): Floats {
  return allocate(dtypeOf(values), values.length)
}

/** `a + b`, element by element. */
export function add(a: Variable, b: Variable): Variable {
  checkSamePair(a, b)
  const out = allocate(a.dtype, a.numel)
  native.add(a.values(), b.values(), out)
  return apply('AddBackward0', out, a.shape, [a, b], [], (gradient) => [gradient, gradient], {
    work: 0,
  })
}

/** `a + value`. */
export function addScalar(a: Variable, value: number): Variable {
  const out = allocate(a.dtype, a.numel)
  native.addScalar(a.values(), value, out)
  return apply('AddBackward0', out, a.shape, [a], [], (gradient) => [gradient], { work: 0 })
}

/** `a · b`, element by element. */
export function mul(a: Variable, b: Variable): Variable {
  checkSamePair(a, b)
  const out = allocate(a.dtype, a.numel)
  native.mul(a.values(), b.values(), out)
  const product = (gradient: Floats, other: Variable): Floats => {
    const result = like(gradient)
    native.mul(gradient, other.values(), result)
    return result
  }
  return apply('MulBackward0', out, a.shape, [a, b], [a, b], (gradient, [toA, toB]) => [
    toA ? product(gradient, b) : null,
    toB ? product(gradient, a) : null,
  ])
}

/** `a · value`. */
export function mulScalar(a: Variable, value: number): Variable {
  const out = allocate(a.dtype, a.numel)
  native.mulScalar(a.values(), value, out)
  return apply('MulBackward0', out, a.shape, [a], [], (gradient) => {
    const result = like(gradient)
    native.mulScalar(gradient, value, result)
    return [result]
  })
}

/** `tanh(x)`; gradient 1 - y². */
export const tanh = activation('TanhBackward0', native.tanh, native.tanhBackward)

/** `max(x, 0)`; gradient 0 at 0. */
export const relu = activation('ReluBackward0', native.relu, native.reluBackward)

/** `1 / (1 + exp(-x))`; gradient y (1 - y). */
export const sigmoid = activation('SigmoidBackward0', native.sigmoid, native.sigmoidBackward)

/** An operation whose gradient depends on its result `y` alone. */
function activation(
  name: string,
  forward: (x: Floats, out: Floats) => void,
  backward: (y: Floats, dy: Floats, dx: Floats) => void,
): (x: Variable) => Variable {
  return (x) => {
    const y = allocate(x.dtype, x.numel)
    forward(x.values(), y)
    return apply(name, y, x.shape, [x], 'output', (gradient) => {
      const result = like(gradient)
      backward(y, gradient, result)
      return [result]
    })
  }
}

function checkSamePair(a: Variable, b: Variable): void {
  checkSameDType('expected both tensors', a.dtype, b.dtype)
  checkSameShape(a.shape, b.shape)
}
