/**
 * How errors are told apart: the contract's own by `catchUserError` and `isUserError`, all others by their code.
 */
import { catchError, EMPTY, map, type Observable, of, retry } from 'rxjs'
import {
  type Call,
  catchUserError,
  type ErrorOf,
  isUserError,
  type RpcCode,
  RpcError,
  type UserError,
} from '../../lib/index.ts'
import { clock, type FsError, Host, host, type Load } from './contracts.ts'
import { exactly } from './exactly.ts'

declare const error: unknown

// catchUserError stands first and knows the contract's error.
exactly<Observable<number>>()(
  host.open({ path: '/' }).pipe(
    catchUserError((value, whole) => {
      exactly<FsError>()(value)
      exactly<UserError<FsError>>()(whole)
      return value.code === 'denied' ? EMPTY : of(-1)
    }),
  ),
)
exactly<Observable<number | 'late' | 'early'>>()(clock.texts().pipe(catchUserError(text => of(text))))
exactly<Observable<number>>()(host.div([1, 2]).pipe(catchUserError(text => of(text.length))))
exactly<Observable<void | number>>()(host.kill({ pid: 1 }).pipe(catchUserError(errno => of(errno + 1))))
exactly<Observable<Load | null>>()(host.load().pipe(catchUserError(() => Promise.resolve(null))))
exactly<Observable<string>>()(
  host.div([1, 2]).pipe(
    catchUserError(() => of(0)),
    map(n => n.toFixed(1)),
    retry(2),
  ),
)
host.open({ path: '/' }).pipe(
  // @ts-expect-error: behind another operator the error's type is lost, so it does not stand there
  map(String),
  catchUserError((value: FsError) => of(value.code)),
)
// @ts-expect-error: no Observable at all
host.open({ path: '/' }).pipe(catchUserError(value => value.code.length))
// @ts-expect-error: FsError has no errno
host.open({ path: '/' }).pipe(catchUserError(value => of(value.errno)))

// isUserError narrows anywhere.
host.open({ path: '/' }).pipe(
  map(String),
  catchError(caught => {
    if (isUserError(Host.methods.open, caught)) exactly<FsError>()(caught.value)
    return EMPTY
  }),
)
if (isUserError(Host.methods.open, error)) exactly<UserError<FsError>>()(error)
if (isUserError(Host.methods.kill, error)) exactly<number>()(error.value)
if (isUserError(Host.methods.add, error)) exactly<'overflow' | 'range'>()(error.value)
exactly<FsError>()({} as ErrorOf<typeof Host.methods.open>)
// @ts-expect-error: no method of the contract
isUserError(Host.methods.close, error)

// RpcError.is narrows the code, and knows which codes there are.
if (RpcError.is(error, 'rpc_timeout', 'rpc_unreachable')) exactly<'rpc_timeout' | 'rpc_unreachable'>()(error.code)
if (RpcError.is(error)) exactly<'no' | 'maybe' | 'yes'>()(error.executed)
// @ts-expect-error: no such code
RpcError.is(error, 'rpc_late')
exactly<RpcError>()(RpcError.from(error))
const code: RpcCode = 'rpc_busy'
void code
// @ts-expect-error: what a handler chose is no code of the library
const user: RpcCode = 'user'
void user

// A call's two types stay apart.
// @ts-expect-error: another error type
const other: Call<number, string> = host.open({ path: '/' })
void other
// @ts-expect-error: another answer
const text: Call<string> = host.div([1, 2])
void text
