/** The character model of examples/: short runs, as a child process like a user's. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSafetensors } from '@elman/rnn'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ended, runExample } from '../helpers/program'

const folder = mkdtempSync(join(tmpdir(), 'elman-demo-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A text with structure to learn: sentences of few words in a pseudo-random order. */
function writtenText(sentences: number): string {
  const words = [
    'the whale',
    'a ship',
    'the sea',
    'Ahab',
    'saw',
    'followed',
    'lost',
    'called – “ho!”',
  ]
  let state = 1
  const word = () => {
    state = (state * 48_271) % 2_147_483_647
    return words[state % words.length]
  }
  return Array.from({ length: sentences }, () => `${word()} ${word()} ${word()}.\n`).join('')
}

const demo = (args: string[], interrupt?: (stdout: string) => boolean) =>
  runExample('char-model', args, interrupt)
const afterAnEpoch = (stdout: string) => stdout.includes('Epoch 1/3')

const text = join(folder, 'whale.txt')
const small = ['--text', text, '--epochs', '3', '--batch', '4', '--steps', '16', '--seed', '3']
const sizes = ['--embedding', '8', '--hidden', '16', '--layers', '2', '--sample', '50']

beforeAll(() => writeFileSync(text, writtenText(2500)))

describe('a whole run', () => {
  const output = join(folder, 'whole')
  const file = (name: string) => join(output, name)
  let whole: Ended
  beforeAll(async () => {
    whole = await demo([...small, ...sizes, '--output', output])
  }, 120_000)

  test('ends well, in plain lines', () => {
    expect(whole.stderr).toBe('')
    expect(whole.exitCode).toBe(0)
    expect(whole.stdout).not.toMatch(/[^\P{Cc}\n]/u)
    expect(whole.stdout).toMatch(/^Epoch 3\/3 .* held out {2}\([\d,]+ chars\/s\)$/m)
  })

  test('learns: each epoch guesses the held-out text better, and far better than chance', () => {
    const scores = [...whole.stdout.matchAll(/([\d.]+) held out/g)].map(([, bits]) => Number(bits))
    expect(scores).toHaveLength(3)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    // The next word is random: 9 bits for three words, each one of 8, about 22 characters.
    expect(scores.at(-1)).toBeLessThan(1.2)
  })

  test('writes a sample of the length that was asked for', () => {
    const sample = whole.stdout.match(/temperature 0\.7:\n\n([\s\S]*?)\n\nWritten to/)?.[1]
    expect([...(sample ?? '')]).toHaveLength(50)
  })

  test('draws both learning curves', () => {
    const svg = readFileSync(file('loss.svg'), 'utf8')
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
    for (const words of ['whale.txt', 'epochs', 'bits per character', 'held-out text']) {
      expect(svg).toContain(words)
    }
    // three dots on the held-out line and one in the legend
    expect(svg.match(/<circle/g)).toHaveLength(4)
    expect(svg).not.toContain('NaN')
  })

  test('saves the model with its vocabulary', () => {
    const characters = [...new Set(readFileSync(text, 'utf8'))].sort()
    const bytes = readFileSync(file('model.safetensors'))
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())))
    expect(JSON.parse(header.__metadata__.vocabulary)).toEqual(characters)
    const tensors = loadSafetensors(file('model.safetensors'))
    expect(tensors.get('embedding.weight')?.shape).toEqual([characters.length, 8])
    expect(tensors.get('rnn.weight_hh_l1')?.shape).toEqual([16, 16])
    expect(tensors.get('head.bias')?.shape).toEqual([characters.length])
  })

  test('interrupted by Ctrl-C and resumed, with one thread, gives the same files to the bit', async () => {
    const broken = join(folder, 'broken')
    const first = await demo([...small, ...sizes, '--output', broken], afterAnEpoch)
    expect(first.stderr).toBe('')
    expect(first.exitCode).toBe(130)
    expect(first.stdout).toMatch(
      /^Stopped after [12]\.\d\d of 3 epochs; the run is saved in .*broken\.\nGo on with: npm run demo -- --resume --output .*broken\n$/m,
    )
    expect(first.stdout).not.toContain('Epoch 3/3')

    const second = await demo(['--resume', '--output', broken, '--sample', '50', '--threads', '1'])
    expect(second.stderr).toBe('')
    expect(second.exitCode).toBe(0)
    for (const name of ['checkpoint.safetensors', 'model.safetensors', 'loss.svg']) {
      expect(readFileSync(join(broken, name)).equals(readFileSync(file(name))), name).toBe(true)
    }
    const sample = (stdout: string) =>
      stdout.slice(stdout.indexOf('A sample'), stdout.indexOf('Written'))
    expect(sample(second.stdout)).toBe(sample(whole.stdout))
  }, 120_000)

  test('is not replaced by another run, unless that is asked for', async () => {
    const before = readFileSync(file('checkpoint.safetensors'))
    const again = await demo([...small, ...sizes, '--output', output])
    expect(again.exitCode).toBe(1)
    expect(again.stderr).toMatch(
      /^error: there is a run in .*whole already: --resume .*, --overwrite .*, and --output .*\n$/,
    )
    // What is wrong is told before anything of the old run is gone.
    const wrong = await demo(['--overwrite', '--text', join(folder, 'none'), '--output', output])
    expect(wrong.exitCode).toBe(1)
    expect(readFileSync(file('checkpoint.safetensors')).equals(before)).toBe(true)
    const both = await demo(['--overwrite', '--resume', '--output', output])
    expect(both.stderr).toContain("'--resume' cannot be used with option '--overwrite'")
    expect(both.exitCode).toBe(2)

    const other = join(folder, 'other')
    const once = ['--epochs', '1', '--output', other]
    expect((await demo([...small, ...sizes, ...once])).exitCode).toBe(0)
    expect((await demo([...small, ...sizes, ...once, '--overwrite', '--hidden', '8'])).stderr).toBe(
      '',
    )
    const tensors = loadSafetensors(join(other, 'model.safetensors'))
    expect(tensors.get('head.weight')?.shape[1]).toBe(8)
  }, 120_000)

  test('does not resume with other sizes or another cell, or on another text', async () => {
    const other = await demo(['--resume', '--output', output, '--hidden', '32'])
    expect(other.exitCode).toBe(2)
    expect(other.stderr).toContain('--hidden cannot change when a run is resumed: it was 16')
    const gru = await demo(['--resume', '--output', output, '--cell', 'gru'])
    expect(gru.exitCode).toBe(2)
    expect(gru.stderr).toContain('--cell cannot change when a run is resumed: it was rnn')

    const changed = join(folder, 'changed.txt')
    writeFileSync(changed, writtenText(2500))
    const copy = join(folder, 'copy')
    await demo([...sizes, '--text', changed, '--epochs', '1', '--output', copy])
    writeFileSync(changed, `${writtenText(2500)}!`)
    const resumed = await demo(['--resume', '--output', copy])
    expect(resumed.exitCode).toBe(1)
    expect(resumed.stderr).toMatch(/^error: .*text.*\n$/)
  }, 120_000)
})

describe.each([
  ['lstm', 'LSTM', 4],
  ['gru', 'GRU', 3],
])('with --cell %s', (cell, name, gates) => {
  test('learns, says so, and resumes with that cell', async () => {
    const [whole, parts] = ['whole', 'parts'].map((part) => join(folder, `${cell}-${part}`))
    const args = [...small, ...sizes, '--cell', cell]
    const ended = await demo([...args, '--output', whole])
    expect([ended.stderr, ended.exitCode]).toEqual(['', 0])
    expect(ended.stdout).toContain(`Network  2 ${name} layers of 16,`)
    const scores = [...ended.stdout.matchAll(/([\d.]+) held out/g)].map(([, bits]) => Number(bits))
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    expect(scores.at(-1)).toBeLessThan(1.6)
    const tensors = loadSafetensors(join(whole, 'model.safetensors'))
    expect(tensors.get('rnn.weight_hh_l1')?.shape).toEqual([gates * 16, 16])
    expect(readFileSync(join(whole, 'loss.svg'), 'utf8')).toContain(`2 × 16 ${name}`)

    const first = await demo([...args, '--output', parts], afterAnEpoch)
    expect(first.exitCode).toBe(130)
    const second = await demo(['--resume', '--output', parts, '--sample', '50'])
    expect([second.stderr, second.exitCode]).toEqual(['', 0])
    for (const file of ['checkpoint.safetensors', 'model.safetensors', 'loss.svg']) {
      const [one, other] = [whole, parts].map((output) => readFileSync(join(output, file)))
      expect(one.equals(other), file).toBe(true)
    }
  }, 120_000)
})

describe.concurrent('what is wrong is told in one line', () => {
  const inFolder = (name: string, content: string | Uint8Array) => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }

  test.each<[string, () => string, RegExp]>([
    ['missing', () => join(folder, 'none.txt'), /none\.txt: no such file$/],
    ['empty', () => inFolder('empty.txt', ''), /empty\.txt is empty$/],
    ['a folder', () => folder, /it is a folder$/],
    [
      'not UTF-8',
      () => inFolder('latin1.txt', Uint8Array.of(0x63, 0xe9, 0x21)),
      /is not UTF-8 text$/,
    ],
    [
      'too short',
      () => inFolder('short.txt', 'Call me Ishmael.'),
      /too short: it has 16 characters.*2,597/,
    ],
  ])('a text that is %s', async (_, path, message) => {
    const { exitCode, stdout, stderr } = await demo([
      '--text',
      path(),
      '--output',
      join(folder, 'none'),
    ])
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr.trimEnd()).toMatch(message)
    expect(stderr).toMatch(/^error: /)
    expect(stdout).toBe('')
    expect(exitCode).toBe(1)
  })

  test.each([
    [
      ['--epochs', '0'],
      "'--epochs <n>' argument '0' is invalid. Expected a whole number of at least 1.",
    ],
    [['--cell', 'elman'], 'Allowed choices are rnn, lstm, gru.'],
    [['--hidden', '2.5'], "argument '2.5' is invalid"],
    [['--layers', '65'], 'Expected a whole number from 1 to 64.'],
    [['--rate', 'fast'], "argument 'fast' is invalid. Expected a number greater than 0."],
    [['--temperature', '-1'], 'Expected a number of at least 0.'],
    [['--text'], "'--text <file>' argument missing"],
    [['--bogus'], "unknown option '--bogus'"],
    [['extra'], 'too many arguments'],
  ])('the command line %j', async (args, message) => {
    const { exitCode, stderr } = await demo(args)
    expect(stderr).toContain(message)
    expect(exitCode).toBe(2)
  })

  test('nothing to resume', async () => {
    const { exitCode, stderr } = await demo(['--resume', '--output', join(folder, 'nowhere')])
    expect(stderr).toMatch(/^error: there is no run in .*nowhere to resume\n$/)
    expect(exitCode).toBe(1)
  })

  test('an output folder that is a file', async () => {
    const { exitCode, stderr } = await demo(['--output', inFolder('file', 'x')])
    expect(stderr).toMatch(/^error: cannot make the folder .*: something else has this name\n$/)
    expect(exitCode).toBe(1)
  })

  test('--help', async () => {
    const { exitCode, stdout } = await demo(['--help'])
    for (const option of ['--text', '--resume', '--epochs', '--cell', '--threads'])
      expect(stdout).toContain(option)
    expect(exitCode).toBe(0)
  })
})
