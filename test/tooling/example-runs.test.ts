/** What all programs of examples/ do alike: help, wrong options, runs that are stopped and resumed, progress. */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { Progress, progressLine } from '../../examples/lib/progress'
import { runExample, runNode } from '../helpers/program'

const folder = mkdtempSync(join(tmpdir(), 'elman-runs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(() => {
  vi.restoreAllMocks()
})

const names = readdirSync('examples').filter((name) => existsSync(`examples/${name}/main.ts`))

/** An option that a program has, with a value that makes no sense. */
const wrong: Record<string, string[]> = {
  'char-model': ['--rate', '0'],
  names: ['--dropout', '2'],
  memory: ['--hidden', '1e9'],
  'gradient-flow': ['--seed', '-1'],
  'image-to-word': ['--epochs', '0.5'],
  jordan: ['--threads', '0'],
  weather: ['--epochs', 'many'],
}

describe.concurrent.each(names)('%s', (name) => {
  test('tells its options', async () => {
    const { exitCode, stdout, stderr } = await runExample(name, ['--help'])
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      name === 'char-model' ? /npm run demo --/ : `npm run example -- ${name} `,
    )
    expect(stdout).toContain('--output <folder>')
  })

  test('tells in a line what is wrong with an option', async () => {
    const args = wrong[name] ?? ['--nonsense', '1']
    const { exitCode, stdout, stderr } = await runExample(name, args)
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^error: .*\n\(--help lists the options\)\n$/)
    expect(stderr).toContain(args[0])
  })
})

describe('npm run example', () => {
  const script = (...args: string[]) => runNode(['scripts/example.mjs', ...args])
  const listed = (text: string) =>
    [...text.matchAll(/^ {2}([\w-]+) {2,}\w/gm)].map(([, name]) => name)

  test('--help lists every example', async () => {
    const { exitCode, stdout, stderr } = await script('--help')
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toContain('Usage: npm run example -- NAME [options]')
    expect(listed(stdout).sort()).toEqual(names.sort())
  })

  test.each([
    ['nonsense', /^error: there is no example nonsense\n/],
    ['--epochs', /^error: the name of an example comes first, not --epochs\n/],
    [undefined, /^error: no example was named\n/],
  ])('%s is no example', async (name, message) => {
    const { exitCode, stdout, stderr } = await script(...(name === undefined ? [] : [name]))
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
    expect(listed(stderr)).toHaveLength(names.length)
  })
})

/** Examples that learn, short, with the checkpoint after which they are stopped, and the files of a whole run. */
const learning: [string, string[], string, string[]][] = [
  ['names', ['--epochs', '3'], '', ['letters.svg', 'model.safetensors']],
  ['weather', ['--epochs', '8'], '-2012-2013', ['forecast.svg', 'model-2012-2014.safetensors']],
  ['image-to-word', ['--epochs', '2'], '', ['words.svg', 'model.safetensors']],
  ['jordan', ['--epochs', '60'], '-jordan', ['curves.svg', 'model-jordan-taught.safetensors']],
  ['memory', ['--epochs', '2'], '-lstm', ['curves.svg', 'model-gru.safetensors']],
  ['gradient-flow', ['--epochs', '4'], '', ['gradients.svg', 'model.safetensors']],
]

describe.each(learning)('%s', (name, args, stage, results) => {
  test('stopped by Ctrl-C and resumed gives the same files to the bit, and is not overwritten', async () => {
    const [whole, parts] = ['whole', 'parts'].map((part) => join(folder, `${name}-${part}`)) as [
      string,
      string,
    ]
    const ended = await runExample(name, [...args, '--output', whole])
    expect([ended.stderr, ended.exitCode]).toEqual(['', 0])
    expect(ended.stdout).not.toMatch(/[^\P{Cc}\n]/u)
    const files = readdirSync(whole)
    expect(files).toEqual(expect.arrayContaining([...results, 'settings.json']))
    expect(ended.stdout).toMatch(/^Written to .*: .*$/m)

    // Not before a checkpoint is there, so that the place is amid a later epoch.
    const checkpoint = join(parts, `checkpoint${stage}.safetensors`)
    const stopped = await runExample(name, [...args, '--output', parts], () =>
      existsSync(checkpoint),
    )
    expect([stopped.stderr, stopped.exitCode]).toEqual(['', 130])
    expect(stopped.stdout).toMatch(
      /Stopped after .*\d\.\d\d of \d+ epochs; the run is saved in .*\.\nGo on with: npm run example -- [\w-]+ --resume --output .*\n$/,
    )
    expect(existsSync(join(parts, results[0] ?? ''))).toBe(false)

    const refused = await runExample(name, [...args, '--output', parts])
    expect([refused.stdout, refused.exitCode]).toEqual(['', 1])
    expect(refused.stderr).toMatch(/^error: there is a run in .* already: .*\n$/)

    const resumed = await runExample(name, ['--resume', '--output', parts, '--threads', '1'])
    expect([resumed.stderr, resumed.exitCode]).toEqual(['', 0])
    expect(resumed.stdout).toMatch(/resumed after \d+\.\d\d of \d+ epochs/i)
    expect(readdirSync(parts)).toEqual(files)
    for (const file of files) {
      const [one, other] = [whole, parts].map((output) => readFileSync(join(output, file)))
      expect(one?.equals(other ?? Buffer.of()), file).toBe(true)
    }
  }, 600_000)
})

test('names-settings keeps the scores that it has', async () => {
  const output = join(folder, 'settings')
  const started = () => existsSync(join(output, 'names'))
  const stopped = await runExample('names-settings', ['--output', output], started)
  expect([stopped.stderr, stopped.exitCode]).toEqual(['', 130])
  expect(stopped.stdout).toMatch(/Stopped after 0 of 48 networks; .*\nGo on with: .* --resume /)
  const scores = Array.from({ length: 48 }, (_, i) => (800 + i) / 1000)
  writeFileSync(join(output, 'checkpoint.json'), JSON.stringify(scores))
  const resumed = await runExample('names-settings', ['--resume', '--output', output])
  expect([resumed.stderr, resumed.exitCode]).toEqual(['', 0])
  expect(resumed.stdout).toMatch(/\n128 +0.3 +0.003 +48 +84.6 % +84.7 % +84.7 %\n/)
}, 120_000)

test('weights that are no numbers any more are not saved, and the reason is told', async () => {
  const output = join(folder, 'diverged')
  const args = ['--epochs', '3', '--rate', '1e30', '--output', output]
  const { exitCode, stderr } = await runExample('names', args)
  expect(exitCode).toBe(1)
  expect(stderr).toBe(
    'error: the loss grew until it was no number any more; a smaller --rate may help\n',
  )
}, 120_000)

test('a checkpoint of other sizes, and a damaged one, are told in a line', async () => {
  const output = join(folder, 'damaged')
  await runExample('names', ['--epochs', '1', '--output', output])
  const settings = readFileSync(join(output, 'settings.json'), 'utf8')
  writeFileSync(join(output, 'settings.json'), settings.replace('64', '32'))
  const resume = () => runExample('names', ['--resume', '--output', output])
  expect((await resume()).stderr).toMatch(
    /^error: .*checkpoint\.safetensors cannot be resumed: .*\n/,
  )
  writeFileSync(join(output, 'settings.json'), settings.slice(1))
  expect((await resume()).stderr).toMatch(/^error: .*settings\.json is damaged\n$/)
}, 120_000)

test('a reader that has seen enough ends a program without an error', async () => {
  const { stderr } = await new Promise<{ stderr: string }>((resolve) => {
    const args = ['--require', 'tsx/cjs', 'examples/worked-example/main.ts']
    const child = spawn(process.execPath, [...args, '--output', join(folder, 'pipe')])
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk
    })
    child.on('close', () => resolve({ stderr }))
  })
  expect(stderr).toBe('')
})

describe('progress', () => {
  const details = ['2.345 bits/char', '1:23 left', '12,345 chars/s']

  test('fits into a terminal of any width, and says the most important things first', () => {
    for (let columns = 0; columns <= 200; columns++) {
      const line = progressLine('Epoch 12/50', 0.42, details, columns)
      expect(line.length, `${columns}`).toBeLessThanOrEqual(columns)
      if (columns >= 4) expect(line).toContain('42%')
      if (columns >= 16) expect(line).toMatch(/^Epoch 12\/50 /)
      if (columns >= 33) expect(line).toContain(details[0])
      if (columns >= 39) expect(line).toContain('■')
      if (columns >= 50) expect(line).toContain(details[1])
      if (columns >= 66) expect(line).toContain(details[2])
    }
  })

  test('is drawn anew for the width of the terminal, and taken away in the end', () => {
    let written = ''
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      written += chunk
      return true
    })
    const { isTTY, columns } = process.stdout
    const terminal = (width: number | undefined, tty: boolean) =>
      Object.assign(process.stdout, { isTTY: tty, columns: width })
    vi.stubEnv('TERM', 'xterm')
    try {
      terminal(50, true)
      const progress = new Progress('Epoch 1/5', 100)
      progress.update(50, details)
      terminal(30, true)
      progress.update(60, details)
      progress.stop()
    } finally {
      terminal(columns, isTTY)
      vi.unstubAllEnvs()
    }
    const lines = written.split('\u001b').map((part) => part.replace(/^\[[?\d]*[A-Za-z]/, ''))
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(50)
    expect(written).toContain('60%')
    expect(written.lastIndexOf('\u001b[?25h')).toBeGreaterThan(written.lastIndexOf('\u001b[?25l'))
  })
})
