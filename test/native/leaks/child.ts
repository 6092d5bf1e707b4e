/**
 * One workload in a child process, so that memory of other workloads does not count: `child.ts NAME TIMES` prints the
 * resident bytes at equal intervals, as JSON.
 */

import { residentOver } from '../../../bench/lib/flat'
import { leaks, workloads } from './workloads'

const [name = '', times] = process.argv.slice(2)
const workload = { ...workloads, ...leaks }[name]
if (workload === undefined) throw new Error(`there is no workload ${name}`)
residentOver(Number(times), workload.make()).then((resident) => {
  console.log(JSON.stringify(resident))
})
