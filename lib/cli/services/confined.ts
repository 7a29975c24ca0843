/**
 * Opens files of one folder and of nothing else. A path is taken relative to the folder, also with a leading `/`; one that
 * leads out of it, by `..` or through a symlink, is EACCES.
 *
 * The path is resolved first, opened without following a symlink, and then resolved and compared again; only then is
 * anything read, written or truncated. What remains: a local user who can exchange folders for symlinks between the two
 * looks can make an empty file come into being elsewhere (by O_CREAT), and hard links are not looked at.
 */
import { constants, realpathSync, statSync } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize, sep } from 'node:path'

/** Linux numbers of the errors that are raised here. */
export const ENOENT = 2
export const EIO = 5
export const EBADF = 9
export const EACCES = 13
export const EISDIR = 21
export const EINVAL = 22
export const EFBIG = 27

/** A failure with its errno. */
export class FileError extends Error {
  readonly errno: number

  constructor(errno: number, message: string) {
    super(message)
    this.errno = errno
  }
}

/** An open file, and which one it is. */
export interface OpenFile {
  readonly handle: FileHandle
  /** Where it really is. */
  readonly path: string
  readonly device: bigint
  readonly inode: bigint
  readonly bytes: bigint
}

/**
 * Opens `path` inside `root`, which is a real path, with Node's `flags`; truncating is left to the caller. A file that is
 * made has mode 0644, less the umask. Folders are EISDIR, and what is neither (a pipe, a device) EINVAL.
 */
export async function openConfined(root: string, path: string, flags: number): Promise<OpenFile> {
  if (path.includes('\0')) throw new FileError(EINVAL, 'a path has no NUL')
  if (path === '') throw new FileError(ENOENT, 'a path is not empty')
  const relative = normalize(path.replace(/^\/+/, './'))
  if (relative === '..' || relative.startsWith(`..${sep}`)) throw outside(path)
  const real = await resolveInside(root, join(root, relative), path, (flags & constants.O_CREAT) !== 0)
  const handle = await open(real, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o644)
  try {
    const file = await handle.stat({ bigint: true })
    const now = await stat(await resolveInside(root, real, path, false), { bigint: true })
    if (now.ino !== file.ino || now.dev !== file.dev) throw outside(path)
    if (file.isDirectory()) throw new FileError(EISDIR, `${path} is a folder`)
    if (!file.isFile()) throw new FileError(EINVAL, `${path} is no regular file`)
    return { handle, path: real, device: file.dev, inode: file.ino, bytes: file.size }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The real path of a folder, as the root of what is opened. Throws where there is none. */
export function rootFolder(folder: string): string {
  const root = realpathSync(folder)
  if (!statSync(root).isDirectory()) throw new Error(`${folder} is no folder`)
  return root
}

/** The real path of `path`, which must be in `root`; where it may be made, only its folder must be there. Errors say what was asked for. */
async function resolveInside(root: string, path: string, asked: string, mayBeMade: boolean): Promise<string> {
  let real: string
  try {
    real = await realpath(path)
  } catch (error) {
    if (!mayBeMade || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    real = join(await realpath(dirname(path)), basename(path))
  }
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep)) throw outside(asked)
  return real
}

function outside(path: string): FileError {
  return new FileError(EACCES, `${path} leads out of the folder`)
}
