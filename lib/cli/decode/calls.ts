/**
 * The calls of one connection, for the summary: what went each way, how it ended, and how long items stood without credit, as
 * seen from where it was recorded.
 */
import type { U64 } from '../../protocol/bytes.ts'
import type { RequestFrame } from '../../protocol/heads.ts'
import { RPC_VERSION_1 } from '../../protocol/heads.ts'
import type { CallOnWire } from '../../testing/ledger.ts'
import type { Direction } from '../capture/format.ts'
import type { CallEvent, CallTraffic } from './events.ts'

/** Calls without an end that are kept: a dump of one direction shows none. */
const MAX_LIVE = 10_000

/** One direction of a call that goes on. */
class Traffic {
  items = 0
  bytes = 0
  #times = 0
  #ms = 0
  /** Since when there is no credit; `undefined` where there is some, or none is needed. */
  #since: number | undefined
  readonly #hasItems: boolean

  constructor(hasItems: boolean) {
    this.#hasItems = hasItems
  }

  /** Credit is as it is from now on. */
  credit(units: number, at: number): void {
    if (!this.#hasItems) return
    if (units > 0) this.resume(at)
    else this.#since ??= at
  }

  /** Whoever stood without credit does so no longer. */
  resume(at: number): void {
    if (this.#since === undefined) return
    this.#times++
    this.#ms += at - this.#since
    this.#since = undefined
  }

  /** No item follows: nobody stood without credit, there was just none left. */
  finish(): void {
    this.#since = undefined
  }

  view(timed: boolean): CallTraffic {
    const { items, bytes } = this
    if (this.#times === 0) return { items, bytes }
    const withoutCredit = timed ? { times: this.#times, ms: toMicroseconds(this.#ms) } : { times: this.#times }
    return { items, bytes, withoutCredit }
  }
}

interface LiveCall {
  readonly action: number | string
  readonly shape: string
  readonly at: number | undefined
  readonly up: Traffic
  readonly down: Traffic
  canceled: boolean
}

/** Of one connection. What has ended goes to `ended`. */
export class Calls {
  readonly #connection: number
  readonly #ended: (call: CallEvent) => void
  readonly #forgotten: (seq: U64) => void
  readonly #live = new Map<U64, LiveCall>()

  constructor(connection: number, ended: (call: CallEvent) => void, forgotten: (seq: U64) => void) {
    this.#connection = connection
    this.#ended = ended
    this.#forgotten = forgotten
  }

  /** A request was seen. */
  begin({ seq, action, ver, window, open }: RequestFrame, at: number | undefined): void {
    if (this.#live.size >= MAX_LIVE) {
      const [oldest] = this.#live.keys()
      this.#end(oldest!, `no end among ${MAX_LIVE} further calls`, undefined)
      this.#forgotten(oldest!)
    }
    // The same seq once more: whatever the server makes of it, the first one is told of.
    this.#end(seq, 'its seq was taken by another call', at)
    const shape = ver === RPC_VERSION_1 ? 'unary, version 1' : shapeOf(window, open)
    const [up, down] = [new Traffic(open), new Traffic(window > 0)]
    this.#live.set(seq, { action: action ?? 'not UTF-8', shape, at, up, down, canceled: false })
  }

  /** A frame of a call was seen. */
  frame(seq: U64, direction: Direction, bytes: number, isItem: boolean): void {
    const traffic = this.#live.get(seq)?.[direction]
    if (traffic === undefined) return
    traffic.bytes += bytes
    if (isItem) traffic.items++
  }

  /** The credit of a call, after a frame of it; only where both directions are seen, with their times. */
  credit({ seq, credit }: CallOnWire, at: number): void {
    const call = this.#live.get(seq)
    if (call === undefined || call.canceled) return
    call.up.credit(credit.up, at)
    call.down.credit(credit.down, at)
  }

  /** The client's items are over: all were sent, or the server wants no more. */
  upOver(seq: U64): void {
    this.#live.get(seq)?.up.finish()
  }

  /** The client wants the call stopped. */
  canceled(seq: U64, at: number | undefined): void {
    const call = this.#live.get(seq)
    if (call === undefined) return
    call.canceled = true
    settle(call, at)
  }

  /** The terminal of a call was seen. `wasCut`: the server stopped it before all was sent. */
  terminal(seq: U64, ended: string, wasCut: boolean, at: number | undefined): void {
    const call = this.#live.get(seq)
    if (call === undefined) return
    if (!wasCut) call.down.finish()
    call.up.finish()
    this.#end(seq, ended, at)
  }

  /** No more is seen of any call, the connection's end included. */
  over(ended: string, at: number | undefined): void {
    for (const seq of [...this.#live.keys()]) this.#end(seq, ended, at)
  }

  #end(seq: U64, ended: string, at: number | undefined): void {
    const call = this.#live.get(seq)
    if (call === undefined) return
    this.#live.delete(seq)
    settle(call, at)
    const { action, shape, canceled } = call
    const timed = call.at !== undefined
    this.#ended({
      event: 'call',
      connection: this.#connection,
      seq,
      action,
      shape,
      at: call.at,
      ms: call.at === undefined || at === undefined ? undefined : toMicroseconds(at - call.at),
      up: call.up.view(timed),
      down: call.down.view(timed),
      ...(canceled && { canceled }),
      ended,
    })
  }
}

function settle({ up, down }: LiveCall, at: number | undefined): void {
  if (at === undefined) return
  up.resume(at)
  down.resume(at)
}

function shapeOf(window: number, open: boolean): string {
  if (window === 0) return open ? 'upload' : 'unary'
  return open ? 'duplex' : 'stream'
}

/** Milliseconds, to the microsecond. */
export function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
