/** The programs of examples/, run small: they end well, say what they should, and draw. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'elman-examples-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs an example on what is built; gives what it prints. */
function run(name: string, ...args: string[]): string {
  const main = `examples/${name}/main.ts`
  return execFileSync(
    process.execPath,
    ['--require', 'tsx/cjs', main, '--output', join(folder, name), ...args],
    { encoding: 'utf8' },
  )
}

/** A picture that an example drew, which is whole. */
function picture(name: string, file: string): string {
  const svg = readFileSync(join(folder, name, file), 'utf8')
  expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  return svg
}

test('worked-example: h = 2, 6, 16 and y = 4, 12, 32, whichever way they are computed', () => {
  const printed = run('worked-example')
  expect(printed).toMatch(/^1 +\[1, 1\] +\[2, 2\] +\[0, 0\] +\[2, 2\] +\[4, 4\]$/m)
  expect(printed).toMatch(/^2 +\[1, 1\] +\[2, 2\] +\[4, 4\] +\[6, 6\] +\[12, 12\]$/m)
  expect(printed).toMatch(/^3 +\[2, 2\] +\[4, 4\] +\[12, 12\] +\[16, 16\] +\[32, 32\]$/m)
  for (const way of ['by hand', 'one matrix W', 'nn.RNNCell', 'nn.RNN']) {
    expect(printed).toMatch(new RegExp(`^${way} +\\[4, 4\\] +\\[12, 12\\] +\\[32, 32\\]$`, 'm'))
  }
  expect(printed).toContain('→   [8, 8]   [20, 20]   [44, 44]')
  expect(picture('worked-example', 'steps.svg').match(/<rect/g)).toHaveLength(1 + 27)
})

test('weather: forecasts 2015 at most 2.80 °C off, where persistence is 2.91 °C off', () => {
  const printed = run('weather')
  const [persistence, network] = ['as today \\(persistence\\)', 'network'].map((name) =>
    Number(printed.match(new RegExp(`^${name} +([\\d.]+) °C$`, 'm'))?.[1]),
  )
  expect(persistence).toBe(2.91)
  expect(network).toBeLessThanOrEqual(2.8)
  // 365 days in each of three lines
  const lines = picture('weather', 'forecast.svg').match(/<path d="[^"]*" fill="none"/g)
  expect(lines?.map((line) => line.match(/[ML]/g)?.length)).toEqual([365, 365, 365])
})
