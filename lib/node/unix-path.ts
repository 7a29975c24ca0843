/**
 * The file of a listening Unix socket: made private from its first moment, put in the place of a stale one but of nothing else,
 * and removed only while it is still ours.
 *
 * The socket is bound inside a new folder that only this user may enter, gets mode 0600 there, and is then linked to its path,
 * which fails where something stands already. It also keeps Node from removing the path by itself on close, whoever owns it by then.
 */
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { catchError, defer, Observable, of, switchMap, throwError } from 'rxjs'
import { MAX_UNIX_PATH_BYTES } from './addresses.ts'

/** A place to bind at, before the socket gets its path. */
export interface Stage {
  /** The path to bind. */
  readonly path: string
  /** Removes what the stage made. Idempotent. */
  clear(): void
}

/** Makes a private place in the folder of `path`. Throws what the file system says. */
export function stage(path: string): Stage {
  const folder = mkdtempSync(join(dirname(path), '.razor-'))
  const clear = [folder]
  let bindable = join(folder, 's')
  if (Buffer.byteLength(bindable) > MAX_UNIX_PATH_BYTES) {
    const shorter = mkdtempSync(join(tmpdir(), 'razor-'))
    clear.push(shorter)
    symlinkSync(folder, join(shorter, 'd'))
    bindable = join(shorter, 'd', 's')
  }
  return {
    path: bindable,
    clear: () => {
      for (const each of clear) rmSync(each, { recursive: true, force: true })
    },
  }
}

/** The file of a listening socket: where, and which one. */
export interface SocketFile {
  readonly path: string
  readonly dev: number
  readonly ino: number
}

const look = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false })

/** File systems without hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'])

/** Two processes may replace the same stale file at once; the loser looks again, and finds the winner. */
const MAX_ATTEMPTS = 3

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

function place(staged: string, path: string): void {
  try {
    linkSync(staged, path)
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error) ?? '')) throw error
    if (look(path) !== undefined) throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST' })
    renameSync(staged, path)
  }
}

/**
 * Gives the bound socket `staged` its `path`, with mode 0600, and emits the file's identity. Fails with an `Error` where
 * somebody listens there, or where the path is something other than a socket, which is left alone.
 */
export function publish(staged: string, path: string, attempts: number = MAX_ATTEMPTS): Observable<SocketFile> {
  return defer(() => {
    chmodSync(staged, 0o600)
    place(staged, path)
    const { dev, ino } = lstatSync(path)
    return of({ path, dev, ino })
  }).pipe(
    catchError(error => {
      if (codeOf(error) !== 'EEXIST' || attempts === 1) return throwError(() => error)
      return removeStale(path).pipe(switchMap(() => publish(staged, path, attempts - 1)))
    }),
  )
}

/** Removes the file of a listener that is gone; emits when the path is free. */
function removeStale(path: string): Observable<void> {
  return new Observable<void>(subscriber => {
    const found = look(path)
    if (found !== undefined && !found.isSocket()) {
      subscriber.error(new Error('a file that is no socket stands there; it was left alone'))
      return
    }
    const probe = connect({ path })
    probe.once('connect', () => subscriber.error(new Error('EADDRINUSE: somebody listens there')))
    probe.on('error', error => {
      const code = codeOf(error)
      if (code === 'ECONNREFUSED') {
        if (found !== undefined) release({ path, dev: found.dev, ino: found.ino })
      } else if (code !== 'ENOENT') {
        // EAGAIN: somebody listens, with a full queue. EACCES: it is not ours to judge.
        const text = code === 'EAGAIN' ? 'EADDRINUSE: somebody busy listens there' : error.message
        subscriber.error(new Error(text, { cause: error }))
      }
      subscriber.next()
      subscriber.complete()
    })
    subscriber.add(() => {
      probe.destroy()
    })
  })
}

/** Does its path still lead to the file? */
export function isThere(file: SocketFile): boolean {
  const found = look(file.path)
  return found?.ino === file.ino && found.dev === file.dev
}

/** Removes the file, unless its path leads to another by now. */
export function release(file: SocketFile): void {
  if (!isThere(file)) return
  try {
    unlinkSync(file.path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
