/** The types of a stack's parameters, as they follow from its options. */

import type { DType } from '../../dtype'
import type { Tensor } from '../../tensor/tensor'

/** The end of a parameter's name: of the forward direction, or of the reverse one. */
type Direction = '' | '_reverse'

/** The names of all parameters of these kinds: `weight_ih_l0`, `weight_ih_l0_reverse`, `weight_ih_l1`, … */
export type ParameterName<Kind extends string> = `${Kind}_l${number}${'' | '_reverse'}`

/** `Yes` for true, `No` for false, and nothing for a boolean of which TypeScript does not know which it is. */
export type If<Flag extends boolean, Yes, No> = boolean extends Flag
  ? never
  : Flag extends true
    ? Yes
    : No

/** 0 to `Count` - 1; any number if `Count` is not one literal, or more than 32. */
type UpTo<Count extends number, Found extends number[] = []> = Found['length'] extends Count
  ? number extends Count
    ? number
    : Found[number]
  : Found['length'] extends 32
    ? number
    : UpTo<Count, [...Found, Found['length']]>

/** Whether a type is a union of several. */
type IsUnion<T, All = T> = T extends unknown ? ([All] extends [T] ? false : true) : never

/** The numbers of the layers; any number if TypeScript does not know all names. */
type Layers<Count extends number, Bidirectional extends boolean> = true extends
  | IsUnion<Count>
  | IsUnion<Bidirectional>
  ? number
  : UpTo<Count>

/** The options of a stack that its type tells; without them, types of other options would be taken for equal. */
interface StackOptions<Count, Bias, Bidirectional> {
  /** Whether there are biases. */
  readonly bias: Bias
  /** L: how many layers are stacked. */
  readonly numLayers: Count
  /** Whether each layer also runs in the reverse direction. */
  readonly bidirectional: Bidirectional
}

/** The biases of a module without layers: null without biases. */
export type BiasParameters<D extends DType, Bias extends boolean, Name extends string> = {
  [One in Name]: Bias extends true ? Tensor<D> : null
}

/** The parameters whose kind is `Present`; those of kind `Absent`, and of layers that are not there, are `never`. */
type Named<
  D extends DType,
  Count extends number,
  Bidirectional extends boolean,
  Present extends string,
  Absent extends string,
> = {
  [Name in `${Present}_l0${'' | If<Bidirectional, Direction, ''>}`]: Tensor<D>
} & {
  [Name in `${Present}_l${Exclude<Layers<Count, Bidirectional>, 0>}${If<Bidirectional, Direction, ''>}`]: Tensor<D>
} & {
  [Name in ParameterName<
    number extends Layers<Count, Bidirectional> ? Absent : Present | Absent
  >]: never
}

/**
 * The parameters of a stack that TypeScript can tell: those of layer 0, and the others as far as the options are
 * literals. For the rest, the module has an index signature.
 */
export type StackParameters<
  D extends DType,
  Count extends number,
  Bias extends boolean,
  Bidirectional extends boolean,
  Present extends string = never,
  Absent extends string = never,
> = StackOptions<Count, Bias, Bidirectional> &
  Named<
    D,
    Count,
    Bidirectional,
    'weight_ih' | 'weight_hh' | If<Bias, 'bias_ih' | 'bias_hh', never> | Present,
    If<Bias, never, 'bias_ih' | 'bias_hh'> | Absent
  >
