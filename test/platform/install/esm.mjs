import * as elman from '@elman/rnn'
import { nn, Tensor } from '@elman/rnn'
import train from './train.cjs'

train(elman)
if (!(new nn.Linear(1, 1).weight instanceof Tensor)) throw new Error('names differ from the whole')
console.log('done')
