/** A client's heartbeat: when it pings, when it gives a link up, and when silence is no sign of death. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catchError, concatMap, filter, map, NEVER, of, take, timer } from 'rxjs'
import { implement, service, stream, unary } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Heart = service('Heart', {
  echo: unary<string, string>(),
  never: unary(),
  beats: stream<number, number>(),
  size: unary<void, number>({ blob: 'request' }),
})

const heart = implement(Heart, {
  echo: text => text,
  never: () => NEVER,
  beats: ms => timer(ms, ms),
  size: (_, { blob }) => blob.length,
})

function pairOf(options: LinkedPairOptions) {
  const pair = linkedPair({ services: [heart], ...options })
  return { ...pair, heart: pair.client.use(Heart) }
}

const lost = catchError(({ code, executed }) => of(`${code} ${executed}`))

for (const version of [1, 2] as const) {
  describe(`the heartbeat of version ${version}`, () => {
    it(
      'pings when nothing was sent for pingIntervalMs, to the tick, and again after as long',
      marbles(({ expectObservable, flush }) => {
        const { heart, wire, expectNoLeaks } = pairOf({ client: { version }, lingerMs: 60_000 })
        expectObservable(heart.echo('e')).toBe('(e|)')
        const pings$ = wire.frames$.pipe(filter(({ kind }) => kind === 'P' || kind === 'p'))
        expectObservable(pings$.pipe(map(({ kind }) => kind))).toBe('26s (Pp) 25996ms (Pp)')
        flush()
        expectNoLeaks()
      }),
    )

    it(
      'gives a half-open link up after deadAfterMs without a byte, to the tick, and the next call dials anew',
      marbles(({ expectObservable, flush }) => {
        const faults = '1s h 60s o'
        const { heart, wire, expectNoLeaks } = pairOf({ client: { version }, up: { faults }, down: { faults } })
        const never$ = heart.never(undefined, { timeoutMs: 100_000 })
        // A tick later where something had come: the answer to the offer.
        expectObservable(never$.pipe(lost)).toBe(version === 1 ? '55s (l|)' : '56s (l|)', { l: 'rpc_io_err maybe' })
        expectObservable(timer(70_000).pipe(concatMap(() => heart.echo('e')))).toBe('70s (e|)')
        const pings$ = wire.up.kinds$.pipe(filter(kind => kind === 'P'))
        expectObservable(pings$).toBe(version === 1 ? '25s P 20999ms P' : '26s P 20999ms P')
        expectObservable(wire.arrived.up.kinds$.pipe(filter(kind => kind === 'P'))).toBe('')
        flush()
        expectNoLeaks()
      }),
    )

    it(
      'waits as long as its own output is still leaving',
      marbles(({ expectObservable, flush }) => {
        const { heart, wire, expectNoLeaks } = pairOf({ client: { version }, up: { bytesPerMs: 100 } })
        const blob = new Uint8Array(9_000_000) // 90 s of nothing coming in
        const size$ = heart.size(undefined, { blob, timeoutMs: 200_000 })
        const whole$ = size$.pipe(map(bytes => bytes === blob.length))
        expectObservable(whole$).toBe(version === 1 ? '90001ms (t|)' : '90002ms (t|)', { t: true })
        expectObservable(wire.down.kinds$.pipe(filter(kind => kind === 'b'))).toBe('')
        flush()
        expectNoLeaks()
      }),
    )
  })
}

describe('the heartbeat of a client that only listens', () => {
  it(
    'pings too, so that the server hears of it',
    marbles(({ expectObservable, flush }) => {
      const { heart, wire, expectNoLeaks } = pairOf({})
      expectObservable(heart.beats(1_000, { window: 200 }).pipe(take(60))).toBe(expectBeats(60), BEATS)
      expectObservable(wire.up.kinds$.pipe(filter(kind => kind === 'P'))).toBe('26s P 25999ms P')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'is not fooled by its own pings: what counts as life is what comes in',
    marbles(({ expectObservable, flush }) => {
      const { heart, wire, server, expectNoLeaks } = pairOf({ down: { faults: '3500ms h' }, idleTimeoutMs: 30_000 })
      expectObservable(heart.beats(1_000).pipe(map(String), lost)).toBe('1s 0 999ms 1 999ms 2 55999ms (l|)', {
        0: '0',
        1: '1',
        2: '2',
        l: 'rpc_io_err yes',
      })
      expectObservable(wire.up.kinds$.pipe(filter(kind => kind === 'P'))).toBe('26s P 20999ms P')
      flush()
      assert.equal(server.stats().connections, 0)
      expectNoLeaks()
    }),
  )
})

const BEATS = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [String.fromCodePoint(0x100 + i), i]))

function expectBeats(count: number): string {
  const beats = Object.keys(BEATS).map(key => `999ms ${key}`)
  return `1ms ${beats.slice(0, -1).join(' ')} 999ms (${Object.keys(BEATS)[count - 1]}|)`
}
