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
import { asMarkdown, asText, type Table } from './table'

function tablesOf(results: Results): Table[] {
  return [...gridTables(results), ...otherTables(results)]
}

/** Who takes part, on what. */
export function heading({ machine, contenders, missing }: Results): string[] {
  return [
    ...describeMachine(machine),
    [...new Set(contenders.map(({ version }) => version))].join(', '),
    ...missing.map(({ name, reason }) => `without ${titles[name]}: ${reason}`),
  ]
}

/** Prints the tables, and what was left out. */
export function printReport(results: Results): void {
  for (const table of tablesOf(results)) console.log(`\n${asText(table)}`)
  for (const { contender, task, shape, reason } of unusual(results)) {
    console.log(`${shapeName(shape)} ${task} without ${titles[contender]}: ${reason}`)
  }
  const goals = goalTable(results)
  if (goals.rows.length > 0) console.log(`\n${asText(goals)}`)
}

/** What was left out of a race for its own reason: not what a contender never does. */
function unusual({ skipped }: Results): Results['skipped'] {
  return skipped.filter(({ reason }) => /\d/.test(reason))
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
