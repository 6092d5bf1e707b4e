/** Which recurrent modules weights are of, by their names and shapes: for the messages of a load that fails. */

type Shape = readonly number[]

/** The shape of one of the parameters of a module. */
type Shapes = (name: string) => Shape | undefined

/** The modules by their number of gates: the rows of a weight for each feature of h. */
const modules = new Map([
  [1, 'an RNN'],
  [3, 'a GRU'],
  [4, 'an LSTM'],
])

/**
 * Describes the recurrent modules whose weights a state dict holds.
 *
 * @returns a description for each prefix of names: `encoder.rnn.`, and `an LSTM with input size 3, hidden size 4`.
 */
export function identify(shapes: ReadonlyMap<string, Shape>): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of shapes.keys()) {
    const match = /^(|.*\.)weight_ih(|_l0)$/.exec(name)
    if (match === null) continue
    const [, prefix = '', layer = ''] = match
    const own: Shapes = (rest) => shapes.get(prefix + rest)
    const reversed: Shapes = (rest) => own(rest)?.toReversed()
    const description = own('weight_yh')
      ? jordan(own)
      : (gated(own, layer) ?? gated(reversed, layer)?.concat(', transposed'))
    if (description !== undefined) found.set(prefix, description)
  }
  return found
}

/**
 * A module over whole sequences, or a cell.
 *
 * @param layer what the names of its first layer end with: nothing for a cell.
 */
function gated(own: Shapes, layer: string): string | undefined {
  const [rows = 0, inputSize] = own(`weight_ih${layer}`) ?? []
  const [hiddenRows, outputSize = 0] = own(`weight_hh${layer}`) ?? []
  const hiddenSize = own(`weight_hr${layer}`)?.[1] ?? outputSize
  const module = modules.get(rows / hiddenSize)
  if (module === undefined || hiddenRows !== rows) return undefined
  let layers = 1
  while (layer !== '' && own(`weight_ih_l${layers}`) !== undefined) layers += 1
  return [
    `${module}${layer === '' ? 'Cell' : ''} with input size ${inputSize}`,
    `hidden size ${hiddenSize}`,
    ...(outputSize === hiddenSize ? [] : [`projection size ${outputSize}`]),
    ...(layers === 1 ? [] : [`${layers} layers`]),
    ...(own(`weight_ih${layer}_reverse`) === undefined ? [] : ['both directions']),
    ...(own(`bias_ih${layer}`) === undefined ? ['no bias'] : []),
  ].join(', ')
}

function jordan(own: Shapes): string {
  const [hiddenSize, inputSize] = own('weight_ih') ?? []
  const bias = own('bias_ih') === undefined ? ', no bias' : ''
  return `a JordanRNN with input size ${inputSize}, hidden size ${hiddenSize}, output size ${own('weight_yh')?.[1]}${bias}`
}
