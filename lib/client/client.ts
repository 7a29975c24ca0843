/**
 * A client of one address over one connection: dialled at the first call, and again at the next call after it was lost.
 */
import { defer, Observable, type Subscriber, throwError, type Unsubscribable } from 'rxjs'
import { RpcError } from '../error.ts'
import type { Dialer } from '../transport/link.ts'
import type { Caller, CallRequest, ClientInterceptor, Reply } from './call.ts'
import type { ClientFacts } from './config.ts'
import type { StreamStats } from './stats.ts'
import { ClientStream } from './stream.ts'
import type { ClientHoldings } from './tasks.ts'
import { checkRequest } from './write.ts'

const NOTHING: StreamStats = { waiting: 0, inFlight: 0, lateAnswers: 0 }

/** Calls over one connection at a time. */
export class RpcClient implements Caller {
  readonly #dialer: Dialer
  readonly #facts: ClientFacts
  readonly #intercepted: ((request: CallRequest<unknown>) => Observable<unknown>) | undefined
  /** Where calls go; and all that are not over, those included that take no further calls. */
  #stream: ClientStream | undefined
  readonly #open = new Set<ClientStream>()
  #closed = false

  constructor(dialer: Dialer, facts: ClientFacts, interceptors: readonly ClientInterceptor[] = []) {
    this.#dialer = dialer
    this.#facts = facts
    const send = (request: CallRequest<unknown>): Observable<unknown> =>
      new Observable<unknown>(caller => this.#usable().start(request, caller))
    if (interceptors.length > 0) {
      this.#intercepted = interceptors.reduceRight<(request: CallRequest<unknown>) => Observable<unknown>>(
        (next, interceptor) => request => interceptor(request, next),
        send,
      )
    }
  }

  /** The address as the user wrote it. */
  get address(): string {
    return this.#dialer.address
  }

  /** What the connection counts; zeros where there is none. Calls on one that is closing count too. */
  get stats(): StreamStats {
    let waiting = 0
    let inFlight = 0
    for (const { stats } of this.#open) {
      waiting += stats.waiting
      inFlight += stats.inFlight
    }
    const { lateAnswers } = this.#stream?.stats ?? NOTHING
    return { waiting, inFlight, lateAnswers }
  }

  /** What calls hold, on all connections that are not over. */
  get holdings(): ClientHoldings {
    const sum = { slots: 0, leaving: 0, waitingBytes: 0, itemBytes: 0 }
    for (const { holdings } of this.#open) {
      sum.slots += holdings.slots
      sum.leaving += holdings.leaving
      sum.waitingBytes += holdings.waitingBytes
      sum.itemBytes += holdings.itemBytes
    }
    return sum
  }

  call<T = Reply>(request: CallRequest<T>): Observable<T> {
    this.check(request)
    return new Observable<T>(caller => this.start(request, caller))
  }

  check(request: CallRequest<unknown>): void {
    checkRequest(request, this.#facts.config)
  }

  start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined {
    if (this.#closed) {
      caller.error(this.#closedError(request.action))
      return undefined
    }
    if (this.#intercepted === undefined) return this.#usable().start(request, caller)
    const answers = defer(() => this.#intercepted!(request)) as Observable<T>
    return answers.subscribe(caller)
  }

  /** A round trip: completes when the pong came. Dials where there is no connection. */
  ping(timeoutMs?: number): Observable<never> {
    return defer(() => (this.#closed ? throwError(() => this.#closedError()) : this.#usable().ping(timeoutMs)))
  }

  /**
   * Takes no further calls, waits for answers, `waitMs` at most (default `closeWaitMs`), and closes the connection. Calls
   * that come later fail with `rpc_unreachable`.
   */
  async close(waitMs?: number): Promise<void> {
    this.#closed = true
    await Promise.all(Array.from(this.#open, stream => stream.close(waitMs)))
  }

  #closedError(action?: string | number): RpcError {
    const { address } = this
    return new RpcError('rpc_unreachable', `the client of ${address} is closed`, { executed: 'no', action, address })
  }

  /** The connection; a new one where there is none, or the last is over. */
  #usable(): ClientStream {
    if (this.#stream?.usable) return this.#stream
    const stream = ClientStream.connect(this.#dialer, this.#facts)
    this.#stream = stream
    this.#open.add(stream)
    const forget = (): void => {
      this.#open.delete(stream)
    }
    stream.ended$.subscribe({ complete: forget, error: forget })
    return stream
  }
}
