/** Trains in two worker threads at once, then here. */
import { Worker } from 'node:worker_threads'

function run() {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./esm.mjs', import.meta.url))
    worker.on('error', reject)
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))))
  })
}

await Promise.all([run(), run()])
await import('./esm.mjs')
