/**
 * What a user holds: calls that pass the interceptors and go to a pool.
 */
import { defer, Observable, type Subscriber, type Unsubscribable } from 'rxjs'
import type { Caller, CallRequest, ClientInterceptor, Reply } from './call.ts'
import type { Pool } from './pool-duties.ts'

/** Calls through interceptors. */
export class RpcClient implements Caller {
  readonly #pool: Pool
  readonly #intercepted: ((request: CallRequest<unknown>) => Observable<unknown>) | undefined

  constructor(pool: Pool, interceptors: readonly ClientInterceptor[] = []) {
    this.#pool = pool
    const send = (request: CallRequest<unknown>): Observable<unknown> =>
      new Observable<unknown>(caller => pool.start(request, caller))
    if (interceptors.length > 0) {
      this.#intercepted = interceptors.reduceRight<(request: CallRequest<unknown>) => Observable<unknown>>(
        (next, interceptor) => request => interceptor(request, next),
        send,
      )
    }
  }

  call<T = Reply>(request: CallRequest<T>): Observable<T> {
    this.check(request)
    return new Observable<T>(caller => this.start(request, caller))
  }

  check(request: CallRequest<unknown>): void {
    this.#pool.check(request)
  }

  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined {
    if (this.#intercepted === undefined) return this.#pool.start(request, caller)
    const answers = defer(() => this.#intercepted!(request)) as Observable<T>
    return answers.subscribe(caller)
  }
}
