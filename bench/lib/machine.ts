/** What the benchmark runs on. */

import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'
import type { Peak } from './peak'

export interface Machine {
  readonly processor: string
  /** processors that this process may use */
  readonly processors: number
  readonly memoryGigabytes: number
  readonly system: string
  readonly node: string
  /** the instruction set that the package has chosen, and those that it could choose from */
  readonly isa: string
  readonly isaAvailable: readonly string[]
  /** of one thread, narrowest vectors first */
  readonly peaks: readonly Peak[]
}

export function thisMachine(
  { isa, isaAvailable }: Pick<Machine, 'isa' | 'isaAvailable'>,
  peaks: readonly Peak[],
): Machine {
  return {
    processor: processor(),
    processors: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    isa,
    isaAvailable,
    peaks,
  }
}

/** The name that the processor gives itself, and where that says little (on rented machines), its family and model. */
function processor(): string {
  const name = cpus()[0]?.model.trim() ?? 'unknown processor'
  if (platform() !== 'linux') return name
  const text = readFileSync('/proc/cpuinfo', 'utf8')
  const field = (key: string) => text.match(new RegExp(`^${key}\\s*: (.*)$`, 'm'))?.[1]
  const family = field('cpu family')
  return family === undefined ? name : `${name}, family ${family} model ${field('model')}`
}

/** The machine in a few lines. */
export function describeMachine(machine: Machine): string[] {
  const { processor, processors, memoryGigabytes, system, node, isa, isaAvailable } = machine
  const peaks = machine.peaks.map(
    ({ isa, bits, gflops }) => `${gflops.toFixed(0)} GFLOP/s with ${isa} (${bits} bits)`,
  )
  return [
    `${processor}; ${processors} processors, ${memoryGigabytes} GB; ${system}; Node ${node}`,
    `instruction set ${isa} of ${isaAvailable.join(', ')}; peak of a core in float32: ${peaks.join(', ')}`,
  ]
}
