/**
 * What files a folder has, and their bytes in pieces.
 */
import { constants } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { EFBIG, EIO, FileError, openConfined } from './confined.ts'
import { type FileFacts, MOST_FILES, PIECE_BYTES } from './host-contract.ts'

/** The regular files that lie in `root` itself, by name: no symlinks, no hidden ones, the first {@link MOST_FILES}. */
export async function listFiles(root: string): Promise<FileFacts[]> {
  const entries = await readdir(root, { withFileTypes: true })
  const names = entries.filter(entry => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name)
  const facts = await Promise.all(
    names
      .sort()
      .slice(0, MOST_FILES)
      .map(name => factsOf(root, name)),
  )
  return facts.filter(each => each !== undefined)
}

async function factsOf(root: string, name: string): Promise<FileFacts | undefined> {
  try {
    const { size, mtimeMs } = await lstat(join(root, name))
    return { name, bytes: size, modifiedAt: Math.round(mtimeMs) }
  } catch (error) {
    // It went between the two looks.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The bytes of the file at `path` in `root`, {@link PIECE_BYTES} at a time, as many as it had when it was opened; each piece is the taker's.
 * Fails with EIO where it becomes shorter meanwhile.
 */
export async function* fetchFile(root: string, path: string): AsyncGenerator<Uint8Array> {
  const { handle, bytes } = await openConfined(root, path, constants.O_RDONLY)
  try {
    if (bytes > Number.MAX_SAFE_INTEGER) throw new FileError(EFBIG, `cannot read a file of ${bytes} bytes`)
    const size = Number(bytes)
    for (let at = 0; at < size; ) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, size - at))
      const { bytesRead } = await handle.read(piece, 0, piece.length, at)
      if (bytesRead === 0) throw new FileError(EIO, `${path} was cut to ${at} of ${size} bytes meanwhile`)
      at += bytesRead
      yield bytesRead === piece.length ? piece : piece.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}
