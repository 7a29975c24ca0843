/**
 * What all that takes calls has in common: a call is a cold Observable around a start.
 */
import { Observable, type Subscriber, type Unsubscribable } from 'rxjs'
import type { Caller, CallRequest, Reply } from './call.ts'
import type { ClientConfig } from './config.ts'
import { checkRequest } from './write.ts'

/** Takes calls. */
export abstract class Calling implements Caller {
  readonly #config: ClientConfig

  constructor(config: ClientConfig) {
    this.#config = config
  }

  /**
   * A call: each subscription sends once, emits one answer and completes, or errors with an `RpcError`. Unsubscribing drops
   * the answer; the slot stays taken until it comes or the deadline passes. Throws a `TypeError` for an action or a timeout
   * that is none.
   */
  call<T = Reply>(request: CallRequest<T>): Observable<T> {
    this.check(request)
    return new Observable<T>(caller => this.start(request, caller))
  }

  check(request: CallRequest<unknown>): void {
    checkRequest(request, this.#config)
  }

  /** A call that is subscribed to; returns how to unsubscribe, where it is not over yet. */
  abstract start<T>(request: CallRequest<T>, caller: Subscriber<T>): Unsubscribable | undefined
}
