/** Atomic writes of files. */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import * as path from 'node:path'
import { ofThisRealm } from '../realm'

const fs = ofThisRealm({
  ...{ closeSync, fstatSync, fsyncSync, openSync, readSync, realpathSync, renameSync, rmSync },
  writeSync,
})

/** Node reads and writes at most 2 GiB in one call. */
const chunk = 2 ** 30

/**
 * Writes a file under a temporary name in the same folder, syncs it to disk and then renames it. So `target` has either
 * the old content or the new one, at any time and after any crash.
 */
export function writeFileAtomic(target: string, bytes: Uint8Array): void {
  const destination = resolveLink(target)
  const folder = path.dirname(destination)
  const temporary = path.join(
    folder,
    `.${path.basename(destination)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`,
  )
  const file = fs.openSync(temporary, 'wx')
  try {
    try {
      for (let offset = 0; offset < bytes.length; ) {
        offset += fs.writeSync(file, bytes, offset, Math.min(chunk, bytes.length - offset))
      }
      fs.fsyncSync(file)
    } finally {
      fs.closeSync(file)
    }
    fs.renameSync(temporary, destination)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(folder)
}

/** The content of a file of any size. */
export function readFile(source: string): Uint8Array {
  const file = fs.openSync(source, 'r')
  try {
    const bytes = new Uint8Array(fs.fstatSync(file).size)
    let offset = 0
    while (offset < bytes.length) {
      const count = fs.readSync(file, bytes, offset, Math.min(chunk, bytes.length - offset), null)
      if (count === 0) throw new RangeError(`${source} became shorter while it was read`)
      offset += count
    }
    return bytes
  } finally {
    fs.closeSync(file)
  }
}

/** The target of a symbolic link, so that the link itself is kept; any other path as it is. */
function resolveLink(target: string): string {
  try {
    return fs.realpathSync(target)
  } catch {
    return target // there is no such file yet
  }
}

/** Syncs the new name to disk, if the system can. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const directory = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(directory)
  } catch {
    // Some file systems cannot sync a folder; the content is on the disk already.
  } finally {
    fs.closeSync(directory)
  }
}
