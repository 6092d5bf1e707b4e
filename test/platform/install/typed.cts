/** CommonJS in TypeScript; types alone are in question here, the training is in typed.mts. */
import elman = require('@elman/rnn')

const rnn: elman.nn.RNN = new elman.nn.RNN(2, 3)
const [output] = rnn.forward(elman.ones([4, 2]))
if (output.shape.join() !== '4,3') throw new Error(`the shape is ${output.shape}`)

// @ts-expect-error: a size is a number
export const wrong = () => new elman.nn.RNN('two', 3)
console.log('done')
