/** Processes and threads: the environment, worker threads, exits during work, and memory over time. */

import { backendInfo } from '@elman/rnn'
import { describe, expect, it } from 'vitest'
import { runModule } from '../helpers/child'

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
    const [narrowest = ''] = backendInfo().isaAvailable
    const set = info({ ELMAN_ISA: narrowest, ELMAN_NUM_THREADS: '3' })
    expect(set).toMatchObject({ isa: narrowest, threads: 3 })
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
        const lstm = new nn.LSTM(64, 48, { numLayers: 2, dropout: 0.5, projSize: 24 })
        const gru = new nn.GRU(24, 32, { bidirectional: true })
        const parameters = [rnn, lstm, gru].flatMap((module) => module.parameters())
        const optimizer = new optim.Adam(parameters)
        const input = randn([30, 32, 16])
        const step = () => {
          optimizer.zeroGrad()
          const loss = gru.forward(lstm.forward(rnn.forward(input)[0])[0])[0].mean()
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

describe('work in the background', () => {
  /** Runs code that may use the module; `step()` is a training step of some time. */
  const withModel = (code: string, threads = '2') =>
    runModule(
      `import { createRequire } from 'node:module'
       import { Worker } from 'node:worker_threads'
       const path = createRequire(process.cwd() + '/').resolve('@elman/rnn')
       const source = \`
         const { parentPort, workerData: { path, task } } = require('node:worker_threads')
         const { manualSeed, nn, optim, randn } = require(path)
         const train = async (steps) => {
           manualSeed(1)
           const rnn = new nn.RNN(16, 64, { numLayers: 2, dropout: 0.5 })
           const optimizer = new optim.Adam(rnn.parameters())
           const input = randn([200, 32, 16])
           const losses = []
           for (let i = 0; i < steps; i++) {
             optimizer.zeroGrad()
             const [output] = await rnn.forwardAsync(input)
             const loss = output.mul(output).mean()
             await loss.backwardAsync()
             optimizer.step()
             losses.push(loss.item())
             if (i === 1) parentPort?.postMessage(losses.join())
           }
           return losses
         }
         if (task === 'exit') setTimeout(() => process.exit(5), 100)
         if (task === 'throw') setTimeout(() => { throw new Error('of a worker') }, 100)
         const steps = task === 'train' ? 3 : Infinity
         train(steps)
         if (steps === Infinity) for (let i = 0; i < 5; i++) train(steps) // more than can run
       \`
       const start = (task) => new Worker(source, { eval: true, execArgv: [], workerData: { path, task } })
       const told = (worker) => new Promise((done) => worker.once('message', done))
       const end = (worker) => new Promise((done) => worker.once('error', () => {}).once('exit', done))
       const work = (task) => { const worker = start(task); return Promise.all([told(worker), end(worker)]) }
       const print = (value) => console.log(JSON.stringify(value))
       ${code}`,
      { env: { ELMAN_NUM_THREADS: threads } },
    )

  it('trains in several workers at once, which end by themselves', () => {
    const { status, stdout, stderr } = withModel(`
      const results = await Promise.all(['train', 'train', 'train', 'train'].map(work))
      for (let round = 0; round < 4; round++) results.push(await work('train'))
      print(results)`)
    expect([status, stderr]).toEqual([0, ''])
    const results: [string, number][] = JSON.parse(stdout)
    expect(results).toHaveLength(8)
    expect(results[0][0]).toMatch(/^\d.*,\d/)
    for (const result of results) expect(result).toEqual([results[0][0], 0])
  })

  it('ends with a worker that exits, throws or is terminated; others go on', () => {
    const { status, stdout, stderr } = withModel(`
      const ends = []
      for (let round = 0; round < 3; round++) {
        const forever = [start('forever'), start('forever')]
        await Promise.all(forever.map(told))
        ends.push(await end(start('exit')), await end(start('throw')))
        for (const worker of forever) ends.push(await worker.terminate())
      }
      ends.push((await work('train'))[1])
      print(ends)`)
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual([5, 1, 1, 1, 5, 1, 1, 1, 5, 1, 1, 1, 0])
  })

  it.each([0, 7])('process.exit(%i) of the main thread keeps its code', (code) => {
    const inWorkers = withModel(`
      await Promise.all([start('forever'), start('forever')].map(told))
      process.exit(${code})`)
    expect([inWorkers.status, inWorkers.signal, inWorkers.stderr]).toEqual([code, null, ''])
    const begin = performance.now()
    const own = runModule(
      `import { nn, zeros } from '@elman/rnn'
       const rnn = new nn.RNN(8, 512)
       for (let i = 0; i < 5; i++) rnn.forwardAsync(zeros([100_000, 1, 8]))
       setTimeout(() => process.exit(${code}), 100)`,
      { env: { ELMAN_NUM_THREADS: '2' } },
    )
    expect([own.status, own.signal, own.stderr]).toEqual([code, null, ''])
    expect(performance.now() - begin).toBeLessThan(5000) // the work would take longer
  })

  it('keeps the process alive until it is done', () => {
    const { status, stdout } = runModule(`
      import { nn, zeros } from '@elman/rnn'
      new nn.RNN(8, 64).forwardAsync(zeros([1000, 4, 8])).then(([{ shape }]) => console.log(shape.join()))`)
    expect([status, stdout]).toEqual([0, '1000,4,64\n'])
  })

  it('leaves timers and files their turn', () => {
    // A step of about a second. What else the machine does makes a timer late too, so the best of some steps counts.
    const { status, stdout, stderr } = runModule(
      `import { readFile } from 'node:fs'
       import { nn, optim, randn } from '@elman/rnn'
       const rnn = new nn.RNN(128, 512, { numLayers: 2 })
       const head = new nn.Linear(512, 10)
       const optimizer = new optim.SGD([...rnn.parameters(), ...head.parameters()])
       const input = randn([128, 64, 128])
       let last = 0
       let late = 0
       const timer = setInterval(() => {
         const now = performance.now()
         late = Math.max(late, now - last - 10)
         last = now
       }, 10)
       const turn = () => new Promise((resolve) => setTimeout(resolve, 25))
       const steps = []
       for (let i = 0; i < 8; i++) {
         optimizer.zeroGrad()
         await turn()
         last = performance.now()
         late = 0
         const begin = last
         const [, hN] = await rnn.forwardAsync(input)
         const loss = head.forward(hN.select(0, 1)).mean()
         const backward = loss.backwardAsync()
         const asked = performance.now()
         const file = new Promise((resolve) => {
           readFile('package.json', () => resolve(performance.now() - asked))
         })
         await backward
         const took = performance.now() - asked
         await turn()
         steps.push({ step: asked + took - begin, took, late, file: await file })
         optimizer.step()
       }
       clearInterval(timer)
       console.log(JSON.stringify(steps))`,
      { env: { ELMAN_NUM_THREADS: '2' } },
    )
    expect([status, stderr]).toEqual([0, ''])
    const steps: { step: number; took: number; late: number; file: number }[] = JSON.parse(stdout)
    const least = (key: 'step' | 'late'): number => Math.min(...steps.map((step) => step[key]))
    expect(least('step'), stdout).toBeGreaterThan(100) // or this shows nothing
    expect(least('late'), stdout).toBeLessThan(20)
    expect(
      steps.some(({ took, file }) => file < took / 2),
      stdout,
    ).toBe(true)
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

  it('over training steps and given-up calls in the background', () => {
    const { status, stdout, stderr } = runModule(
      `import { nn, optim, randn } from '@elman/rnn'
       const rnn = new nn.RNN(16, 64, { numLayers: 2 })
       const optimizer = new optim.SGD(rnn.parameters())
       const input = randn([100, 32, 16])
       const after = async (steps) => {
         for (let i = 0; i < steps; i++) {
           optimizer.zeroGrad()
           const controller = new AbortController()
           const { signal } = controller
           const lost = rnn.forwardAsync(input, null, { signal }).catch(() => {})
           const [output] = await rnn.forwardAsync(input)
           if (i % 2) controller.abort()
           await output.mean().backwardAsync()
           await lost
           optimizer.step()
         }
         gc()
         gc()
         return process.memoryUsage().rss
       }
       const before = await after(150)
       console.log((await after(300) - before) / 2 ** 20)`,
      { flags: ['--expose-gc'] },
    )
    expect([status, stderr]).toEqual([0, ''])
    // What is copied for a step is 3 MB: kept, it would be 900 MiB.
    expect(Number(stdout)).toBeLessThan(60)
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

describe('a promise that noGrad refuses', () => {
  it.each([
    ['of an async function', '(async () => { await null; throw new Error("late") })()'],
    ['of what follows a call', 'rnn.forwardAsync(zeros([9])).then(() => 1)'],
    [
      'of another library',
      '({ then: (...both) => Promise.reject(new Error("late")).then(...both) })',
    ],
  ])('does not end the process by its rejection: one %s', (_, promise) => {
    const ended = runModule(`import { nn, noGrad, zeros } from '@elman/rnn'
      const rnn = new nn.RNN(3, 4)
      try {
        noGrad(() => ${promise})
      } catch (error) {
        console.log(error.name)
      }
      setTimeout(() => console.log('goes on'), 50)`)
    expect([ended.stdout, ended.stderr, ended.status]).toEqual(['TypeError\ngoes on\n', '', 0])
  })

  it('is reported if nobody waits for a promise that it takes', () => {
    const ended = runModule(`import { nn, noGrad, zeros } from '@elman/rnn'
      const rnn = new nn.RNN(3, 4)
      noGrad(() => rnn.forwardAsync(zeros([9])))`)
    expect(ended.status).toBe(1)
    expect(ended.stderr).toContain('RangeError: RNN: Expected input to be 2D or 3D')
  })
})
