/**
 * Calls that pass the interceptors of a client on their way to its pool.
 */
import { defer, type Observable, type Subscriber, type Unsubscribable } from 'rxjs'
import type { CallRequest, ClientInterceptor } from './call.ts'
import { Calling } from './calling.ts'
import type { ClientConfig } from './config.ts'
import type { Pool } from './pool-duties.ts'

/** Calls through interceptors, the first one outermost. */
export class RpcClient extends Calling {
  readonly #send: (request: CallRequest<unknown>) => Observable<unknown>

  constructor(pool: Pool, config: ClientConfig, interceptors: readonly ClientInterceptor[]) {
    super(config)
    this.#send = interceptors.reduceRight<(request: CallRequest<unknown>) => Observable<unknown>>(
      (next, interceptor) => request => interceptor(request, next),
      request => pool.call(request),
    )
  }

  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable {
    return (defer(() => this.#send(request)) as Observable<T>).subscribe(caller)
  }
}
