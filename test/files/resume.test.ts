/** Training that is interrupted and goes on in another process gives the very bytes of training that was not. */

import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runFile } from '../helpers/child'

let folder = ''
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'elman-resume-'))
  const run = (name: string, from: number, to: number): void => {
    const ended = runFile('test/helpers/resumable.ts', [join(folder, name), `${from}`, `${to}`])
    expect([ended.status, ended.stderr]).toEqual([0, ''])
  }
  for (const name of ['whole', 'parts']) fs.mkdirSync(join(folder, name))
  run('whole', 0, 7)
  run('parts', 0, 3)
  run('parts', 3, 5)
  run('parts', 5, 7)
}, 120_000)

afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true })
})

const pairs = ['SGD', 'Adam', 'AdamW', 'RMSprop'].flatMap((optimizer) =>
  ['StepLR', 'CosineAnnealingLR', 'ReduceLROnPlateau'].map((scheduler) => [optimizer, scheduler]),
)

describe('training continues bit for bit', () => {
  it.each(pairs)('with %s and %s', (optimizer, scheduler) => {
    const read = (name: string, step: number): Buffer =>
      fs.readFileSync(join(folder, name, `${optimizer}-${scheduler}-${step}`))
    // The files hold parameters, the optimizer's and the schedule's state, random numbers and losses.
    expect(read('parts', 7).equals(read('whole', 7))).toBe(true)
    expect(read('parts', 5).equals(read('whole', 7))).toBe(false)
  })
})
