/** The types of a stack's parameters, as they follow from its options. */

import type { DType } from '../../dtype'
import type { Tensor } from '../../tensor/tensor'

/** The names of all parameters of these kinds: `weight_ih_l0`, `weight_ih_l0_reverse`, `weight_ih_l1`, … */
export type ParameterName<Kind extends string> = `${Kind}_l${number}${'' | '_reverse'}`

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

/** The numbers of the layers; any number if TypeScript does not know how many there are. */
type Layers<Count extends number> = true extends IsUnion<Count> ? number : UpTo<Count>

/** The parameters of one direction, whose names end in `End`: tensors, and `never` for layers that are not there. */
type OneDirection<
  D extends DType,
  Kind extends string,
  Layer extends number,
  End extends string,
> = {
  [Name in `${Kind}_l0${End}`]: Tensor<D>
} & {
  [Name in `${Kind}_l${Exclude<Layer, 0>}${End}`]: Tensor<D>
} & (number extends Layer ? unknown : Absent<`${Kind}_l${number}${End}`>)

type Absent<Name extends string> = { [One in Name]: never }

/** A type that depends on a flag; nothing is known if TypeScript does not know the flag. */
type If<Flag extends boolean, Yes, No> = boolean extends Flag
  ? unknown
  : Flag extends true
    ? Yes
    : No

/** The parameters of these kinds. */
type Kinds<
  D extends DType,
  Kind extends string,
  Layer extends number,
  Both extends boolean,
> = OneDirection<D, Kind, Layer, ''> &
  If<Both, OneDirection<D, Kind, Layer, '_reverse'>, Absent<`${Kind}_l${number}_reverse`>>

/** The options of a stack that its type tells; without them, types of other options would be taken for equal. */
interface StackOptions<Count, Bias, Bidirectional> {
  readonly bias: Bias
  readonly numLayers: Count
  readonly bidirectional: Bidirectional
}

/**
 * The parameters of a stack that TypeScript can tell: those of layer 0, and the others as far as the options are
 * literals. Those which the options exclude are `never`; for the rest, the module has an index signature.
 */
export type StackParameters<
  D extends DType,
  Count extends number,
  Bias extends boolean,
  Bidirectional extends boolean,
> = StackOptions<Count, Bias, Bidirectional> &
  Kinds<D, 'weight_ih' | 'weight_hh', Layers<Count>, Bidirectional> &
  If<
    Bias,
    Kinds<D, 'bias_ih' | 'bias_hh', Layers<Count>, Bidirectional>,
    Absent<ParameterName<'bias_ih' | 'bias_hh'>>
  >

/** The biases of a module without layers: null without biases. */
export type BiasParameters<D extends DType, Bias extends boolean, Name extends string> = {
  [One in Name]: Bias extends true ? Tensor<D> : null
}
