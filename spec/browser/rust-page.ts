/**
 * A page that calls a Rust server: the gateway it dials stands behind the `#` of its URL. Everything here gives plain data.
 */
import { catchError, firstValueFrom, lastValueFrom, map, mergeMap, of, range, reduce } from 'rxjs'
import { connect, RpcError, service, unary } from '../../lib/index.ts'

/** As much of the Rust peer's services as the page needs. */
const Calculator = service('CalculatorService', {
  inc: unary<number, number>(),
  div: unary<[number, number], number>(),
})
const Files = service('Files', {
  read: unary<{ inode: number; offset: number; len: number }, void, number>({
    action: 2,
    errors: 'errno',
    blob: 'response',
  }),
  write: unary<{ inode: number; offset: number }, { ret_size: number }, number>({
    action: 3,
    errors: 'errno',
    blob: 'request',
  }),
})

const gateway = location.hash.slice(1)
const client = connect(`${gateway}/api`)
const calculator = client.use(Calculator)
const files = connect(`${gateway}/fs`).use(Files)

const page = {
  inc: (n: number) => firstValueFrom(calculator.inc(n)),
  divFails: () =>
    firstValueFrom(
      calculator.div([1, 0]).pipe(
        map(() => 'no error'),
        catchError(error => of(`${RpcError.from(error).code} ${(error as { value?: unknown }).value}`)),
      ),
    ),
  many: (calls: number) =>
    lastValueFrom(
      range(0, calls).pipe(
        mergeMap(n => calculator.inc(n).pipe(map(next => next === n + 1))),
        reduce((right, isRight) => right + Number(isRight), 0),
      ),
    ),
  /** Reads so many bytes, and writes them back to the server, which checks them. */
  copy: async (len: number) => {
    const { blob } = await firstValueFrom(files.read({ inode: 5, offset: 7, len }))
    const { ret_size } = await firstValueFrom(files.write({ inode: 5, offset: 7 }, { blob }))
    return [blob.length, ret_size]
  },
  refused: (path: string) =>
    firstValueFrom(
      connect(`${gateway}${path}`)
        .use(Calculator)
        .inc(1)
        .pipe(
          map(() => 'no error'),
          catchError(error => of(RpcError.from(error).code)),
        ),
    ),
}

/** The page as the spec sees it. */
export type RustPage = typeof page

Object.assign(globalThis, { page })
