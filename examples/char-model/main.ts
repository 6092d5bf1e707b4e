/**
 * A character model: it reads a book letter by letter and learns to guess the letter that comes next.
 *
 * The network is an Elman RNN, or with `--cell` an LSTM or a GRU. Its states are all that it remembers of
 * what it has read, and the gradients flow back through the last 64 letters only (truncated backpropagation
 * through time). How well it guesses is told in bits per character: how long the book would be, per letter, if
 * it were compressed with the help of these guesses.
 *
 *     npm run demo                                 Moby Dick, five times over
 *     npm run demo -- --text mine.txt --epochs 20  a text of your own
 *     npm run demo -- --resume                     go on after Ctrl-C
 *     npm run demo -- --output out/other           leave the run that is there, and write elsewhere
 *     npm run demo -- --cell lstm                  another kind of recurrent layer: rnn, lstm or gru
 */

import { manualSeed, nn, noGrad, optim, setNumThreads } from '@elman/rnn'
import { Interrupt } from '../lib/interrupt'
import { runProgram } from '../lib/program'
import { loadRun, saveRun } from './checkpoint'
import { CharModel, type Memory } from './model'
import { readOptions } from './options'
import { Report } from './report'
import { writeResults } from './results'
import { Mean } from './run'
import { type Chunk, readBook } from './text'

async function main(): Promise<number> {
  const { options, saved } = readOptions()
  if (options.threads !== undefined) setNumThreads(options.threads)

  // The book, cut into rows that are read side by side. Its last tenth is held out: the model never
  // learns from it, so its guesses there show what it has understood rather than memorised.
  const book = readBook(options.text, options.batch, options.steps)
  const { train, heldOut, vocabulary } = book

  // The network, what is to become small, and what makes it so.
  manualSeed(options.seed)
  const model = new CharModel(vocabulary.size, options)
  const criterion = new nn.CrossEntropyLoss()
  const optimizer = new optim.Adam(model.parameters(), { lr: options.rate })
  const parts = { model, optimizer }

  // How far we are: nowhere, or where an earlier run stopped.
  const run = loadRun(saved, book, parts)

  /** Learns from one chunk and gives its loss, the mean over its characters. */
  function learn({ inputs, targets }: Chunk): number {
    const [scores, memory] = model.forward(inputs, run.memory)
    const loss = criterion.forward(scores, targets)

    optimizer.zeroGrad()
    loss.backward()
    nn.utils.clipGradNorm_(model.parameters(), options.clip)
    optimizer.step()

    // The next chunk goes on from this memory, but sends no gradients back into this chunk.
    run.memory = memory.map((state) => state.detach())
    return loss.item()
  }

  /** Reads the held-out text and gives its loss; nothing if a signal came. */
  async function score(): Promise<Mean | undefined> {
    const mean = new Mean()
    let memory: Memory | null = null
    for await (const { inputs, targets, size } of heldOut.read()) {
      const [scores, last] = noGrad(() => model.forward(inputs, memory))
      mean.add(criterion.forward(scores, targets).item(), size)
      memory = last
      if (interrupt.exitCode !== undefined) return undefined
    }
    return mean
  }

  const report = new Report(options, book, model, run)
  const interrupt = new Interrupt(() => report.stop())

  while (run.epoch < options.epochs) {
    report.beginEpoch()
    for await (const chunk of train.read(run.chunk)) {
      // The learning rate falls from its full size to nothing along a cosine.
      const done = (run.epoch + run.chunk / train.chunks) / options.epochs
      for (const group of optimizer.paramGroups) {
        group.lr = options.rate * (0.5 + 0.5 * Math.cos(Math.PI * done))
      }
      run.add(learn(chunk), chunk.size, train.chunks)
      report.update(chunk.size)
      if (interrupt.exitCode !== undefined) break
    }

    const heldOutLoss = interrupt.exitCode === undefined ? await score() : undefined
    if (heldOutLoss) run.endEpoch(heldOutLoss)
    report.stop()
    saveRun(saved, book, parts, run)
    if (interrupt.exitCode !== undefined) {
      throw saved.stopped(interrupt.exitCode, report.done)
    }
    report.endEpoch()
  }
  interrupt.close()

  writeResults(options, book, model, run, saved.file('model'))
  return 0
}

runProgram(main)
