/** Names and shapes of the parameters of a stack of recurrent layers, in the order of the state dict. */

import type { Variable } from '../../autograd/variable'
import type { DType } from '../../dtype'
import { checkTensor } from '../../tensor/tensor'
import { checkParameter } from '../parameter'
import type { RnnConfig } from './config'

/** The name of a parameter of `nn.RNN`: `weight_ih_l0`, `bias_hh_l1_reverse`, … */
export type RNNParameterName =
  `${'weight_ih' | 'weight_hh' | 'bias_ih' | 'bias_hh'}_l${number}${'' | '_reverse'}`

/** One parameter. */
export interface ParameterSpec<Name extends string = RNNParameterName> {
  readonly name: Name
  readonly shape: readonly number[]
}

/** For each layer and, within it, each direction: its parameters, weights first. */
export function parameterGroups(config: RnnConfig): ParameterSpec[][] {
  const { inputSize, hiddenSize, numLayers, bias, bidirectional } = config
  const directions = bidirectional ? (['', '_reverse'] as const) : ([''] as const)
  const groups: ParameterSpec[][] = []
  for (let layer = 0; layer < numLayers; layer += 1) {
    const fanIn = layer === 0 ? inputSize : directions.length * hiddenSize
    for (const suffix of directions) {
      const place = `l${layer}${suffix}` as const
      const weights: ParameterSpec[] = [
        { name: `weight_ih_${place}`, shape: [hiddenSize, fanIn] },
        { name: `weight_hh_${place}`, shape: [hiddenSize, hiddenSize] },
      ]
      const biases: ParameterSpec[] = [
        { name: `bias_ih_${place}`, shape: [hiddenSize] },
        { name: `bias_hh_${place}`, shape: [hiddenSize] },
      ]
      groups.push(bias ? [...weights, ...biases] : weights)
    }
  }
  return groups
}

/**
 * Checks the parameters as a module's fields hold them now, since a caller may have put others there.
 *
 * @param owner the module, as messages name it.
 */
export function checkParameters(
  owner: string,
  specs: readonly ParameterSpec<string>[],
  fields: readonly unknown[],
): Variable[] {
  let dtype: DType | null = null
  return specs.map(({ name, shape }, place) => {
    const variable = checkTensor(owner, name, fields[place])
    dtype ??= variable.dtype
    checkParameter(name, variable, shape, dtype)
    return variable
  })
}
