/** A short run of `npm run bench` without peers, as a child process like a user's. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Results } from '../../bench/report/results'
import { runNode } from '../helpers/program'

const folder = mkdtempSync(join(tmpdir(), 'elman-bench-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bench = (...args: string[]) => runNode(['scripts/bench.mjs', ...args])

// Builds the program that measures the peak.
describe('npm run bench', { timeout: 120_000 }, () => {
  test('measures the package alone, prints tables and writes JSON and Markdown', async () => {
    const markdown = join(folder, 'tables.md')
    const { exitCode, stdout, stderr } = await bench(
      ...['grid', '--only', 'ours', '--quick', '--seconds', '0.01', '--threads', '1'],
      ...['--shapes', '3x2x4x5,2x3x4x5x2x2', '--output', folder, '--markdown', markdown],
    )
    expect(stderr).not.toMatch(/error/i)
    expect(exitCode).toBe(0)
    expect(stdout).toContain(
      'Training step: forward and backward with all gradients, float32, 1 thread',
    )

    const { grid, machine, contenders }: Results = JSON.parse(
      readFileSync(join(folder, 'bench.json'), 'utf8'),
    )
    expect(contenders.map(({ name }) => name)).toEqual(['ours', 'tape'])
    expect(grid.map(({ contender, task, shape }) => `${contender} ${task} ${shape.T}`)).toEqual([
      ...['ours step 3', 'tape step 3', 'ours forward 3'],
      ...['ours step 2', 'tape step 2', 'ours forward 2'],
    ])
    for (const { timing, peak } of grid) {
      expect(timing.median).toBeGreaterThan(0)
      expect(timing.median).toBeLessThan(10)
      expect(peak).toBeGreaterThan(0)
    }
    expect(machine.peaks.map(({ bits }) => bits)).toEqual(
      machine.peaks.map(({ bits }) => bits).sort((a, b) => a - b),
    )
    expect(readFileSync(markdown, 'utf8')).toContain('| (3, 2, 4, 5) | ')
  })

  test('measures sequences of different lengths', async () => {
    const { exitCode, stdout } = await bench(
      ...['lengths', '--quick', '--seconds', '0.01', '--threads', '1', '--shapes', '6x3x4x5'],
      ...['--output', folder],
    )
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^\(6, 3, 4, 5\) +step +1( +[\d.]+){5}$/m)
    expect(stdout).toMatch(/packed: at most 1\.15 × a full batch/)
  })

  test('goes on without a peer that cannot be had, and says why', async () => {
    const { exitCode, stdout } = await bench(
      ...['grid', '--only', 'ours,torch', '--quick', '--seconds', '0.01', '--threads', '1'],
      ...['--shapes', '3x2x4x5', '--output', folder, '--python', join(folder, 'python')],
    )
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^without PyTorch: .*ENOENT/m)
    expect(stdout).toContain('(3, 2, 4, 5)')
  })

  test('explains itself, and its mistakes', async () => {
    const help = await bench('--help')
    expect(help.exitCode).toBe(0)
    expect(help.stdout).toContain('--python <path>')
    for (const [args, message] of [
      [['--shapes', '12'], 'Expected numbers from 1 to 9, or sizes as 50x16x32x64.'],
      [['--only', 'theirs'], 'Expected some of ours, ort, tfjs, torch, jax.'],
      [['demo'], 'the demo mode needs --python'],
      [['names'], 'the names mode needs --python'],
      [
        ['everything'],
        'Allowed choices are all, grid, growth, stream, lengths, gates, denormals, memory, start, demo, names.',
      ],
    ] as const) {
      const { exitCode, stderr } = await bench(...args)
      expect(stderr).toContain(message)
      expect(exitCode).toBe(2)
    }
    const under = join('package.json', 'folder')
    const { exitCode, stderr } = await bench(
      'stream',
      '--only',
      'ours',
      '--quick',
      '--output',
      under,
    )
    expect(stderr).toMatch(
      /^error: cannot make the folder .*: a part of the path is not a folder$/m,
    )
    expect(exitCode).toBe(1)
  })
})
