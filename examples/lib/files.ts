/** Reading a text and writing results, with errors that say in one line what is wrong. */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from './program'

/** What the system's error codes mean to a person. */
const reasons: Record<string, string> = {
  EACCES: 'permission denied',
  EEXIST: 'something else has this name',
  EISDIR: 'it is a folder',
  ENOENT: 'no such file',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is not a folder',
  EROFS: 'the disk is read-only',
}

/** Runs a file operation; its error becomes a {@link UserError} that begins with `what`. */
export function withReason<T>(what: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new UserError(`${what}: ${reasons[code] ?? message}`)
  }
}

/** Reads a UTF-8 file; a byte order mark at its start is not part of the text. */
export function readText(path: string): string {
  const bytes = withReason(`cannot read ${path}`, () => readFileSync(path))
  if (bytes.length === 0) throw new UserError(`${path} is empty`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new UserError(`${path} is not UTF-8 text`)
  }
}

/** Makes a folder, with those above it, if it is not there. */
export function makeFolder(path: string): void {
  withReason(`cannot make the folder ${path}`, () => mkdirSync(path, { recursive: true }))
}

/** Writes a text file in one go: a reader gets either the old content or the new one. */
export function writeText(path: string, text: string): void {
  withReason(`cannot write ${path}`, () => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  })
}

/** Reads a file of an npm package, whether the package exports it or not. */
export function readPackageFile(name: string, path: string): string {
  const folder = join('node_modules', ...name.split('/'))
  const main = require.resolve(name)
  return readText(join(main.slice(0, main.lastIndexOf(folder)), folder, path))
}
