/** Makes a network again and again, and prints the milliseconds of each, as peers/construct.py does. */

import { nn } from '@elman/rnn'

const times: number[] = []
for (let index = 0; index < 40; index += 1) {
  const begin = performance.now()
  new nn.RNN(512, 512, { numLayers: 4 })
  times.push(performance.now() - begin)
}
// The first ones make room in memory.
console.log(JSON.stringify(times.slice(10)))
