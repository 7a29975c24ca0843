/**
 * Links whose bytes are recorded. A recorded link is the link itself in all its duties; what it sends is recorded when it is
 * handed over, what it receives before the receiver sees it.
 */
import { map, type Observable, tap } from 'rxjs'
import { targetsOf } from '../../node/gateway-config.ts'
import type { Dialer, Link, Listener } from '../../transport/link.ts'
import { ForwardedLink } from '../forwarded-link.ts'
import { DOWN, END, type EndFacts, OPEN, type OpenFacts, UP } from './format.ts'
import type { Recorder } from './recorder.ts'

/** The same dialer, whose links are recorded as those of a client. */
export function recordedDialer(recorder: Recorder, inner: Dialer): Dialer {
  return {
    address: inner.address,
    dial: () => inner.dial().pipe(map(link => new RecordedLink(recorder, link, 'client'))),
  }
}

/** The targets of a gateway, whose links are recorded as those of a client. Throws a `TypeError` for a target that is none. */
export function recordedTargets(
  recorder: Recorder,
  targets: Readonly<Record<string, string>>,
): Readonly<Record<string, Dialer>> {
  const dialers = [...targetsOf(targets)].map(([path, dialer]) => [path, recordedDialer(recorder, dialer)])
  return Object.fromEntries(dialers)
}

/** The same listener, whose links are recorded as those of a server. */
export function recordedListener(recorder: Recorder, inner: Listener): Listener {
  const wrap = (link: Link): Link => new RecordedLink(recorder, link, 'server')
  return {
    listen: () => inner.listen().pipe(map(bound => ({ ...bound, links$: bound.links$.pipe(map(wrap)) }))),
  }
}

/** A link, with a copy of both directions to a recorder. */
class RecordedLink extends ForwardedLink {
  override readonly chunks$: Observable<Uint8Array>
  readonly #recorder: Recorder
  readonly #connection: number
  readonly #sends: number
  /** The far end has finished; this one may still send. */
  #farFinished = false
  #over = false

  constructor(recorder: Recorder, inner: Link, recordedBy: OpenFacts['recordedBy']) {
    super(inner)
    const { address, transport } = inner
    this.#recorder = recorder
    this.#connection = recorder.nextConnection()
    this.#sends = recordedBy === 'client' ? UP : DOWN
    const receives = recordedBy === 'client' ? DOWN : UP
    recorder.facts(OPEN, this.#connection, { address, transport, recordedBy } satisfies OpenFacts)
    this.chunks$ = inner.chunks$.pipe(
      tap({
        next: chunk => recorder.bytes(receives, this.#connection, chunk),
        complete: () => {
          this.#farFinished = true
        },
        error: error => this.#end({ how: 'lost', reason: error instanceof Error ? error.message : String(error) }),
        unsubscribe: () => this.#end({ how: 'destroyed' }),
      }),
    )
  }

  override send(bytes: Uint8Array, corked = false): void {
    if (!this.#over && bytes.length > 0) this.#recorder.bytes(this.#sends, this.#connection, bytes)
    super.send(bytes, corked)
  }

  override close(code?: number, text?: string): void {
    this.#end({ how: this.#farFinished ? 'finished' : 'closed' })
    super.close(code, text)
  }

  override destroy(): void {
    this.#end({ how: 'destroyed' })
    super.destroy()
  }

  #end(facts: EndFacts): void {
    if (this.#over) return
    this.#over = true
    this.#recorder.facts(END, this.#connection, facts)
  }
}
