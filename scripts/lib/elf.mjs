/**
 * What a compiled addon for Linux asks of the system's C library, read from the file itself, so that it can be checked
 * for any processor on any machine.
 *
 * ELF64, little-endian: the section .gnu.version_r is a list of libraries, each with a list of the versions that some
 * symbol needs (Verneed and Vernaux of the System V ABI's symbol versioning); .dynamic names the libraries themselves.
 */

import { readFileSync } from 'node:fs'

const MAGIC = 0x464c457f
const SHT_DYNAMIC = 6
const SHT_GNU_VERNEED = 0x6ffffffe
const DT_NEEDED = 1

const machines = { 62: 'x64', 183: 'arm64' }

/**
 * @param {string} path
 * @returns {{ arch: string, libraries: string[], versions: Map<string, string[]> }} `arch` as Node names it, the
 *   libraries that are loaded along, and by library the versions of its symbols that must be there
 */
export function readElf(path) {
  const file = readFileSync(path)
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const u16 = (at) => view.getUint16(at, true)
  const u32 = (at) => view.getUint32(at, true)
  const u64 = (at) => Number(view.getBigUint64(at, true))
  if (file.length < 64 || u32(0) !== MAGIC || file[4] !== 2 || file[5] !== 1) {
    throw new Error(`${path} is no little-endian ELF64 file`)
  }

  const [table, size, count] = [u64(40), u16(58), u16(60)]
  const sections = Array.from({ length: count }, (_, index) => {
    const at = table + index * size
    return {
      type: u32(at + 4),
      offset: u64(at + 24),
      size: u64(at + 32),
      link: u32(at + 40),
      info: u32(at + 44),
    }
  })
  /** The string at an offset of the string table that a section is linked with. */
  const text = ({ link }, at) => {
    const start = sections[link].offset + at
    return file.toString('latin1', start, file.indexOf(0, start))
  }

  const versions = new Map()
  const needs = sections.find(({ type }) => type === SHT_GNU_VERNEED)
  for (let at = needs?.offset ?? 0, left = needs?.info ?? 0; left > 0; left -= 1) {
    const names = []
    for (let aux = at + u32(at + 8), more = u16(at + 2); more > 0; more -= 1) {
      names.push(text(needs, u32(aux + 8)))
      aux += u32(aux + 12)
    }
    versions.set(text(needs, u32(at + 4)), names)
    at += u32(at + 12)
  }

  const libraries = []
  const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC)
  for (let at = dynamic?.offset ?? 0, end = at + (dynamic?.size ?? 0); at < end; at += 16) {
    if (u64(at) === DT_NEEDED) libraries.push(text(dynamic, u64(at + 8)))
  }
  return { arch: machines[u16(18)] ?? `machine ${u16(18)}`, libraries, versions }
}

const numbers = (version) => version.split('.').map(Number)

/** Orders versions such as 2.9 and 2.17. */
export function compareVersions(a, b) {
  const [left, right] = [numbers(a), numbers(b)]
  for (let place = 0; place < Math.max(left.length, right.length); place += 1) {
    const difference = (left[place] ?? 0) - (right[place] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/**
 * The newest version of glibc that an addon needs.
 *
 * @param {ReturnType<typeof readElf>} elf
 * @returns {string | undefined} undefined if it asks for no version
 */
export function neededGlibc({ versions }) {
  return [...versions.values()]
    .flat()
    .flatMap((name) => name.match(/^GLIBC_([\d.]+)$/)?.[1] ?? [])
    .sort(compareVersions)
    .at(-1)
}
