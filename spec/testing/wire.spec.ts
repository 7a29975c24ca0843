/** What the wire of a linked pair shows: letters for diagrams, lines for people, credit and slots by the frames alone. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concatMap, delay, ignoreElements, last, map, NEVER, of, take, takeUntil, timer } from 'rxjs'
import {
  CallRefused,
  catchUserError,
  duplex,
  implement,
  pacedMap,
  service,
  stream,
  unary,
  upload,
} from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'

const Lab = service('Lab', {
  echo: unary<string, string>(),
  errno: unary<void, void, number>({ errors: 'errno' }),
  never: unary(),
  count: stream<number, number>(),
  blobs: stream<number, Uint8Array>(),
  take: upload<number, number, number>({ window: 2 }),
  double: duplex<void, number, number>(),
})

const lab = implement(Lab, {
  echo: text => text,
  errno: (_, { fail }) => {
    throw fail(13)
  },
  never: () => NEVER,
  count: function* (n) {
    for (let i = 0; i < n; i++) yield i
  },
  blobs: size => [new Uint8Array(size), new Uint8Array(size)],
  take: (n, { items$ }) => items$.pipe(take(n), last(), delay(1)),
  double: (_, { items$ }) => items$.pipe(map(item => 2 * item)),
})

function labOf(options: LinkedPairOptions = {}) {
  const pair = linkedPair({ services: [lab], ...options })
  return { ...pair, lab: pair.client.use(Lab) }
}

/** The lines of the whole wire, without the times. */
const lines = (wire: unknown): string[] =>
  String(wire)
    .split('\n')
    .map(line => line.slice(9))

describe('the wire', () => {
  it(
    'tells each frame of a call in a line',
    marbles(({ flush }) => {
      const { lab, wire, expectNoLeaks } = labOf()
      const fails = { error: assert.fail }
      lab.echo('e', { headers: { a: 'b' } }).subscribe(fails)
      lab.count(5, { window: 4, timeoutMs: 9_000 }).subscribe(fails)
      lab
        .errno(undefined, { timeoutMs: 5_000 })
        .pipe(catchUserError(() => of(0)))
        .subscribe(fails)
      flush()
      assert.deepEqual(lines(wire), [
        '-> offer 1 of version 2',
        '<- pong 1 of version 2',
        '-> HELLO',
        '-> HEADERS 2',
        '-> REQUEST 2 Lab.echo timeout=20000',
        '-> REQUEST 3 Lab.errno timeout=5000',
        '-> REQUEST 4 Lab.count window=4 timeout=9000',
        '<- HELLO',
        '<- DONE 2',
        '<- ERRNO 3 13',
        '<- NEXT 4',
        '<- NEXT 4',
        '<- NEXT 4',
        '<- NEXT 4',
        '-> CREDIT 4 +4@2',
        '-> CREDIT 4 +4@4',
        '<- NEXT 4',
        '<- DONE 4',
      ])
      expectNoLeaks()
    }),
  )

  it(
    'tells the frames of items that go up, and who had enough of them',
    marbles(({ flush }) => {
      const { lab, wire, expectNoLeaks } = labOf()
      lab.take(3, timer(1, 1)).subscribe({ error: assert.fail })
      flush()
      assert.deepEqual(lines(wire).slice(4), [
        '<- HELLO',
        '<- CREDIT 2 +2@0',
        '-> NEXT 2',
        '<- CREDIT 2 +2@1',
        '-> NEXT 2',
        '<- CREDIT 2 +2@2',
        '-> NEXT 2',
        '<- CANCEL 2',
        '<- DONE 2',
      ])
      expectNoLeaks()
    }),
  )

  it(
    'has a letter for each frame, capital on the way up',
    marbles(({ expectObservable, flush }) => {
      const { lab, wire, client, server, expectNoLeaks } = labOf()
      expectObservable(lab.double(undefined, timer(7, 5).pipe(take(2)))).toBe('-------0----(2|)', { 0: 0, 2: 2 })
      expectObservable(lab.never().pipe(takeUntil(timer(20)))).toBe('20ms |')
      expectObservable(timer(25).pipe(concatMap(() => client.ping()))).toBe('25ms |')
      timer(30).subscribe({ next: () => void server.close(), error: assert.fail })
      expectObservable(wire.up.kinds$).toBe('(OHRR)-N----(ND)----X----P')
      expectObservable(wire.down.kinds$).toBe('(ohc)--n----(nd)----e----p----g')
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'shows a view of the frames that arrive, beside that of those that are sent',
    marbles(({ expectObservable }) => {
      const { lab, wire } = labOf({ client: { version: 1 }, up: { latencyMs: 3 }, down: { latencyMs: 4 } })
      lab.echo('e').subscribe({ error: assert.fail })
      expectObservable(wire.kinds$).toBe('R--d')
      expectObservable(wire.arrived.kinds$).toBe('---R---d')
      expectObservable(wire.arrived.frames$.pipe(map(({ at, action, seq }) => `${seq} ${action} ${at}`))).toBe(
        '---a---b',
        { a: '1 Lab.echo 3', b: '1 Lab.echo 7' },
      )
    }),
  )

  it(
    'knows the credit of a live call as its sender does, and its slot until the last answer has arrived',
    marbles(({ expectObservable, cold, flush }) => {
      const { lab, wire, expectNoLeaks } = labOf({
        client: { version: 2 },
        up: { latencyMs: 2 },
        down: { latencyMs: 1 },
      })
      const items$ = lab.count(6, { window: 4 }).pipe(pacedMap(() => cold('10ms |')))
      expectObservable(items$.pipe(ignoreElements())).toBe('66ms |')
      const seen$ = cold('----a-----b 16ms c 24ms d').pipe(map(() => wire.call('Lab.count')?.credit.down))
      // Asked for at 3, there at 5; four items are sent. Two are done with at 26: at 28 the last two are sent; the end, when more is asked for at 48.
      expectObservable(seen$).toBe('----a-----b 16ms c 24ms d', { a: 4, b: 0, c: 0, d: undefined })
      flush()
      assert.deepEqual(wire.calls, [])
      expectNoLeaks()
    }),
  )

  it(
    'counts what a large item costs, which may be more than there was',
    marbles(({ flush }) => {
      const { lab, wire } = labOf()
      lab
        .blobs(40_000, { window: 1 })
        .pipe(pacedMap(() => of(0).pipe(delay(5))))
        .subscribe({ error: assert.fail })
      const seen: (number | undefined)[] = []
      timer(1).subscribe({ next: () => seen.push(wire.call(2)?.credit.down), error: assert.fail })
      flush()
      assert.deepEqual(seen, [-2])
      assert.deepEqual(lines(wire).slice(5), [
        '<- NEXT 2 cost=3',
        '-> CREDIT 2 +1@3',
        '<- NEXT 2 cost=3',
        '-> CREDIT 2 +1@6',
        '<- DONE 2',
      ])
    }),
  )

  it(
    'says which item was sent without credit',
    marbles(({ cold, flush }) => {
      const item = Uint8Array.of(0x25, 0x4d, 2, 3, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0)
      const { lab, wire } = labOf({ down: { faults: cold('-----a', { a: item }) } })
      lab
        .count(9, { window: 1 })
        .pipe(pacedMap(() => NEVER))
        .subscribe({ error: () => {} })
      flush()
      assert.deepEqual(lines(wire).slice(4, 7), ['<- HELLO', '<- NEXT 2', '<- NEXT 2 without credit'])
    }),
  )

  it(
    'keeps refused calls apart from handlers that failed',
    marbles(({ flush }) => {
      const { client, wire } = labOf({
        dispatch: () => {
          throw new CallRefused('rpc_busy', 'not today')
        },
      })
      client.call({ action: 7 }).subscribe({ error: () => {} })
      flush()
      assert.deepEqual(lines(wire).slice(-2), ['<- HELLO', '<- ERROR 2 rpc_busy: not today'])
    }),
  )
})
