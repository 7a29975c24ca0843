/**
 * A link that only takes bytes, by reference, and says of itself what a spec tells it to.
 */
import { NEVER, type Observable, Subject } from 'rxjs'
import type { Link } from '../../lib/transport/link.ts'
import { concat } from './hex.ts'

export class RecordingLink implements Link {
  readonly address: string = 'memory:recording'
  readonly transport = 'memory'
  readonly chunks$: Observable<Uint8Array> = NEVER
  readonly drained$: Subject<void> = new Subject<void>()
  readonly sends: { readonly bytes: Uint8Array; readonly corked: boolean }[] = []
  unsentBytes = 0
  /** Runs within each `send`, behind the taking over. */
  onSend: (bytes: Uint8Array) => void = () => undefined

  /** All that was sent, as the far end would see it now. */
  get wire(): Uint8Array {
    return concat(this.sends.map(send => send.bytes))
  }

  send(bytes: Uint8Array, corked = false): void {
    this.sends.push({ bytes, corked })
    this.onSend(bytes)
  }

  pause(): void {}
  resume(): void {}
  close(): void {}
  destroy(): void {}
}
