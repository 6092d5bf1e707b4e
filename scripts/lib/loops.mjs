/**
 * The loops of multiply-adds in a binary for arm64, as `objdump` shows them, and what share of the peak llvm-mca's models
 * of some processors give them.
 */

import { execFileSync } from 'node:child_process'

/** Of binutils: the linker for arm64 comes with it. */
export const objdump = 'aarch64-linux-gnu-objdump'

/** Of LLVM. */
export const mca = ['llvm-mca', 'llvm-mca-22', 'llvm-mca-21', 'llvm-mca-20', 'llvm-mca-19']

/** Multiply-adds of 128 bits that a core begins in a cycle. */
export const peaks = { 'neoverse-v1': 4, 'neoverse-v2': 4, 'neoverse-n2': 2 }

/**
 * @typedef {{ address: number, name: string, operands: string }} Instruction
 * @typedef {object} Loop An innermost loop with multiply-adds
 * @property {Instruction[]} body from where the branch leads back to, up to the branch
 * @property {'f32' | 'f64'} type
 * @property {number} multiplyAdds a turn
 * @property {number} sums how many registers they add to
 * @property {number} tail sums that are one row's or none: lanes of whole vectors
 * @property {number} sources how many registers hold addresses that are read
 * @property {Instruction[]} spilled stores of sums
 * @property {Instruction[]} calls
 */

/**
 * The instructions of a file's code.
 *
 * @param {string} file
 * @returns {Instruction[]}
 */
export function disassemble(file) {
  const options = ['-d', '--no-show-raw-insn', file]
  const listing = execFileSync(objdump, options, { encoding: 'utf8', maxBuffer: 2 ** 30 })
  return [...listing.matchAll(/^ +([0-9a-f]+):\t(\S+)(?:\t([^\n]*))?$/gm)].map(
    ([, address, name, operands = '']) => ({
      address: Number.parseInt(address, 16),
      name,
      operands: operands.replace(/\s*(\/\/|<).*$/, ''),
    }),
  )
}

const isBranch = ({ name }) => /^(b|b\..*|cbn?z|tbn?z)$/.test(name)
const isCall = ({ name }) => /^blr?$/.test(name)
const isMultiplyAdd = ({ name, operands }) =>
  name === 'fmla' && /^v\d+\.(4s|2d)/.test(operands)
const isStore = ({ name }) => /^(st[rp]|stur|st1)$/.test(name)
/** The number of the vector register that an instruction writes, or of those that it stores. */
const vectors = (operands) =>
  [...operands.replace(/\[[^\]]*\].*$/, '').matchAll(/\b[vqds](\d+)\b/g)].map(([, n]) => n)

/**
 * Innermost loops with multiply-adds of whole vectors; but for those of activations, which divide.
 *
 * @param {Instruction[]} code
 * @returns {Loop[]}
 */
export function findLoops(code) {
  const places = new Map(code.map(({ address }, place) => [address, place]))
  const found = []
  /** Where the last loop that ended began: one that begins before it is around it. */
  for (const [end, branch] of code.entries()) {
    if (!isBranch(branch)) continue
    const target = Number.parseInt(/([0-9a-f]+)$/.exec(branch.operands)?.[1] ?? '', 16)
    const start = places.get(target) ?? end
    if (start < end) found.push([start, end])
  }
  const innermost = found.filter(
    ([start, end]) => !found.some(([s, e]) => s >= start && e < end),
  )
  return innermost.flatMap(([start, end]) => {
    const body = code.slice(start, end)
    const multiplyAdds = body.filter(isMultiplyAdd)
    if (multiplyAdds.length === 0 || body.some(({ name }) => name === 'fdiv')) return []
    const sums = new Set(multiplyAdds.map(({ operands }) => vectors(operands)[0]))
    const reads = body.filter(({ name }) => /^ld/.test(name))
    return {
      body: [...body, code[end]],
      type: multiplyAdds[0].operands.includes('.4s') ? 'f32' : 'f64',
      multiplyAdds: multiplyAdds.length,
      sums: sums.size,
      sources: new Set(reads.map(({ operands }) => /\[(\w+)/.exec(operands)?.[1])).size,
      spilled: body.filter(
        (one) => isStore(one) && vectors(one.operands).some((n) => sums.has(n)),
      ),
      calls: body.filter(isCall),
    }
  })
}

/**
 * What share of a core's multiply-adds a loop makes, by a model of the core.
 *
 * @param {string} program llvm-mca
 * @param {Loop} loop
 * @param {keyof typeof peaks} cpu
 */
export function shareOfPeak(program, loop, cpu) {
  const turns = 500
  const text = loop.body.map((one, i) =>
    isBranch(one) && i === loop.body.length - 1
      ? `${one.name} ${one.operands.replace(/[0-9a-f]+$/, 'start')}`
      : `${one.name} ${one.operands.replace(/^[0-9a-f]+$/, 'start')}`,
  )
  const options = ['-mtriple=aarch64', `-mcpu=${cpu}`, `-iterations=${turns}`]
  const input = `start:\n${text.join('\n')}\n`
  const report = execFileSync(program, options, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  const cycles = Number(/^Total Cycles: +(\d+)/m.exec(report)?.[1])
  return (loop.multiplyAdds * turns) / (cycles * peaks[cpu])
}
