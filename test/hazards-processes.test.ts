/** Processes and threads: the environment, workers that come and go, ends in the middle of work, and memory over time. */

import { describe, expect, it } from 'vitest'
import { runModule } from './helpers/child'

describe('the environment', () => {
  const print = `import { backendInfo } from '@elman/rnn'
    console.log(JSON.stringify(backendInfo()))`
  const threads = 'must be an integer from 1 to 1024, got'
  it.each([
    ['ELMAN_ISA', 'mmx', 'must be one of'],
    ['ELMAN_ISA', 'SCALAR', 'must be one of'],
    ['ELMAN_ISA', ' scalar', 'must be one of'],
    ['ELMAN_NUM_THREADS', '0', threads],
    ['ELMAN_NUM_THREADS', '-1', threads],
    ['ELMAN_NUM_THREADS', '2.5', threads],
    ['ELMAN_NUM_THREADS', '1e2', threads],
    ['ELMAN_NUM_THREADS', '1025', threads],
    ['ELMAN_NUM_THREADS', `${2 ** 32 + 5}`, threads],
    ['ELMAN_NUM_THREADS', 'many', threads],
  ])('%s=%s makes the import fail', (name, value, message) => {
    const ended = runModule(print, { env: { [name]: value } })
    expect([ended.status, ended.stdout]).toEqual([1, ''])
    expect(ended.stderr).toContain(`RangeError: ${name} ${message}`)
    expect(ended.stderr).toContain(`got ${value}`)
    const caught = `const error = await import('@elman/rnn').catch((error) => error)
      console.log(error instanceof RangeError, error.message.startsWith('${name}'))`
    expect(runModule(caught, { env: { [name]: value } }).stdout).toBe('true true\n')
  })

  it('sets what it names, and nothing if it is empty', () => {
    const info = (env: Record<string, string>): { isa: string; threads: number } =>
      JSON.parse(runModule(print, { env }).stdout)
    const set = info({ ELMAN_ISA: 'scalar', ELMAN_NUM_THREADS: '3' })
    expect(set).toMatchObject({ isa: 'scalar', threads: 3 })
    const plain = info({ ELMAN_ISA: '', ELMAN_NUM_THREADS: '' })
    expect(plain.threads).toBeGreaterThan(0)
  })
})

describe('workers', () => {
  /** Runs code of a main thread that does not load the package itself; `work(task)` gives how a worker ended. */
  const withWorkers = (code: string) => {
    const program = `
      import { createRequire } from 'node:module'
      import { Worker } from 'node:worker_threads'
      const path = createRequire(process.cwd() + '/').resolve('@elman/rnn')
      const source = \`
        const { parentPort, workerData: { path, task } } = require('node:worker_threads')
        const { manualSeed, nn, optim, randn } = require(path)
        manualSeed(1)
        const rnn = new nn.RNN(16, 64, { numLayers: 2, dropout: 0.5 })
        const optimizer = new optim.Adam(rnn.parameters())
        const input = randn([30, 32, 16])
        const step = () => {
          optimizer.zeroGrad()
          const loss = rnn.forward(input)[0].mean()
          loss.backward()
          optimizer.step()
          return loss.item()
        }
        parentPort.postMessage([step(), step()].join())
        if (task === 'forever') for (;;) step()
        if (task === 'exit') process.exit(5)
        if (task === 'throw') throw new Error('of a worker')
      \`
      const start = (task) => new Worker(source, { eval: true, execArgv: [], workerData: { path, task } })
      const told = (worker) => new Promise((done) => worker.once('message', done))
      const end = (worker) => new Promise((done) => worker.once('error', () => {}).once('exit', done))
      const work = async (task) => {
        const worker = start(task)
        return Promise.all([told(worker), end(worker)])
      }
      const print = (value) => console.log(JSON.stringify(value))
      ${code}`
    return runModule(program, { env: { ELMAN_NUM_THREADS: '2' } })
  }

  it('load the addon, train and end, 20 times and four at once', () => {
    const { status, stdout, stderr } = withWorkers(`
      const results = []
      for (let round = 0; round < 20; round++) results.push(await work('train'))
      results.push(...await Promise.all(['train', 'train', 'train', 'train'].map(work)))
      print(results)`)
    expect([status, stderr]).toEqual([0, ''])
    const results: [string, number][] = JSON.parse(stdout)
    expect(results).toHaveLength(24)
    expect(results[0][0]).toMatch(/^-?\d.*,-?\d/)
    for (const result of results) expect(result).toEqual([results[0][0], 0])
  })

  it('may exit, throw or be terminated in the middle of work, and others go on', () => {
    const { status, stdout, stderr } = withWorkers(`
      const forever = Array.from({ length: 3 }, () => start('forever'))
      await Promise.all(forever.map(told))
      const ends = [(await work('exit'))[1], (await work('throw'))[1]]
      for (const worker of forever) ends.push(await worker.terminate())
      ends.push((await work('train'))[1])
      print(ends)`)
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual([5, 1, 1, 1, 1, 0])
  })

  it.each([0, 7])('process.exit(%i) in the middle of their work keeps its code', (code) => {
    const { status, signal, stderr } = withWorkers(`
      await Promise.all([start('forever'), start('forever')].map(told))
      process.exit(${code})`)
    expect([status, signal, stderr]).toEqual([code, null, ''])
  })
})

describe('the main thread', () => {
  const train = `import { nn, randn } from '@elman/rnn'
    const rnn = new nn.RNN(64, 256)
    const [output] = rnn.forward(randn([50, 64, 64]))
    output.sum().backward()`
  it.each([
    ['ends', '', 0, null],
    ['exits', 'process.exit(7)', 7, null],
    ['throws', 'throw new Error()', 1, null],
    [
      'aborts by a signal',
      "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10_000)",
      null,
      'SIGTERM',
    ],
  ])('%s after threads have worked', (_, code, status, signal) => {
    const ended = runModule(`${train}\n${code}`, { env: { ELMAN_NUM_THREADS: '4' } })
    expect([ended.status, ended.signal]).toEqual([status, signal])
  })
})

describe('memory stays where it is', () => {
  /** How many MiB more 2000 steps take than the 500 before them. */
  const growth = (code: string): number => {
    const { status, stdout, stderr } = runModule(
      `import { nn, optim, randn, tensor, zeros } from '@elman/rnn'
       ${code}
       const after = (steps) => {
         for (let i = 0; i < steps; i++) step(i)
         gc()
         gc() // waits for what the first one frees in the background
         return process.memoryUsage().rss
       }
       const before = after(500)
       console.log((after(2000) - before) / 2 ** 20)`,
      { flags: ['--expose-gc'] },
    )
    expect([status, stderr]).toEqual([0, ''])
    return Number(stdout)
  }

  it('over training steps', () => {
    const grown = growth(`
      const rnn = new nn.RNN(16, 32, { numLayers: 2, dropout: 0.1 })
      const head = new nn.Linear(32, 10)
      const parameters = [...rnn.parameters(), ...head.parameters()]
      const optimizer = new optim.Adam(parameters)
      const loss = new nn.CrossEntropyLoss()
      const input = randn([20, 8, 16])
      const targets = tensor(new Int32Array(160), { shape: [20, 8] })
      let state = zeros([2, 8, 32])
      const step = () => {
        optimizer.zeroGrad()
        const [output, hN] = rnn.forward(input, state)
        loss.forward(head.forward(output), targets).backward()
        nn.utils.clipGradNorm_(parameters, 1)
        optimizer.step()
        state = hN.detach()
      }`)
    // The arrays of a step are 120 KB: kept, they would be 240 MiB.
    expect(grown).toBeLessThan(30)
  })

  it('over forward calls whose record is never used', () => {
    const grown = growth(`
      const rnn = new nn.RNN(16, 32)
      const input = randn([20, 8, 16])
      const step = () => rnn.forward(input)`)
    expect(grown).toBeLessThan(30)
  })

  it('over modules that are made and dropped', () => {
    const grown = growth('const step = () => new nn.RNN(8, 32).forward(zeros([4, 2, 8]))')
    expect(grown).toBeLessThan(30)
  })

  it('over errors', () => {
    const grown = growth(`
      const rnn = new nn.RNN(64, 64)
      const step = () => {
        try { rnn.forward(zeros([64, 4, 65])) } catch {}
        try { new nn.Linear(2 ** 30, 2 ** 30) } catch {}
        try { zeros([2 ** 40]) } catch {}
      }`)
    expect(grown).toBeLessThan(30)
  })

  it('over lengths that are others each time', () => {
    const grown = growth(`
      const rnn = new nn.RNN(1, 1)
      const input = zeros([8000, 1, 1])
      const step = (i) => rnn.forward(input, null, { lengths: [8000 - (i % 100)] })`)
    // A table of the steps takes 64 KB: kept, they would be 125 MiB.
    expect(grown).toBeLessThan(30)
  })
})
