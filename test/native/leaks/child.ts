/**
 * A process of its own for one workload, since memory that another one has used before would count too:
 * `child.ts NAME TIMES` prints the bytes that were resident after equal stretches, as JSON.
 */

import { residentOver } from '../../../bench/lib/flat'
import { leaks, workloads } from './workloads'

const [name = '', times] = process.argv.slice(2)
const workload = { ...workloads, ...leaks }[name]
if (workload === undefined) throw new Error(`there is no workload ${name}`)
residentOver(Number(times), workload.make()).then((resident) => {
  console.log(JSON.stringify(resident))
})
