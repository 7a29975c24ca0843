/**
 * The connections of one pool: which one takes a call, when another is dialled, and when one too many is closed.
 */
import { asyncScheduler, interval, type Subscription } from 'rxjs'
import { RpcError } from '../error.ts'
import type { Dialer } from '../transport/link.ts'
import type { Backlog } from './backlog.ts'
import { type ClientFacts, logBroken } from './config.ts'
import { Health, SHORT_LIVED_MS } from './health.ts'
import { Member } from './member.ts'
import type { Farewell } from './settlement.ts'
import type { ClientStats } from './stats.ts'
import { ClientStream } from './stream.ts'
import type { TasksEvents } from './stream-events.ts'
import { sumStats } from './sums.ts'

/** What happens to the connections of a pool. */
export interface ConnectionsEvents {
  readonly calls: TasksEvents
  /** Something changed. */
  changed(): void
  /** There is one more connection to send calls over. */
  connected(): void
  /** A connection that was agreed on takes no further calls. */
  disconnected(error: RpcError): void
  /** There is no connection, and none to be had. */
  unreachable(): void
}

/** All connections of one address that are not over. */
export class Connections {
  readonly health: Health
  readonly #dialer: Dialer
  readonly #facts: ClientFacts
  readonly #backlog: Backlog
  readonly #events: ConnectionsEvents
  /** Oldest first. */
  readonly #members = new Set<Member>()
  /** The one that had room last. */
  #front: ClientStream | undefined
  /** A dial for growth was of no use: until then no other is made. */
  #noGrowthUntil = 0
  /** Of the connections that are over. */
  #lateAnswers = 0
  #shrinking: Subscription | undefined
  #closed = false

  constructor(dialer: Dialer, facts: ClientFacts, backlog: Backlog, events: ConnectionsEvents, random: () => number) {
    this.#dialer = dialer
    this.#facts = facts
    this.#backlog = backlog
    this.#events = events
    this.health = new Health(facts.config, () => this.dial(), random)
  }

  /** Those that are not over; one that is just being made is missing. */
  get streams(): ClientStream[] {
    return [...this.#members].flatMap(({ stream }) => (stream === undefined ? [] : [stream]))
  }

  /** What they count, and what those that are over did. */
  stats(): ClientStats {
    const sum = sumStats(this.streams.map(stream => stream.stats()))
    return { ...sum, lateAnswers: sum.lateAnswers + this.#lateAnswers }
  }

  /** How many take calls. */
  get ready(): number {
    return this.#count(member => member.ready)
  }

  /** How many take calls, or are being dialled for that. */
  get usable(): number {
    return this.#count(member => member.usable)
  }

  /** Where a call goes now: where it is sent at once, or else waits with the others. `undefined`: the address is down. */
  pick(streams: boolean): ClientStream | undefined {
    if (this.#front?.hasRoom(streams)) return this.#front
    let dialling = 0
    let usable = 0
    let first: ClientStream | undefined
    for (const member of this.#members) {
      const { stream } = member
      if (!member.usable) continue
      if (stream?.hasRoom(streams)) {
        this.#front = stream
        return stream
      }
      first ??= stream
      usable++
      if (!member.ready) dialling++
    }
    if (this.health.down || this.#closed) return undefined
    if (usable > 0 && !this.#grows(usable, dialling, streams)) return first
    const { stream } = this.dial()
    if (stream?.hasRoom(streams)) return stream // in memory it may be ready by now
    return first ?? (stream?.usable === true ? stream : undefined)
  }

  /** Dials one more. */
  dial(): Member {
    const member = new Member()
    this.#members.add(member)
    this.health.stop()
    const { calls } = this.#events
    member.stream = ClientStream.connect(this.#dialer, this.#facts, {
      backlog: this.#backlog,
      alone: false,
      again: (task, error) => calls.again(task, error),
      answered: () => {
        member.hasAnswered = true
        calls.answered()
      },
      agreed: () => this.#agreed(member),
      leaving: reason => this.#gone(member, reason),
      lost: reason => {
        this.#members.delete(member)
        this.#lateAnswers += member.stream?.stats().lateAnswers ?? 0
        this.#gone(member, reason)
      },
    })
    this.#events.changed()
    if (this.#closed) this.#drop(member.stream)
    else this.#shrinking ??= this.#shrink()
    return member
  }

  /** Takes no further calls, waits for answers, and closes all connections. */
  async close(waitMs: number | undefined, why: Farewell): Promise<void> {
    this.#closed = true
    this.#front = undefined
    this.health.stop()
    this.#shrinking?.unsubscribe()
    this.#backlog.endStreams(why)
    await Promise.all(this.streams.map(stream => stream.close(waitMs, why)))
  }

  #count(what: (member: Member) => boolean): number {
    return [...this.#members].filter(what).length
  }

  /** May one more be dialled, where those that are being dialled could not take all that waits? */
  #grows(usable: number, dialling: number, streams: boolean): boolean {
    const { maxConnections, thresholds, maxStreams } = this.#facts.config
    if (usable >= maxConnections || asyncScheduler.now() < this.#noGrowthUntil) return false
    const { calls, streams: streaming } = this.#backlog
    return streams ? streaming.size >= dialling * maxStreams : calls.size >= dialling * thresholds
  }

  #agreed(member: Member): void {
    member.agreedAt = asyncScheduler.now()
    this.health.mended()
    this.#events.changed()
    this.#events.connected()
  }

  /** A connection takes no further calls. */
  #gone(member: Member, error: RpcError): void {
    if (!member.gone) {
      member.gone = true
      if (this.#front === member.stream) this.#front = undefined
      const isOwn = this.#closed || error.code === 'rpc_canceled'
      const isDown = !isOwn && this.#isDownAfter(member, error)
      // Whoever hears of it may call, and finds the address as it is now.
      if (member.agreedAt !== undefined) this.#events.disconnected(error)
      if (isDown) this.#events.unreachable()
      // While all are being closed no connection takes the place of the last one.
      if (isDown || (this.#closed && this.#count(({ gone }) => !gone) === 0)) this.#failAll(error)
      else if (!isOwn && this.usable === 0 && this.#backlog.size > 0) this.dial()
    }
    this.#events.changed()
  }

  /** A connection was lost: is there none, and none to be had? */
  #isDownAfter({ agreedAt, hasAnswered }: Member, error: RpcError): boolean {
    if (this.usable === 0) return this.health.lost(error, agreedAt, hasAnswered)
    const now = asyncScheduler.now()
    if (now - (agreedAt ?? now) < SHORT_LIVED_MS) this.#noGrowthUntil = now + this.#facts.config.backoffFirstMs
    return false
  }

  /** None of what waits will be sent. */
  #failAll(error: RpcError): void {
    const isOwn = RpcError.is(error, 'rpc_unauthenticated', 'rpc_forbidden', 'rpc_canceled')
    this.#backlog.fail(isOwn ? error.code : 'rpc_unreachable', error.message, error)
  }

  /** Closes those that were of no use for `connectionIdleMs`, all but `idleConnections`; looks while there are more. */
  #shrink(): Subscription | undefined {
    const { idleConnections, connectionIdleMs } = this.#facts.config
    if (this.#members.size <= idleConnections) return undefined
    return interval(connectionIdleMs / 2).subscribe({
      next: () => {
        let spare = this.ready - idleConnections
        for (const member of this.#members) {
          if (!member.ready || member.look() < 2 || spare <= 0) continue
          spare--
          this.#drop(member.stream!)
        }
        if (this.#members.size > idleConnections) return
        this.#shrinking?.unsubscribe()
        this.#shrinking = undefined
      },
      error: error => logBroken(this.#facts, this.#dialer.address, error),
    })
  }

  #drop(stream: ClientStream): void {
    stream.close(0).catch(error => logBroken(this.#facts, this.#dialer.address, error))
  }
}
