/**
 * The loops of multiply-adds in a binary for arm64: what the compiler made of the microkernel
 * (crates/kernels/src/gemm), and what share of a core's peak it reaches by a model of the core.
 *
 * Every multiply-add is `fmla SUM, VECTOR, ELEMENT`: R rows by V vectors of the right operand have R V sums, of which R use
 * the same vector. So the instructions of a loop tell which tile it belongs to.
 */

import { execFileSync } from 'node:child_process'
import { apt, onPath } from './needs.mjs'
import { Stop } from './run.mjs'

/** Of binutils for arm64, which come with the linker. */
export const objdump = 'aarch64-linux-gnu-objdump'

/** The program of LLVM that has models of cores; before version 18 not of all of these. */
const mcaProgram = () => [22, 21, 20, 19, 18].map((version) => `llvm-mca-${version}`).find(onPath)

/** @type {import('./needs.mjs').Need} */
export const mca = {
  what: 'llvm-mca of LLVM 18 to 22',
  isThere: () => mcaProgram() !== undefined,
  install: apt(['llvm-19']),
}

/** Multiply-adds of 128 bits that begin in a cycle, by the name of the core in LLVM. */
export const cores = { 'neoverse-v1': 4, 'neoverse-v2': 4, 'neoverse-n2': 2 }

/**
 * @typedef {{ address: number, name: string, operands: string }} Instruction
 */

/**
 * An innermost loop with multiply-adds.
 *
 * @typedef {object} Loop
 * @property {Instruction[]} body from where the branch leads back to, with the branch
 * @property {'f32' | 'f64'} type
 * @property {boolean} divides whether it is one of an activation or of gates, and not of a product
 * @property {number} multiplyAdds in a turn
 * @property {number} sums registers that they add to
 * @property {number} loads vectors that are loaded in a turn
 * @property {number} rows of the tile; 0 if no vector of the right operand is loaded in this loop
 * @property {boolean} gradient whether the elements of all rows are contiguous, as in the gradients of weights
 * @property {Instruction[]} stored sums that are stored to memory in each turn; an activation's result may well be
 * @property {boolean} takenApart whether some are of single numbers, beside those of vectors
 * @property {Instruction[]} calls
 */

/**
 * The instructions of an ELF file's code.
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
const isLoad = ({ name }) => /^ld(r|p|ur|1r?)$/.test(name)
const isStore = ({ name }) => /^st(r|p|ur|1)$/.test(name)
const isScalarMultiplyAdd = ({ name, operands }) =>
  /^fn?m(add|sub)$/.test(name) || (/^fml[as]$/.test(name) && /^[sd]\d/.test(operands))
const isMultiplyAdd = ({ name, operands }) => name === 'fmla' && /^v\d+\.(4s|2d)/.test(operands)

/** The vector registers that are loaded or stored. */
const transferred = ({ operands }) =>
  [...operands.replace(/, \[.*$/, '').matchAll(/\b[vqds](\d+)\b/g)].map(([, number]) => number)

/** The register that holds the address. */
const base = ({ operands }) => /\[(\w+)/.exec(operands)?.[1]

/** The registers of a multiply-add: the sum, and the two factors. */
const registers = ({ operands }) => [...operands.matchAll(/\bv(\d+)/g)].map(([, number]) => number)

/** The loads of a loop's elements of A: they are used as one element, or for all lanes. The others are of W. */
function elementLoads(body) {
  return body.flatMap((load, i) =>
    isLoad(load)
      ? transferred(load)
          .filter((register) => {
            if (load.name === 'ld1r') return true
            const after = [...body.slice(i + 1), ...body.slice(0, i)]
            const use = after.find((one) => isMultiplyAdd(one) && registers(one).includes(register))
            return (
              use !== undefined && new RegExp(`v${register}\\.[sd]\\[\\d\\]$`).test(use.operands)
            )
          })
          .map(() => load)
      : [],
  )
}

/**
 * @param {Instruction[]} code
 * @returns {Loop[]}
 */
export function findLoops(code) {
  const places = new Map(code.map(({ address }, place) => [address, place]))
  const backwards = code.flatMap((branch, end) => {
    if (!isBranch(branch)) return []
    const target = /([0-9a-f]+)$/.exec(branch.operands)?.[1] ?? ''
    const start = places.get(Number.parseInt(target, 16)) ?? end
    return start < end ? [{ start, end }] : []
  })
  return backwards.flatMap(({ start, end }) => {
    const isInnermost = !backwards.some((other) => other.start >= start && other.end < end)
    const body = code.slice(start, end + 1)
    const multiplyAdds = body.filter(isMultiplyAdd)
    if (!isInnermost || multiplyAdds.length === 0) return []
    const divides = body.some(({ name }) => name === 'fdiv')
    const sums = new Set(multiplyAdds.map((one) => registers(one)[0]))
    const loads = body.filter(isLoad).flatMap(transferred).length
    const elements = elementLoads(body)
    const vectors = loads - elements.length
    // A sum that is stored where it was loaded from; other results of multiply-adds may well be stored.
    const read = new Set(body.filter(isLoad).map(base))
    const stored = body.filter(
      (one) =>
        !divides &&
        isStore(one) &&
        transferred(one).some((n) => sums.has(n)) &&
        read.has(base(one)),
    )
    const rows = divides || stored.length > 0 || vectors === 0 ? 0 : multiplyAdds.length / vectors
    return {
      body,
      divides,
      type: multiplyAdds[0].operands.includes('.4s') ? 'f32' : 'f64',
      multiplyAdds: multiplyAdds.length,
      sums: sums.size,
      loads,
      rows,
      gradient: new Set(elements.map(base)).size < rows,
      stored,
      takenApart: body.some(isScalarMultiplyAdd),
      calls: body.filter(isCall),
    }
  })
}

/**
 * The tiles whose loops do nearly all the work, rows by vectors; the others are for the last columns of a matrix.
 *
 * @type {{ rows: number, vectors: number, gradient: boolean }[]}
 */
const mainTiles = [
  ...[12, 11, 10].map((rows) => ({ rows, vectors: 2, gradient: true })),
  ...[12, 11, 10, 9, 8, 7].map((rows) => ({ rows, vectors: 2, gradient: false })),
  ...[6, 5, 4].map((rows) => ({ rows, vectors: 4, gradient: false })),
  ...[3, 2].map((rows) => ({ rows, vectors: 8, gradient: false })),
  { rows: 1, vectors: 16, gradient: false },
]

/** Multiply-adds that a turn of a main loop has at the least. */
const LEAST_MULTIPLY_ADDS = 20

const nameOf = ({ rows, vectors, gradient }) =>
  `${rows} row${rows > 1 ? 's' : ''} by ${vectors} vectors${gradient ? ', gradients of weights' : ''}`

/** The best loop of a tile. */
const loopOf = (loops, type, { rows, vectors, gradient }) =>
  loops
    .filter(
      (loop) =>
        loop.type === type &&
        loop.rows === rows &&
        loop.sums === rows * vectors &&
        loop.gradient === gradient,
    )
    .sort((a, b) => b.multiplyAdds - a.multiplyAdds)[0]

/**
 * Checks what the compiler made of the loops of an addon.
 *
 * @param {string} file
 * @returns {string} how many there are
 * @throws {Stop} if a loop of multiply-adds stores its sums to memory, has some of single numbers beside those of vectors, or calls
 *   anything, or if one of the main loops is missing or has too few of them in a turn
 */
export function checkLoops(file) {
  const loops = findLoops(disassemble(file))
  const wrong = [
    ...['f32', 'f64'].flatMap((type) =>
      mainTiles
        .filter((tile) => !(loopOf(loops, type, tile)?.multiplyAdds >= LEAST_MULTIPLY_ADDS))
        .map(
          (tile) => `${type}, ${nameOf(tile)}: no loop has ${LEAST_MULTIPLY_ADDS} multiply-adds`,
        ),
    ),
    ...loops.flatMap(({ body, stored, takenApart, calls }) => {
      const code = body.map(({ name, operands }) => `    ${name} ${operands}`).join('\n')
      return [
        ...(stored.length > 0 ? [`a loop stores its sums in each turn:\n${code}`] : []),
        ...(takenApart ? [`a loop multiplies parts of its vectors one by one:\n${code}`] : []),
        ...(calls.length > 0 ? [`a loop with multiply-adds calls a function:\n${code}`] : []),
      ]
    }),
  ]
  if (wrong.length > 0) throw new Stop(`the loops of ${file}`, wrong.join('\n'))
  const dividing = loops.filter(({ divides }) => divides).length
  return `${loops.length - dividing} loops of products, none with sums in memory or taken apart; nor do they or ${dividing} of activations and gates call anything`
}

/**
 * What share of a core's multiply-adds a loop makes, by llvm-mca's model of the core: of its execution units and its front
 * end, with every load from the first cache.
 *
 * @param {string} program llvm-mca
 * @param {Loop} loop
 * @param {keyof typeof cores} core
 */
export function shareByModel(program, { body, multiplyAdds }, core) {
  const turns = 500
  const lines = body.map((one) =>
    isBranch(one)
      ? `${one.name} ${one.operands.replace(/[0-9a-f]+$/, 'start')}`
      : `${one.name} ${one.operands}`,
  )
  const report = execFileSync(
    program,
    ['-mtriple=aarch64', `-mcpu=${core}`, `-iterations=${turns}`],
    { input: `start:\n${lines.join('\n')}\n`, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] },
  )
  const cycles = Number(/^Total Cycles: +(\d+)/m.exec(report)?.[1])
  return (multiplyAdds * turns) / (cycles * cores[core])
}

/**
 * The same for the performance cores of Apple's M1, counted: LLVM has no model of them. A cycle has 4 multiply-adds, of 4 cycles
 * latency, 8 instructions and 3 loads of 128 bits (https://dougallj.github.io/applecpu/firestorm.html).
 *
 * @param {Loop} loop
 */
export function shareOfApple({ body, multiplyAdds, sums, loads }) {
  const prefetches = body.filter(({ name }) => name === 'prfm').length
  const cycles = Math.max(
    multiplyAdds / 4,
    (4 * multiplyAdds) / sums,
    body.length / 8,
    (loads + prefetches) / 3,
  )
  return multiplyAdds / 4 / cycles
}

/**
 * The main loops of an addon in Markdown: multiply-adds and instructions in a turn, and the share of the peak.
 *
 * @param {string} file
 */
export function loopTable(file) {
  const program = mcaProgram()
  const loops = findLoops(disassemble(file))
  const percent = (share) => `${Math.round(100 * share)} %`
  const line = (name, loop) => {
    const shares = Object.keys(cores).map((core) => percent(shareByModel(program, loop, core)))
    const apple = loop.stored.length > 0 ? '–' : percent(shareOfApple(loop))
    const cells = [name, `${loop.multiplyAdds} of ${loop.body.length}`, ...shares, apple]
    return `| ${cells.join(' | ')} |`
  }
  // The models know nothing of calls, which checkLoops reports.
  const inMemory = loops.filter(({ stored, calls }) => stored.length > 0 && calls.length === 0)
  return [
    `| loop | multiply-adds of instructions | ${Object.keys(cores).join(' | ')} | Apple M1, counted |`,
    '| :-- | --: | --: | --: | --: | --: |',
    ...['f32', 'f64'].flatMap((type) =>
      mainTiles.map((tile) => {
        const loop = loopOf(loops, type, tile)
        return loop
          ? line(`${type}, ${nameOf(tile)}`, loop)
          : `| ${type}, ${nameOf(tile)} | – | | | | |`
      }),
    ),
    ...inMemory.map((loop) => line(`${loop.type}, sums in memory`, loop)),
  ].join('\n')
}
