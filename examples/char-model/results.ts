/** What a finished run leaves: a sample of its writing, the learning curves and the model. */

import { join } from 'node:path'
import { writeText } from '../lib/files'
import { lineChart } from '../lib/line-chart'
import { saveModel } from '../lib/training'
import { type CharModel, cells, write } from './model'
import type { Options } from './options'
import type { Run } from './run'
import type { Book } from './text'

export function writeResults(
  options: Options,
  book: Book,
  model: CharModel,
  run: Run,
  modelPath: string,
): void {
  const { output, sample, temperature, cell, embedding, hidden, layers } = options
  if (sample > 0) {
    console.log(`\nA sample of its writing, at temperature ${temperature}:\n`)
    console.log(`${printable(write(model, book.vocabulary, sample, temperature))}\n`)
  }

  writeText(join(output, 'loss.svg'), curves(options, book, run))

  const vocabulary = JSON.stringify(book.vocabulary.characters)
  saveModel(modelPath, model, { vocabulary, cell, embedding, hidden, layers })

  console.log(
    `Written to ${output}:\n` +
      '  loss.svg                learning curves\n' +
      '  model.safetensors       weights, and in the metadata the vocabulary\n' +
      '  checkpoint.safetensors  for --resume, with --epochs for more of them',
  )
}

/** The learning curves of a run. */
function curves({ cell, layers, hidden }: Options, { title }: Book, run: Run): string {
  // The first few points stand so high that the rest would be flat.
  const yMost = run.curve.length > 10 ? run.curve[2]?.[1] : undefined
  return lineChart({
    title: `Learning to read ${title.split(/[\\/]/).at(-1)}`,
    subtitle: `character model, ${layers} × ${hidden} ${cells[cell]}: bits it needs to guess a character`,
    xLabel: 'epochs',
    yLabel: 'bits per character',
    series: [
      { name: 'text it learns from', points: run.curve },
      {
        name: 'held-out text',
        points: run.scores.map(({ heldOut }, index) => [index + 1, heldOut]),
        dots: true,
      },
    ],
    ...(yMost === undefined ? {} : { yMost }),
  })
}

/** A text without the control characters that a terminal would obey. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '\uFFFD')
}
