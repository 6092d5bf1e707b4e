/** The recurrent stack as its equation: a naive reference in float64, without dropout. */

import type { DType, nn } from '@elman/rnn'

/** Row-major numbers of one sequence, `steps` rows of equal width. */
type Rows = number[][]

/**
 * The outputs and last hidden states of one sequence.
 *
 * @param rows the input, one row for each time step.
 * @param hx for each layer and direction, h_0.
 */
export function naiveSequence(
  rnn: nn.RNN<DType>,
  rows: Rows,
  hx: Rows,
): { output: Rows; hN: Rows } {
  const act = rnn.nonlinearity === 'tanh' ? Math.tanh : (x: number) => Math.max(x, 0)
  const hN: Rows = []
  let input = rows
  for (let layer = 0; layer < rnn.numLayers; layer += 1) {
    const halves = (rnn.bidirectional ? ['', '_reverse'] : ['']).map((suffix) => {
      const state = rnn.stateDict()
      const value = (name: string) => [...(state.get(`${name}_l${layer}${suffix}`)?.data ?? [])]
      const order = suffix === '' ? input : input.toReversed()
      let h = hx[hN.length]
      const outputs = order.map((x) => {
        const z = affine(value('weight_ih'), value('bias_ih'), x)
        const r = affine(value('weight_hh'), value('bias_hh'), h)
        h = z.map((one, unit) => act(one + r[unit]))
        return h
      })
      hN.push(h)
      return suffix === '' ? outputs : outputs.toReversed()
    })
    input = halves[0].map((row, step) => halves.flatMap((half) => half[step] ?? row))
  }
  return { output: input, hN }
}

/** W x + b; b may be empty. */
function affine(weight: number[], bias: number[], x: number[]): number[] {
  const units = weight.length / x.length
  return Array.from({ length: units }, (_, unit) =>
    x.reduce(
      (sum, value, feature) => sum + weight[unit * x.length + feature] * value,
      bias[unit] ?? 0,
    ),
  )
}
