/**
 * The end of a file, line by line, and what is appended to it. Whoever asks for no further line holds it: the file is read no further
 * than a block ahead.
 */
import { constants } from 'node:fs'
import { firstValueFrom, fromEvent, race, timer } from 'rxjs'
import { EFBIG, FileError, type OpenFile, openConfined } from './confined.ts'
import { LineSplitter, NEWLINE } from './lines.ts'

const BLOCK_BYTES = 64 * 1024
/** How far back the first line may be. */
const MAX_BACK_BYTES = 16 * 1024 * 1024
/** How often a file that has no more is looked at again. Polling works on every file system, and for a path whose file changes. */
const LOOK_MS = 200

/**
 * The last `count` lines of the file at `path` in `root`, then those that are appended, until `signal` is aborted. A line is given when it is
 * complete, or when nothing can be appended to it any more. Where the path comes to mean another file, it goes on with that one, after
 * what the first one had; where the file became shorter than what was read of it, from its start. A path that means nothing for a time is
 * waited for. Between two looks both can be missed: a file that came and went, or was cut and grew beyond where it was.
 */
export async function* tail(root: string, path: string, count: number, signal: AbortSignal): AsyncGenerator<string> {
  let file = await openConfined(root, path, constants.O_RDONLY)
  let next: OpenFile | undefined
  try {
    let at = await startOfLast(file, count)
    const lines = new LineSplitter()
    const block = Buffer.allocUnsafe(BLOCK_BYTES)
    while (!signal.aborted) {
      const { bytesRead } = await file.handle.read(block, 0, BLOCK_BYTES, at)
      if (bytesRead > 0) {
        at += bytesRead
        yield* lines.take(block.subarray(0, bytesRead))
      } else if (next !== undefined) {
        yield* lines.end()
        const old = file
        file = next
        next = undefined
        at = 0
        await old.handle.close()
      } else if ((await file.handle.stat()).size < at) {
        yield* lines.end()
        at = 0
      } else {
        // Seen once it has taken the path's place, the old file is read to its end once more.
        next = await replacement(root, path, file)
        if (next === undefined && !signal.aborted)
          await firstValueFrom(race(timer(LOOK_MS), fromEvent(signal, 'abort')))
      }
    }
  } finally {
    await next?.handle.close()
    await file.handle.close()
  }
}

/** The file that the path means now, where that is another one. */
async function replacement(root: string, path: string, file: OpenFile): Promise<OpenFile | undefined> {
  let now: OpenFile
  try {
    now = await openConfined(root, path, constants.O_RDONLY)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (now.inode !== file.inode || now.device !== file.device) return now
  await now.handle.close()
  return undefined
}

/** Where the last `count` complete lines begin, or as many of them as the last {@link MAX_BACK_BYTES} have. */
async function startOfLast({ handle, bytes }: OpenFile, count: number): Promise<number> {
  if (bytes > Number.MAX_SAFE_INTEGER) throw new FileError(EFBIG, `cannot read a file of ${bytes} bytes`)
  const size = Number(bytes)
  if (count === 0) return size
  const least = Math.max(0, size - MAX_BACK_BYTES)
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  let found = 0
  let start = least
  for (let end = size; end > least; ) {
    const from = Math.max(least, end - BLOCK_BYTES)
    const { bytesRead } = await handle.read(block, 0, end - from, from)
    // The newline that ends the line before the first one counts too.
    for (let at = block.lastIndexOf(NEWLINE, bytesRead - 1); bytesRead > 0 && at >= 0; ) {
      start = from + at + 1
      if (++found > count) return start
      at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1)
    }
    end = from
  }
  return least === 0 ? 0 : start
}
