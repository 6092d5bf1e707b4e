/**
 * `npm run test:leaks`: whether memory stays where it is over 10 000 training steps, 100 000 calls of inference,
 * 100 000 streams and 100 worker threads, each in a process of its own and after as many as a warm-up.
 *
 * Prints megabytes of resident memory after each tenth and the trend; bench/lib/flat.ts says what flat is. At last a
 * workload that leaks on purpose must be found to do so. `--times SHARE` runs a part of it, such as 0.1.
 */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, root, run, Stop } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const megabyte = 2 ** 20
const mega = (bytes) => (bytes / megabyte).toFixed(1)

try {
  const { times: share } = parseArgs({
    options: { times: { type: 'string', default: '1' } },
  }).values
  if (!(Number(share) > 0)) throw new Stop(`--times must be a positive number, got ${share}`)
  await setUp()
  const { register } = await import('tsx/cjs/api')
  register()
  const require = createRequire(import.meta.url)
  const { leaks, workloads } = require(join(root, 'test/native/leaks/workloads.ts'))
  const { flatEnvironment, flatFlags, trendOf } = require(join(root, 'bench/lib/flat.ts'))

  const wrong = []
  for (const [name, { times }] of Object.entries({ ...workloads, ...leaks })) {
    const count = Math.ceil((times * Number(share)) / 10) * 10
    const begin = performance.now()
    const args = [
      ...flatFlags,
      '--import',
      'tsx',
      join(root, 'test/native/leaks/child.ts'),
      name,
      String(count),
    ]
    const output = await run(process.execPath, args, { env: flatEnvironment })
    const resident = JSON.parse(output)
    const { growth, limit, flat } = trendOf(resident)
    const seconds = ((performance.now() - begin) / 1000).toFixed(0)
    console.log(`${name}, ${count} times (${seconds} s)`)
    console.log(`  MB: ${resident.map(mega).join(' ')}`)
    console.log(`  trend ${mega(growth)} MB, at most ${mega(limit)}: ${flat ? 'flat' : 'grows'}`)
    if (flat === name in leaks) wrong.push(name)
  }
  if (wrong.length > 0) throw new Stop(`not as it should be: ${wrong.join('; ')}`)
} catch (error) {
  fail(error)
}
