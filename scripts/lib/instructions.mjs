/**
 * Which functions of an x86-64 addon use instructions that the oldest x86-64 processor lacks.
 *
 * The addon must run on that processor (SSE2), so newer instructions may stand only in functions that are called after
 * the processor was asked. Read from the disassembly of a binary that still has the names of its functions.
 */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Stop } from './run.mjs'

/**
 * What came after SSE2. Everything of AVX and later begins with v, and so do a few of the protected mode.
 *
 * `tzcnt` is missing on purpose: an older processor reads it as `bsf`, which gives the same for every number but zero,
 * and a compiler for the baseline emits it only where there is no zero.
 */
const newer = new RegExp(
  `^(${[
    'v(?!err|erw|mcall|mlaunch|mresume).*', // AVX, FMA, AVX-512
    'addsubp.|haddp.|hsubp.|lddqu|movddup|movs[hl]dup|monitor|mwait', // SSE3
    'pshufb|ph(add|sub)(s?w|d)|pmaddubsw|pmulhrsw|psign.|pabs.|palignr', // SSSE3
    'p?blend.*|dpp.|extractps|insertps|movntdqa|mpsadbw|packusdw|pcmp[eg]qq|pcmpgtq', // SSE4
    'pextr[bdq]|pinsr[bdq]|phminposuw|pmax(sb|sd|ud|uw)|pmin(sb|sd|ud|uw)|pmov[sz]x.*|pmuldq|pmulld',
    'ptest|round[ps][sd]|pcmp[ei]str.|crc32.?|popcnt.?',
    'aes.*|pclmul.*|sha(1|256).*|gf2p8.*', // AES, SHA
    'andn|bextr|bls(i|r|msk)|bzhi|lzcnt.?|mulx|pdep|pext|rorx|s[ahr]rx|shlx|ad[co]x', // BMI, ADX
    'movbe|rdrand|rdseed|cmpxchg16b|xgetbv|xsave.*|xrstor.*|rdpid|rdfsbase|wrfsbase',
  ].join('|')})$`,
)

/**
 * @param {string} file an addon that was built with `symbols`
 * @returns {Promise<Map<string, Set<string>>>} newer instructions by the function that they stand in
 * @throws {Stop} if the file has no names of functions
 */
export async function newerInstructions(file) {
  const objdump = spawn('objdump', ['-d', '-C', '--no-show-raw-insn', '-M', 'att', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve, reject) => {
    objdump.on('error', reject).on('close', resolve)
  })
  const found = new Map()
  let [name, functions] = ['', 0]
  for await (const line of createInterface({ input: objdump.stdout })) {
    const head = line.match(/^[0-9a-f]+ <(.*)>:$/)
    if (head) {
      name = head[1]
      functions += 1
      continue
    }
    // address, prefixes, mnemonic
    const mnemonic = line.match(
      /^\s+[0-9a-f]+:\s+(?:(?:rep|repz|repnz|lock|data16|cs|notrack|bnd|rex\S*)\s+)*(\S+)/,
    )?.[1]
    if (mnemonic === undefined || !newer.test(mnemonic)) continue
    found.set(name, (found.get(name) ?? new Set()).add(mnemonic))
  }
  const code = await ended
  if (code !== 0) throw new Stop(`objdump ended with exit code ${code}`)
  if (functions < 1000) throw new Stop(`${file} has no names of functions`)
  return found
}
