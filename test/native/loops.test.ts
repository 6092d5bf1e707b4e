/**
 * What the compiler made of the innermost loops: a product's sums stay in registers from its first multiply-add to its
 * last (crates/kernels/src/gemm/microkernel.rs). Where it runs short of registers it stores some of them at every turn instead, with
 * right results and up to 1.6 times the time, and no other test would notice.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'

/** Multiply-adds in a turn of a loop from which it is taken for a product's: the smallest tiles have 3. */
const LEAST_MULTIPLY_ADDS = 3

interface Instruction {
  readonly address: number
  readonly text: string
}

/** The instructions of an ELF file's code, as objdump prints them. */
function disassemble(path: string): Instruction[] {
  const options = ['-d', '-j', '.text', '--no-show-raw-insn', '-M', 'intel', path]
  const listing = execFileSync('objdump', options, { encoding: 'utf8', maxBuffer: 2 ** 30 })
  return [...listing.matchAll(/^ +([0-9a-f]+):\t(.*)$/gm)].map(([, address = '', text = '']) => ({
    address: Number.parseInt(address, 16),
    text,
  }))
}

/**
 * The loops without branches that have so many multiply-adds, from where a jump leads back to, up to the jump; but for
 * those of activations, which divide.
 */
function products(code: readonly Instruction[]): Instruction[][] {
  const places = new Map(code.map(({ address }, place) => [address, place]))
  const loops = code.flatMap(({ text }, end) => {
    const [, target = ''] = /^j\w+ +([0-9a-f]+)/.exec(text) ?? []
    const start = places.get(Number.parseInt(target, 16)) ?? end
    return start < end ? [code.slice(start, end)] : []
  })
  return loops.filter(
    (body) =>
      !body.some(({ text }) => /^(j|vdiv)/.test(text)) &&
      body.filter(({ text }) => text.startsWith('vfmadd')).length >= LEAST_MULTIPLY_ADDS,
  )
}

const isStore = ({ text }: Instruction) => /^v\w+ +[XYZ]MMWORD PTR \[rsp/.test(text)

function hasObjdump(): boolean {
  try {
    execFileSync('objdump', ['--version'])
    return true
  } catch {
    return false
  }
}

// The names of registers are those of x64; objdump comes with a compiler, which a prebuilt addon does without.
describe.runIf(process.platform === 'linux' && process.arch === 'x64' && hasObjdump())(
  'the loops of the products',
  () => {
    let loops: Instruction[][] = []

    // Not while tests are collected: that happens where they are skipped, too.
    beforeAll(() => {
      loops = readdirSync('.')
        .filter((name) => /^elman\.linux-x64-\w+\.node$/.test(name))
        .flatMap((name) => products(disassemble(name)))
    })

    it('are found, with 256 and 512 bits', () => {
      for (const register of ['ymm', 'zmm']) {
        expect(
          loops.filter((loop) => loop.some(({ text }) => text.includes(register))).length,
        ).toBeGreaterThan(20)
      }
    })

    it('store nothing on the stack', () => {
      const storing = loops.filter((loop) => loop.some(isStore))
      expect(storing.map((loop) => loop.map(({ text }) => text))).toEqual([])
    })
  },
)
