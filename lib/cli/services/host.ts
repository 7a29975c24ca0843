/**
 * The handlers of `Host`: this machine's figures, files of a folder, an echo.
 */
import { catchError, defer, map, type Observable, throwError } from 'rxjs'
import { RpcError, type UserError } from '../../error.ts'
import { type Implementation, implement } from '../../service/handlers.ts'
import { FileError, rootFolder } from './confined.ts'
import { DEFAULT_LINES, DEFAULT_TOP, Host } from './host-contract.ts'
import { type FigureLibrary, importLibrary, MissingLibrary, readLoad, readProcesses, readSample } from './machine.ts'
import { fetchFile, listFiles } from './reading.ts'
import { samplers } from './samplers.ts'
import { store } from './store.ts'
import { tail } from './tail.ts'

/** Files that are followed, fetched or stored at once: each holds a file open. */
const MOST_FOLLOWED = 64
const MOST_FETCHED = 16
const MOST_STORED = 16

/** What {@link host} can be told. */
export interface HostOptions {
  /** Where `tail`, `files`, `fetch` and `store` have their files. Default: nowhere, they fail. */
  readonly folder?: string | undefined
  /** Where the figures come from. Default: the package `systeminformation`, imported when one is asked for. */
  readonly library?: () => Promise<FigureLibrary>
}

type Fail = (text: string) => UserError<string>

/** The handlers. Throws where there is no such folder. */
export function host({ folder, library = importLibrary }: HostOptions = {}): Implementation {
  const root = folder === undefined ? undefined : rootFolder(folder)
  const samples = samplers(async () => readSample(await library()))
  const processes = samplers(async () => readProcesses(await library()))
  const follow = placesFor('tail', MOST_FOLLOWED)
  const give = placesFor('fetch', MOST_FETCHED)
  const keep = placesFor('store', MOST_STORED)

  return implement(Host, {
    load: (_, { fail }) => defer(async () => readLoad(await library())).pipe(told(fail)),
    metrics: ({ everyMs }, { fail }) => samples(everyMs).pipe(told(fail)),
    processes: ({ everyMs, top }, { fail }) =>
      processes(everyMs).pipe(
        map(found => ({ ...found, top: found.top.slice(0, top ?? DEFAULT_TOP) })),
        told(fail),
      ),

    async *tail({ path, lines }, { signal, fail }) {
      const leave = follow(fail)
      try {
        yield* tail(served(root, 'tail', fail), path, lines ?? DEFAULT_LINES, signal)
      } catch (error) {
        throw fileFailure(fail, `cannot follow ${path}`, error)
      } finally {
        leave()
      }
    },

    async files(_, { fail }) {
      try {
        return await listFiles(served(root, 'files', fail))
      } catch (error) {
        throw fileFailure(fail, 'cannot list the files', error)
      }
    },

    async *fetch({ path }, { fail }) {
      const leave = give(fail)
      try {
        yield* fetchFile(served(root, 'fetch', fail), path)
      } catch (error) {
        throw fileFailure(fail, `cannot fetch ${path}`, error)
      } finally {
        leave()
      }
    },

    async store({ name }, { items$, fail }) {
      const leave = keep(fail)
      try {
        return { bytes: await store(served(root, 'store', fail), name, items$) }
      } catch (error) {
        throw fileFailure(fail, `cannot store ${name}`, error)
      } finally {
        leave()
      }
    },

    // Pulled, so that an item is taken from the caller when the caller takes the one before.
    async *echo(_, { items$ }) {
      yield* items$
    },
  })
}

function served(root: string | undefined, method: string, fail: Fail): string {
  if (root === undefined) throw fail(`Host.${method} needs a folder: start the server with --files DIR`)
  return root
}

/** So many at once: takes a place, and returns how to leave it. */
function placesFor(method: string, most: number): (fail: Fail) => () => void {
  let taken = 0
  return fail => {
    if (taken >= most) throw fail(`Host.${method} runs ${most} times already`)
    taken++
    return () => {
      taken--
    }
  }
}

/** A package that is not there is news for the caller; all else is for the server's log. */
function told<T>(fail: Fail): (figures$: Observable<T>) => Observable<T> {
  return catchError((error: unknown) =>
    throwError(() => (error instanceof MissingLibrary ? fail(error.message) : error)),
  )
}

/** What went wrong with a file, without the real path, which is nobody's business. */
function fileFailure(fail: Fail, what: string, error: unknown): unknown {
  // Cancelled: the items of an upload ended before it was complete.
  if (error instanceof FileError || RpcError.is(error, 'rpc_canceled')) return fail(`${what}: ${error.message}`)
  const { syscall, code } = error as NodeJS.ErrnoException
  return syscall === undefined ? error : fail(`${what}: ${code}`)
}
