/**
 * Dialling with a time limit, and errors that name the address.
 */
import { catchError, type Observable, throwError, timeout } from 'rxjs'
import { RpcError } from '../error.ts'
import { timerMs } from '../flow/long-timer.ts'
import type { Dialer, Link } from '../transport/link.ts'

/** Emits one open link. Errors with `rpc_unreachable`, executed `no`, also after `connectTimeoutMs`. */
export function dial(dialer: Dialer, connectTimeoutMs: number): Observable<Link> {
  const { address } = dialer
  const unreachable = (message: string, cause?: unknown): RpcError =>
    new RpcError('rpc_unreachable', message, { executed: 'no', address, cause })
  return dialer.dial().pipe(
    timeout({
      first: timerMs(connectTimeoutMs),
      with: () =>
        throwError(() => unreachable(`no connection to ${address} within connectTimeoutMs ${connectTimeoutMs}`)),
    }),
    catchError(error =>
      throwError(() =>
        RpcError.is(error, 'rpc_unreachable')
          ? error
          : unreachable(`cannot dial ${address}: ${RpcError.from(error).message}`, error),
      ),
    ),
  )
}
