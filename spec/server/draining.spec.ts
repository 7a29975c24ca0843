/** A server that takes its leave: GOAWAY, what still runs, and the end; all of it in virtual time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catchError, concatMap, delay, filter, finalize, interval, last, map, NEVER, of, take, tap, timer } from 'rxjs'
import { implement, RpcError, service, stream, unary, upload } from '../../lib/index.ts'
import { type LinkedPairOptions, linkedPair } from '../../lib/testing/index.ts'
import { marbles } from '../support/marbles.ts'
import { DOWN, downs, offer, upHeaders, upHello, upRequest } from '../support/v2-frames.ts'
import { virtually } from '../support/virtual.ts'

const Job = service('Job', {
  after: unary<number, string>(),
  ticks: stream<number, number>(),
  last: upload<void, number, number>(),
})

function jobOf(options: LinkedPairOptions = {}) {
  const seen: string[] = []
  const job = implement(Job, {
    after: ms => {
      seen.push(`after ${ms}`)
      return timer(ms).pipe(map(() => `after ${ms}`))
    },
    ticks: ms => interval(ms).pipe(finalize(() => seen.push('torn down'))),
    last: (_, { items$ }) => items$.pipe(last()),
  })
  const pair = linkedPair({ services: [job], lingerMs: Number.POSITIVE_INFINITY, ...options })
  const closeAt = (ms: number, how?: { graceMs?: number; waitMs?: number }): void => {
    timer(ms).subscribe({ next: () => void pair.server.close(how), error: assert.fail })
  }
  return { ...pair, job: pair.client.use(Job), seen, closeAt }
}

const outcome = catchError(error => of(`${RpcError.from(error).code} ${RpcError.from(error).executed}`))
const way = { latencyMs: 10 }

describe('a server that drains', () => {
  it(
    'answers what it took, in full; what it was sent after that never runs, and its callers know (13)',
    marbles(({ expectObservable, flush }) => {
      const { job, seen, wire, closeAt, expectNoLeaks } = jobOf({ up: way, down: way })
      expectObservable(job.after(200)).toBe('240ms (a|)', { a: 'after 200' })
      expectObservable(timer(95).pipe(concatMap(() => job.after(1).pipe(outcome)))).toBe('110ms (d|)', {
        d: 'rpc_draining no',
      })
      expectObservable(timer(105).pipe(concatMap(() => job.after(2).pipe(outcome)))).toBe('110ms (d|)', {
        d: 'rpc_draining no',
      })
      closeAt(100)
      expectObservable(wire.down.texts$.pipe(filter(text => /GOAWAY|DONE|notice/.test(text)))).toBe(
        '100ms g 129ms (db)',
        { g: 'GOAWAY 2', d: 'DONE 2', b: 'notice rpc_draining' },
      )
      flush()
      assert.deepEqual(seen, ['after 200'])
      expectNoLeaks()
    }),
  )

  it(
    'lets an endless stream go on for graceMs, then cancels it, and the client closes (14)',
    marbles(({ expectObservable, flush }) => {
      const { job, seen, wire, server, closeAt, expectNoLeaks } = jobOf()
      expectObservable(job.ticks(40).pipe(outcome)).toBe('40ms 0 39ms 1 39ms 2 29ms (c|)', {
        0: 0,
        1: 1,
        2: 2,
        c: 'rpc_canceled yes',
      })
      closeAt(100, { graceMs: 50 })
      expectObservable(wire.down.texts$.pipe(filter(text => /GOAWAY|ERROR/.test(text)))).toBe('100ms g 49ms e', {
        g: 'GOAWAY 2',
        e: 'ERROR 2 rpc_canceled: the server is draining',
      })
      flush()
      assert.deepEqual([seen, server.stats().connections], [['torn down'], 0])
      expectNoLeaks()
    }),
  )

  it(
    'throws away what a canceled stream has queued behind its credit',
    marbles(({ expectObservable, flush }) => {
      const { job, closeAt, expectNoLeaks } = jobOf()
      const held$ = job.ticks(40, { window: 1 }).paced(items$ => items$)
      expectObservable(held$.pipe(outcome)).toBe('40ms 0 49ms (c|)', { 0: 0, c: 'rpc_canceled yes' })
      closeAt(50, { graceMs: 40 })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'waits for unary calls and uploads longer than for streams, up to waitMs in all',
    marbles(({ expectObservable, flush }) => {
      const { job, closeAt, expectNoLeaks } = jobOf()
      expectObservable(job.after(400)).toBe('400ms (a|)', { a: 'after 400' })
      expectObservable(job.last(undefined, timer(0, 100).pipe(take(4), tap({ error: assert.fail })))).toBe(
        '300ms (3|)',
        { 3: 3 },
      )
      expectObservable(job.after(900).pipe(outcome)).toBe('600ms (c|)', { c: 'rpc_io_err maybe' })
      closeAt(100, { graceMs: 50, waitMs: 500 })
      flush()
      expectNoLeaks()
    }),
  )

  it(
    'reads no further call of a client of version 1, answers what runs, and closes with a notice',
    marbles(({ expectObservable, flush }) => {
      const { job, seen, wire, closeAt, expectNoLeaks } = jobOf({ client: { version: 1 } })
      expectObservable(job.after(200)).toBe('200ms (a|)', { a: 'after 200' })
      expectObservable(
        of(1).pipe(
          delay(120),
          concatMap(() => job.after(1).pipe(outcome)),
        ),
      ).toBe('200ms (c|)', {
        c: 'rpc_io_err maybe',
      })
      closeAt(100)
      expectObservable(wire.down.texts$).toBe('200ms (db)', { d: 'v1 DONE 1', b: 'notice rpc_draining' })
      flush()
      assert.deepEqual(seen, ['after 200'])
      expectNoLeaks()
    }),
  )

  it(
    'has nothing to wait for where nothing runs',
    marbles(({ expectObservable, flush }) => {
      const { job, server, wire, closeAt, expectNoLeaks } = jobOf()
      expectObservable(job.after(5)).toBe('-----(a|)', { a: 'after 5' })
      closeAt(50)
      expectObservable(timer(51).pipe(map(() => server.stats().connections))).toBe('51ms (0|)', { 0: 0 })
      expectObservable(timer(60).pipe(concatMap(() => job.after(1).pipe(outcome)))).toBe('60ms (c|)', {
        c: 'rpc_unreachable no',
      })
      expectObservable(wire.down.kinds$).toBe('(oh)-d 44ms g')
      flush()
      expectNoLeaks()
    }),
  )
})

describe('headers whose request has not come when the server drains', () => {
  for (const running of [false, true]) {
    it(
      `are of a call that it has not taken, where ${running ? 'another call' : 'nothing'} runs`,
      virtually(world => {
        const { address, server, lab } = world.server()
        const peer = world.rawClient(address)
        peer.send(offer(), upHello())
        if (running) peer.send(upRequest(2, { action: 'Lab.never' }))
        world.at(100, () => peer.send(upHeaders(5, { a: 'b' })))
        world.at(200, () => void server.close({ waitMs: 1_000 }))
        world.at(300, () => peer.send(upRequest(5, { action: 'Lab.echo' }), offer(6)))
        world.end(2_000)
        return () => {
          const away = downs(peer.received).filter(frame => frame.ver === 2 && frame.kind === DOWN.goAway)
          assert.deepEqual(
            away.map(frame => frame.seq),
            [running ? 2 : 1],
          )
          assert.deepEqual(lab.ran, running ? ['Lab.never'] : [])
          const answered = downs(peer.received).map(({ seq }) => seq)
          assert.deepEqual(answered, running ? [1, 0, 2, 6, 0] : [1, 0, 1, 0])
        }
      }),
    )
  }
})

it('a client of a server that never ends is not held up by a handler that never ends', () => {
  marbles(({ expectObservable, flush }) => {
    const never = implement(Job, { after: () => NEVER, ticks: () => NEVER, last: () => NEVER })
    const { client, server, expectNoLeaks } = linkedPair({ services: [never], lingerMs: Number.POSITIVE_INFINITY })
    const job = client.use(Job)
    expectObservable(job.after(1).pipe(outcome)).toBe('20s (c|)', { c: 'rpc_timeout maybe' })
    timer(100).subscribe({ next: () => void server.close(), error: assert.fail })
    flush()
    expectNoLeaks()
  })()
})
