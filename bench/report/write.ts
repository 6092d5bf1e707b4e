/** Where the results go: the terminal, a JSON file, a Markdown file and two pictures. */

import { dirname, join } from 'node:path'
import { makeFolder, writeText } from '../../examples/lib/files'
import { titles } from '../contenders/contender'
import { describeMachine } from '../lib/machine'
import { shapeName } from '../lib/shape'
import type { Options } from '../options'
import { goalTable } from './goals'
import { gridChart } from './grid-chart'
import { gridTables } from './grid-tables'
import { growthChart } from './growth-chart'
import { otherTables } from './other-tables'
import type { Results } from './results'
import { asMarkdown, asText, milliseconds, type Table } from './table'

function tablesOf(results: Results): Table[] {
  return [...gridTables(results), ...otherTables(results)]
}

/** Who takes part, on what. */
export function heading({ machine, contenders, missing }: Results): string[] {
  const versions = [...new Set(contenders.map(({ version }) => version))]
  return [
    ...describeMachine(machine),
    ...(versions.length > 0 ? [versions.join(', ')] : []),
    ...missing.map(({ name, reason }) => `without ${titles[name]}: ${reason}`),
  ]
}

/** Quartiles further apart than this tell that something else was running. */
const steadiness = 1.25

/** Prints the tables, and what was left out. */
export function printReport(results: Results): void {
  for (const table of tablesOf(results)) console.log(`\n${asText(table)}`)
  const remarks = remarksOn(results)
  if (remarks.length > 0) console.log(`\n${remarks.join('\n')}`)
  const goals = goalTable(results)
  if (goals.rows.length > 0) console.log(`\n${asText(goals)}`)
}

/** What was left out, and what was disturbed. */
function remarksOn({ skipped, grid }: Results): string[] {
  const unsteady = grid.filter(
    ({ timing }) => timing.upperQuartile > steadiness * timing.lowerQuartile,
  )
  return [
    ...skipped.map(
      ({ contender, task, shape, reason }) =>
        `${shapeName(shape)} ${task} without ${titles[contender]}: ${reason}`,
    ),
    ...unsteady.map(({ contender, task, shape, threads, timing }) => {
      const quartiles = [timing.lowerQuartile, timing.upperQuartile].map(milliseconds).join(' to ')
      return `${shapeName(shape)} ${task}: ${titles[contender]}, ${threads} thr., is unsteady: half of its times from ${quartiles}`
    }),
  ]
}

/** Writes all files, and gives their names. */
export function writeReport(results: Results, options: Options): string[] {
  const files = new Map<string, string>([[options.json, `${JSON.stringify(results, null, 1)}\n`]])
  const pictures: [string, string | undefined][] = [
    ['grid.svg', gridChart(results)],
    ['growth.svg', growthChart(results)],
  ]
  for (const [name, picture] of pictures) {
    if (picture !== undefined) files.set(join(options.output, name), picture)
  }
  if (options.markdown !== undefined) files.set(options.markdown, markdown(results))
  for (const [file, text] of files) {
    makeFolder(dirname(file))
    writeText(file, text)
  }
  return [...files.keys()]
}

/** Machine, command and tables, to be taken into a document. */
function markdown(results: Results): string {
  return [
    ...heading(results).map((line) => `- ${line}`),
    `- \`${results.command}\``,
    '',
    ...tablesOf(results).flatMap((table) => [asMarkdown(table), '']),
  ].join('\n')
}
