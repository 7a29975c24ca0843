/**
 * Numeric file actions over a real folder, with the messages of the Rust crates' file example: 1 open, 2 read, 3 write.
 * Failures are errnos. `inode` is the file's own number: the server keeps the paths of the last 1,024 opened files and
 * opens a file anew for each read and write, so a client holds nothing open. Two files of one number, on two file systems
 * mounted inside the folder, are told apart: the number means the one opened last.
 */
import { constants, read } from 'node:fs'
import { promisify } from 'node:util'
import { RpcError } from '../../error.ts'
import { asU64, type U64 } from '../../protocol/bytes.ts'
import { SERVER_DEFAULTS } from '../../server/config.ts'
import { type Contract, service, type, type Unary, unary } from '../../service/contract.ts'
import { type Implementation, implement } from '../../service/handlers.ts'
import { EBADF, EFBIG, EINVAL, FileError, type OpenFile, openConfined, rootFolder } from './confined.ts'
import { struct, text, u32, u64 } from './shapes.ts'
import { inTurns } from './turns.ts'

/** How many opened files are remembered. */
const KEPT_FILES = 1024
/** Reads and writes at once: as many as Node has threads for, and so many blobs of a read are in hand. */
const AT_ONCE = 4
/** A handle's own `read` takes a bigint for no position at all, without a word. */
const readAt = promisify(read) as (
  descriptor: number,
  buffer: Uint8Array,
  at: number,
  length: number,
  position: bigint,
) => Promise<{ readonly bytesRead: number }>
/** Offsets are signed to the system. */
const MAX_OFFSET = 2n ** 63n - 1n

/** Linux flags with an effect here, and what they are on this system. */
const EFFECTIVE: readonly (readonly [linux: number, here: number])[] = [
  [0o100, constants.O_CREAT],
  [0o200, constants.O_EXCL],
]
const O_TRUNC = 0o1000
/** O_NOCTTY, O_APPEND, O_NONBLOCK, O_DSYNC, O_LARGEFILE, O_NOFOLLOW, O_CLOEXEC: without an effect on what is opened anew. */
const IGNORED = 0o400 | 0o2000 | 0o4000 | 0o10000 | 0o100000 | 0o400000 | 0o2000000
const ACCESS = 3

/** The contract of the file actions. */
export const Files: Contract<{
  readonly open: Unary<{ path: string; flags: number }, { inode: U64 }, number>
  readonly read: Unary<{ inode: U64; offset: U64; len: U64 }, void, number, 'response'>
  readonly write: Unary<{ inode: U64; offset: U64 }, { ret_size: number }, number, 'request'>
}> = service('Files', {
  /** `flags` are Linux numbers: 0 to read, 1 to write, 2 for both, and 64 O_CREAT, 128 O_EXCL, 512 O_TRUNC. Others are EINVAL or do nothing. */
  open: unary({
    action: 1,
    input: struct<{ path: string; flags: number }>({ path: text, flags: u32 }),
    output: type<{ inode: U64 }>(),
    errors: 'errno',
  }),
  /** Answers with a blob, shorter than `len` where the file ends. `len` over `maxBlobBytes` is EINVAL. */
  read: unary({
    action: 2,
    input: struct<{ inode: U64; offset: U64; len: U64 }>({ inode: u64, offset: u64, len: u64 }),
    errors: 'errno',
    blob: 'response',
  }),
  /** Writes the blob, and says how much of it. An offset of 2^53 or above is EFBIG. */
  write: unary({
    action: 3,
    input: struct<{ inode: U64; offset: U64 }>({ inode: u64, offset: u64 }),
    output: type<{ ret_size: number }>(),
    errors: 'errno',
    blob: 'request',
  }),
})

interface Known {
  readonly path: string
  readonly device: bigint
}

/** The handlers over a folder. Throws where there is no such folder. */
export function files(folder: string): Implementation {
  const root = rootFolder(folder)
  /** By inode, the one used longest ago first. */
  const known = new Map<bigint, Known>()
  const turn = inTurns(AT_ONCE)

  const remember = (inode: bigint, file: Known): void => {
    known.delete(inode)
    known.set(inode, file)
    for (const oldest of known.keys()) {
      if (known.size <= KEPT_FILES) break
      known.delete(oldest)
    }
  }

  /** Opens, works, closes. */
  const withFile = async <T>(path: string, flags: number, work: (file: OpenFile) => Promise<T>): Promise<T> => {
    const file = await openConfined(root, path, flags)
    try {
      return await work(file)
    } finally {
      await file.handle.close()
    }
  }

  const withKnown = <T>(inode: U64, flags: number, work: (file: OpenFile) => Promise<T>): Promise<T> => {
    const number = BigInt(inode)
    const entry = known.get(number)
    if (entry === undefined) throw new FileError(EBADF, `no file ${number} was opened lately`)
    remember(number, entry)
    return withFile(entry.path, flags, file => {
      if (file.inode !== number || file.device !== entry.device) {
        throw new FileError(EBADF, `${entry.path} is another file now`)
      }
      return work(file)
    })
  }

  /** In its turn, with the errno of what goes wrong. */
  const run = <T>(fail: (errno: number) => RpcError, work: () => Promise<T>) =>
    turn(async () => {
      try {
        return await work()
      } catch (error) {
        throw failure(fail, error)
      }
    })

  return implement(Files, {
    open: ({ path, flags }, { fail }) =>
      run(fail, async () => {
        const here = flagsHere(flags)
        return withFile(path, here, async ({ handle, inode, device }) => {
          if ((flags & O_TRUNC) !== 0) await handle.truncate(0)
          remember(inode, { path, device })
          return { inode: asU64(inode) ?? inode }
        })
      }),

    read: ({ inode, offset, len }, { fail }) =>
      run(fail, async () => {
        const start = BigInt(offset)
        if (len > SERVER_DEFAULTS.maxBlobBytes || start > MAX_OFFSET) {
          throw new FileError(EINVAL, `cannot read ${len} bytes at ${offset}`)
        }
        return withKnown(inode, constants.O_RDONLY, async ({ handle, bytes }) => {
          const left = bytes > start ? bytes - start : 0n
          const length = left < BigInt(len) ? Number(left) : Number(len)
          const buffer = new Uint8Array(length)
          const { bytesRead } = length === 0 ? { bytesRead: 0 } : await readAt(handle.fd, buffer, 0, length, start)
          return { value: undefined, blob: buffer.subarray(0, bytesRead) }
        })
      }),

    write: ({ inode, offset }, { blob, fail }) =>
      run(fail, async () => {
        // Node has no way to write there.
        if (typeof offset === 'bigint') throw new FileError(EFBIG, `cannot write at ${offset}`)
        return withKnown(inode, constants.O_WRONLY, async ({ handle }) => {
          const { bytesWritten } = await handle.write(blob, 0, blob.length, offset)
          return { ret_size: bytesWritten }
        })
      }),
  })
}

/** Linux flags as this system has them; without O_TRUNC, which has to wait until it is sure which file was opened. */
function flagsHere(flags: number): number {
  const access = flags & ACCESS
  let rest = flags & ~ACCESS & ~O_TRUNC & ~IGNORED
  let here = [constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR][access]
  if (here === undefined) throw new FileError(EINVAL, `flags ${flags} have no access mode`)
  for (const [linux, own] of EFFECTIVE) {
    if ((rest & linux) !== 0) here |= own
    rest &= ~linux
  }
  if (rest !== 0) throw new FileError(EINVAL, `flags ${flags} have unknown bits ${rest >>> 0}`)
  return here
}

/** The errno of an error of this folder or of the system; anything else as it is. */
function failure(fail: (errno: number) => RpcError, error: unknown): unknown {
  const { errno } = error as NodeJS.ErrnoException
  return typeof errno === 'number' ? fail(Math.abs(errno)) : RpcError.from(error)
}
