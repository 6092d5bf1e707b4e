const elman = require('@elman/rnn')
const train = require('./train.cjs')

train(elman)
console.log('done')
