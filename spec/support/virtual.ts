/**
 * Client and server over memory in virtual time: hours pass at once, and every event has its millisecond.
 */
import assert from 'node:assert/strict'
import { asyncScheduler, type Observable, tap } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { clientOf } from '../../lib/connect.ts'
import {
  type Client,
  type ConnectOptions,
  type Link,
  memoryDialer,
  memoryListener,
  RpcServer,
  type RpcServerOptions,
} from '../../lib/node/index.ts'
import { Lab, type Version } from './arena.ts'
import { loggerTo } from './logged.ts'
import { ONE_LINK } from './one-link.ts'
import { linkPeer, type RawPeer } from './raw-peer.ts'
import { memory } from './transports.ts'

/** A world with a clock of its own. */
export interface World {
  /** Runs `act` at this millisecond. */
  at(ms: number, act: () => void): void
  now(): number
  /** Drops all connections at this millisecond, so that no clock runs on. Every story needs it. */
  end(ms: number): void
  readonly log: string[]
  client(address: string, options?: ConnectOptions): Client
  server(options?: RpcServerOptions): { readonly address: string; readonly server: RpcServer; readonly lab: Lab }
  /** A raw client of that address. */
  rawClient(address: string): RawPeer
  /** A server that does nothing but hand its connections out. */
  rawServer(onPeer: (peer: RawPeer) => void): string
  /** What became of a call, and when: `12 next 1`, `12 error rpc_timeout`. */
  record(call$: Observable<unknown>): string[]
}

/**
 * A spec in virtual time: `story` says what happens when, the function it returns judges when all is over. The clients speak
 * `version` where their options do not say otherwise.
 */
export function virtually(story: (world: World) => () => void, version: Version = 2): () => void {
  return () => {
    let judge = (): void => undefined
    new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(() => {
      const now = (): number => asyncScheduler.now()
      const log: string[] = []
      const links: Link[] = []
      const note = (entry: { readonly message: string }): void => {
        log.push(`${now()} ${entry.message}`)
      }
      judge = story({
        at: (ms, act) => asyncScheduler.schedule(act, ms),
        now,
        log,
        end: ms => {
          asyncScheduler.schedule(() => {
            for (const link of links) link.destroy()
          }, ms)
        },
        client: (address, options) => {
          const dialer = memoryDialer(address)
          const dial = (): Observable<Link> => dialer.dial().pipe(tap(link => links.push(link)))
          return clientOf({ address, dial }, { version, logger: loggerTo(note), ...ONE_LINK, ...options })
        },
        server: options => {
          const lab = new Lab()
          const server = new RpcServer({ dispatch: lab.dispatch, logger: loggerTo(note), ...options })
          const address = memory.listenAt()
          // Listens from within: the Promise is only about the address, which is known.
          void server.listen(address)
          return { address, server, lab }
        },
        rawClient: address => {
          let peer: RawPeer | undefined
          memoryDialer(address)
            .dial()
            .subscribe(link => {
              links.push(link)
              peer = linkPeer(link)
            })
          return peer!
        },
        rawServer: onPeer => {
          const address = memory.listenAt()
          memoryListener(address)
            .listen()
            .subscribe(bound => bound.links$.subscribe(link => onPeer(linkPeer(link))))
          return address
        },
        record: call$ => {
          const seen: string[] = []
          call$.subscribe({
            next: value => seen.push(`${now()} next ${JSON.stringify(value)}`),
            error: error => seen.push(`${now()} error ${error.code} ${error.executed}: ${error.message}`),
            complete: () => seen.push(`${now()} complete`),
          })
          return seen
        },
      })
    })
    judge()
  }
}
