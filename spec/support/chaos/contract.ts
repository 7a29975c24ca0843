/**
 * The service that calls go to while faults happen: one method of each shape, whose arguments and items carry the number of their call
 * and a checksum. Its handlers write into a ledger before they act.
 */
import { lastValueFrom, map, type Observable, timer } from 'rxjs'
import {
  duplex,
  implement,
  RpcServer,
  type RpcServerOptions,
  service,
  stream,
  unary,
  upload,
} from '../../../lib/node/index.ts'
import { textSum } from './dice.ts'
import type { ServerLedger } from './ledger.ts'

/** A message of the call `id`: its argument, its answer (`n` is 0), or item `n`. */
export interface Message {
  readonly id: number
  readonly n: number
  /** Makes it larger. */
  readonly pad: string
  /** See {@link message}. */
  readonly sum: number
}

/** An argument. */
export interface Ask extends Message {
  /** Items that are asked for, and how long the handler takes before each, and before it answers. */
  readonly count: number
  readonly pauseMs: number
  /** The handler fails with the number of the call as its text. */
  readonly fails: boolean
}

export function message(id: number, n: number, pad: string): Message {
  return { id, n, pad, sum: textSum(`${id}:${n}:${pad}`) }
}

/** Is it what was sent? */
export function isWhole({ id, n, pad, sum }: Message): boolean {
  return Number.isInteger(id) && sum === textSum(`${id}:${n}:${pad}`)
}

export const Chaos = service('Chaos', {
  /** May be sent again. */
  read: unary<Ask, Message>({ idempotent: true }),
  /** Must not. */
  once: unary<Ask, Message>(),
  stream: stream<Ask, Message>({ window: 16 }),
  upload: upload<Ask, Message, Message>({ window: 16 }),
  duplex: duplex<Ask, Message, Message>({ window: 16 }),
})

/** Limits of a server that is to notice soon what is wrong. */
export const HASTY_SERVER: RpcServerOptions = {
  tickMs: 50,
  readTimeoutMs: 500,
  drainTimeoutMs: 800,
  idleTimeoutMs: 1_500,
  maxCallMs: 4_000,
  graceMs: 0,
}

/** A server of {@link Chaos} that writes into `ledger`. */
export function chaosServer(ledger: ServerLedger, options: RpcServerOptions = {}): RpcServer {
  const begin = (ask: Ask, call: Call): void => {
    if (!isWhole(ask)) throw call.fail('damaged')
    const port = /:(\d+)$/.exec(call.peer.address)?.[1]
    ledger.write({ what: 'started', id: ask.id, ...(port === undefined ? {} : { port: Number(port) }) })
    if (ask.fails) throw call.fail(String(ask.id))
  }
  const answer = (ask: Ask): Observable<Message> =>
    timer(ask.pauseMs).pipe(
      map(() => {
        ledger.write({ what: 'made', id: ask.id, n: 0 })
        ledger.write({ what: 'ended', id: ask.id })
        return message(ask.id, 0, ask.pad)
      }),
    )
  const unaryHandler = (ask: Ask, call: Call): Observable<Message> => {
    begin(ask, call)
    return answer(ask)
  }
  const took = (ask: Ask, item: Message, call: Call): void => {
    if (!isWhole(item)) throw call.fail('damaged')
    ledger.write({ what: 'took', id: ask.id, of: item.id, n: item.n })
  }
  const handlers = {
    read: unaryHandler,
    once: unaryHandler,
    async *stream(ask: Ask, call: Call): AsyncGenerator<Message> {
      begin(ask, call)
      for (let n = 0; n < ask.count; n++) {
        if (ask.pauseMs > 0) await lastValueFrom(timer(ask.pauseMs))
        ledger.write({ what: 'made', id: ask.id, n })
        yield message(ask.id, n, ask.pad)
      }
      ledger.write({ what: 'ended', id: ask.id })
    },
    async upload(ask: Ask, call: Call & { readonly items$: AsyncIterable<Message> }): Promise<Message> {
      begin(ask, call)
      for await (const item of call.items$) {
        took(ask, item, call)
        if (ask.pauseMs > 0) await lastValueFrom(timer(ask.pauseMs))
      }
      return lastValueFrom(answer(ask))
    },
    async *duplex(ask: Ask, call: Call & { readonly items$: AsyncIterable<Message> }): AsyncGenerator<Message> {
      begin(ask, call)
      for await (const item of call.items$) {
        took(ask, item, call)
        if (ask.pauseMs > 0) await lastValueFrom(timer(ask.pauseMs))
        ledger.write({ what: 'made', id: ask.id, n: item.n })
        yield message(ask.id, item.n, item.pad)
      }
      ledger.write({ what: 'ended', id: ask.id })
    },
  }
  return new RpcServer({ services: [implement(Chaos, handlers)], ...HASTY_SERVER, ...options })
}

interface Call {
  readonly peer: { readonly address: string }
  readonly fail: (value: string) => Error
}
