/** Short runs of the programs in examples/: exit code, output and pictures. */

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

/** Reads a line of a table of percentages. */
const percent = (printed: string) => (name: string) =>
  Number(printed.match(new RegExp(`^${name} +([\\d.]+) %$`, 'm'))?.[1])

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

test('sentence: gradients by hand and by backward() are equal to 1e-12', () => {
  const printed = run('sentence')
  const apart = [...printed.matchAll(/^sum and backward\(\) are (\S+) apart$/gm)].map(
    ([, difference]) => Number(difference),
  )
  expect(apart).toHaveLength(2)
  for (const difference of apart) expect(difference).toBeLessThan(1e-12)
  const words = 4
  // 8 elements of U, 4 of W, 8 and 4 of V
  const rows = [...printed.matchAll(/^[UVW]\[\d\]\[\d\] (.*)$/gm)].map(([, row]) =>
    (row ?? '').trim().split(/ +/).map(Number),
  )
  expect(rows).toHaveLength(20 + 16)
  for (const row of rows) {
    expect(row).toHaveLength(words + 2)
    expect(row.at(-2)).toBeCloseTo(row.at(-1) ?? Number.NaN, 5)
    const added = row.slice(0, words).reduce((a, b) => a + b)
    expect(Math.abs(added - (row.at(-1) ?? Number.NaN))).toBeLessThan(3e-6) // they are printed to six places
  }
  expect(rows.flat().filter((value) => Math.abs(value) > 0.01).length).toBeGreaterThan(60)
  picture('sentence', 'gradients.svg')
})

test('names: better than by the last letter, after two epochs', () => {
  const printed = run('names', '--epochs', '2')
  expect(printed).toMatch(/^8003 names: 6402 to learn from, 1601 held out$/m)
  expect(printed).toMatch(/^Epoch 2\/2 /m)
  const [same, lastLetter, network] = ['always the same', 'by the last letter', 'network'].map(
    percent(printed),
  )
  expect(same).toBeGreaterThan(50)
  expect(lastLetter).toBeGreaterThan(same ?? 0)
  expect(network).toBeGreaterThan(lastLetter ?? 0)
  // a square for each letter of seven names, on white
  expect(picture('names', 'letters.svg').match(/<rect/g)).toHaveLength(
    1 + 'ElizabethBernadetteFredericaDanielaNicholasPatrickRobert'.length,
  )
})

test('jordan: Elman remembers what the answer does not show, Jordan does not', () => {
  const printed = run('jordan')
  const [zero, elman, jordan, taught] = ['always 0', 'Elman', 'Jordan', 'Jordan, taught'].map(
    percent(printed),
  )
  expect(zero).toBeGreaterThan(50)
  expect(elman).toBeGreaterThan(99)
  expect(jordan).toBeLessThan(80)
  expect(taught).toBeLessThan(60)
  expect(picture('jordan', 'curves.svg').match(/fill="none"/g)).toHaveLength(4)
})

test('memory: an LSTM and a GRU add two numbers that are far apart, Elman does not', () => {
  const printed = run('memory', '--epochs', '12')
  const [constant, elman, lstm, gru] = ['always 1', 'Elman RNN', 'LSTM', 'GRU'].map((name) =>
    Number(printed.match(new RegExp(`^${name} +([\\d.]+)$`, 'm'))?.[1]),
  )
  expect(constant).toBeCloseTo(0.408, 1)
  expect(elman).toBeGreaterThan(0.38)
  expect(lstm).toBeLessThan(0.08)
  expect(gru).toBeLessThan(0.08)
  expect(picture('memory', 'curves.svg').match(/fill="none"/g)).toHaveLength(4)
})

test('image-to-word: at least 92 % of the held-out digits are spelt exactly', () => {
  const printed = run('image-to-word')
  expect(printed).toMatch(/^10000 digits, 2000 of them held out$/m)
  const [mean, network] = ['nearest mean picture', 'network'].map(percent(printed))
  expect(mean).toBeGreaterThan(70)
  expect(network).toBeGreaterThanOrEqual(92)
  const svg = picture('image-to-word', 'words.svg')
  expect(
    svg.match(/>(zero|one|two|three|four|five|six|seven|eight|nine)<\/text>/g)?.length,
  ).toBeGreaterThan(16)
})

test('gradient-flow: vanishing, exploding and trained; clipping keeps the direction, cutting loses', () => {
  const printed = run('gradient-flow')
  const networks = ['untrained', 'trained', 'relu, W_hh = identity', 'relu, W_hh × 2.5']
  /** The numbers of a network's row of the table below a title. */
  const row = (title: string, name: string) => {
    const part = printed.slice(printed.indexOf(title)).split('\n')
    const line = part.find((one) => one.startsWith(`${name}   `)) ?? ''
    return (
      line
        .slice(name.length)
        .match(/[\d.]+(e[+-]\d+)?/g)
        ?.map(Number) ?? []
    )
  }
  const sizes = networks.map((name) => row('The size of', name).at(-1) ?? Number.NaN) // 50 steps back
  expect(sizes[0]).toBeLessThan(1e-9)
  expect(sizes[1]).toBeGreaterThan(0.1)
  expect(sizes[2]).toBeGreaterThan(0.5)
  expect(sizes[3]).toBeGreaterThan(1e5)

  const clipped = [...printed.matchAll(/ ([\d.]+) +clipGradNorm_\(…, 1\) +([\d.]+) +([\d.]+)$/gm)]
  expect(clipped).toHaveLength(4)
  for (const [, before, after, cosine] of clipped) {
    expect(Number(after)).toBe(Math.min(1, Number(before)))
    expect(Number(cosine)).toBe(1)
  }
  const byValue = printed.match(/^relu, W_hh × 2.5 .* clipGradValue_.* ([\d.]+)$/m)
  expect(Number(byValue?.[1])).toBeLessThan(0.6)

  const [untrained = [], trained = []] = networks.map((name) => row('is missing', name))
  expect(untrained[3]).toBeLessThan(1) // percent, cut after 10 steps
  expect(trained[3]).toBeGreaterThan(50)
  expect([untrained.at(-1), trained.at(-1)]).toEqual([0, 0]) // not cut
  // docs/bptt.md shows these very figures.
  const guide = readFileSync('docs/bptt.md', 'utf8')
  const documented = guide.slice(guide.indexOf('## Vanishing and exploding, measured'))
  for (const value of untrained.slice(0, 5).concat(trained.slice(0, 5))) {
    expect(documented).toContain(` ${value.toFixed(1)} % |`)
  }
  for (const [, before, after, cosine] of clipped) {
    expect(documented).toContain(`| ${before} | ${after}, ${cosine} |`)
  }
  // 50 points in each of four lines
  const lines = picture('gradient-flow', 'gradients.svg').match(/<path d="[^"]*" fill="none"/g)
  expect(lines?.map((line) => line.match(/[ML]/g)?.length)).toEqual([50, 50, 50, 50])
})
