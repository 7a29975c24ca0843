/** The service `Host` of the server, for the whole application. */
import { DestroyRef, Injectable, inject, type Signal } from '@angular/core'
import { toSignal } from '@angular/core/rxjs-interop'
import { type ClientStatus, connect } from 'razor-rx'
import type { Observable } from 'rxjs'
import { Host } from '../../contract.ts'

@Injectable({ providedIn: 'root' })
export class HostService {
  readonly #client = connect(new URL('/rpc', location.href.replace(/^http/, 'ws')).href)
  readonly #host = this.#client.use(Host)

  /** How the connection stands. */
  readonly status: Signal<ClientStatus> = toSignal(this.#client.status$, { requireSync: true })

  constructor() {
    inject(DestroyRef).onDestroy(() => void this.#client.close())
  }

  /** Emits until it is unsubscribed. */
  loads(everyMs: number): Observable<number[]> {
    return this.#host.loads({ everyMs })
  }

  /** One answer. */
  div(a: number, b: number): Observable<number> {
    return this.#host.div([a, b])
  }
}
