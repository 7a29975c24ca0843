/**
 * Stores what comes in pieces as a file, all of it or nothing.
 */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize } from 'node:path'
import { EFBIG, EISDIR, FileError, openConfined } from './confined.ts'

/** No file is larger. */
const MAX_STORED_BYTES = 1024 * 1024 * 1024

/**
 * Writes the pieces beside the file, as `.razor-ID.part`, and gives that its name when it is complete: whatever was there before is replaced at
 * once. Resolves to the size. Where it rejects nothing is left; only a process that dies leaves its part.
 */
export async function store(root: string, name: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const path = normalize(name.replace(/^\/+/, './'))
  const own = basename(path)
  if (own === '' || own === '.' || own === '..') throw new FileError(EISDIR, `${name} is a folder`)
  const partName = join(dirname(path), `.razor-${randomUUID()}.part`)
  const part = await openConfined(root, partName, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL)
  try {
    const target = join(dirname(part.path), own)
    if (await isFolder(target)) throw new FileError(EISDIR, `${name} is a folder`)
    let bytes = 0
    for await (const piece of pieces) {
      bytes += piece.length
      if (bytes > MAX_STORED_BYTES) throw new FileError(EFBIG, `${name} would be over ${MAX_STORED_BYTES} bytes`)
      await part.handle.writeFile(piece)
    }
    await part.handle.sync()
    await rename(part.path, target)
    return bytes
  } catch (error) {
    await rm(part.path, { force: true })
    throw error
  } finally {
    await part.handle.close()
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
