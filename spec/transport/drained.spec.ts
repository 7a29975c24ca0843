/**
 * Waiting for a link that is behind, with diagrams of when its bytes leave.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { map, type Observable, type Subscription, tap } from 'rxjs'
import { whenBelow } from '../../lib/transport/drained.ts'
import { LinkWriter } from '../../lib/transport/writer.ts'
import { marbles } from '../support/marbles.ts'
import { RecordingLink } from '../support/recording-link.ts'

/** A frame of `bytes` without message and blob. */
function write(writer: LinkWriter, bytes: number): void {
  const at = writer.begin(bytes)
  writer.encoded(new Uint8Array(0))
  writer.slab.fill(1, at, at + bytes)
  writer.end(new Uint8Array(0))
}

/** A link that says what it has unsent by `unsent$`, of what it was given by then, and drains whenever that becomes 0. */
function following(link: RecordingLink, writer: LinkWriter, unsent$: Observable<number>): Subscription {
  return unsent$.subscribe({
    next: unsent => {
      if (unsent > link.unsentBytes) {
        write(writer, 1)
        writer.flush()
      }
      link.unsentBytes = unsent
      if (unsent === 0) link.drained$.next()
    },
    error: assert.fail,
    complete: () => link.drained$.complete(),
  })
}

/** A link that took some bytes already, and its writer. */
function setUp(): { link: RecordingLink; writer: LinkWriter } {
  const link = new RecordingLink()
  const writer = new LinkWriter(link)
  write(writer, 1)
  writer.flush()
  return { link, writer }
}

const ready = map(() => 'r')

describe('whenBelow', () => {
  it(
    'emits at once, and completes, where so few bytes are unsent',
    marbles(({ expectObservable }) => {
      const { link, writer } = setUp()
      link.unsentBytes = 100
      expectObservable(whenBelow(writer, link, 100).pipe(ready)).toBe('(r|)')
    }),
  )

  it(
    'waits until the link has drained',
    marbles(({ hot, expectObservable }) => {
      const { link, writer } = setUp()
      const values = { a: 101, b: 60, c: 0 }
      following(link, writer, hot('  a--b--c---', values))
      const wait$ = whenBelow(writer, link, 100).pipe(ready)
      expectObservable(wait$, '-^').toBe('------(r|)')
    }),
  )

  it(
    'looks anew for each subscription',
    marbles(({ hot, expectObservable }) => {
      const { link, writer } = setUp()
      following(link, writer, hot('  a--c--a--c', { a: 101, c: 0 }))
      const wait$ = whenBelow(writer, link, 100).pipe(ready)
      expectObservable(wait$, '-^').toBe('   ---(r|)')
      expectObservable(wait$, '----^').toBe('----(r|)')
      expectObservable(wait$, '-------^').toBe('---------(r|)')
    }),
  )

  it(
    'lets those who wait go one after the other, as long as what each writes leaves room',
    marbles(({ hot, expectObservable }) => {
      const { link, writer } = setUp()
      link.onSend = bytes => {
        link.unsentBytes += bytes.length
      }
      following(link, writer, hot('  a--c--c--c', { a: 300, c: 0 }))
      const wait$ = whenBelow(writer, link, 100).pipe(
        ready,
        tap(() => write(writer, 60)),
      )
      expectObservable(wait$, '-^').toBe('---(r|)')
      expectObservable(wait$, '-^').toBe('---(r|)')
      expectObservable(wait$, '-^').toBe('------(r|)')
      expectObservable(wait$, '-^').toBe('------(r|)')
      expectObservable(wait$, '-^').toBe('---------(r|)')
    }),
  )

  it(
    'flushes what waits in the writer, and needs no drain of a link that takes it at once',
    marbles(({ expectObservable }) => {
      const { link, writer } = setUp()
      write(writer, 200)
      let emitted = false
      whenBelow(writer, link, 100).subscribe({ next: () => (emitted = true), error: assert.fail })
      assert.ok(emitted)
      assert.equal(link.sends.length, 2)
      expectObservable(whenBelow(writer, link, 100).pipe(ready)).toBe('(r|)')
    }),
  )

  it(
    'completes without a word where the link ends before',
    marbles(({ hot, expectObservable }) => {
      const { link, writer } = setUp()
      following(link, writer, hot('  a---|', { a: 101 }))
      expectObservable(whenBelow(writer, link, 100).pipe(ready), '-^').toBe('----|')
    }),
  )

  it(
    'lets go of the link when it is unsubscribed',
    marbles(({ hot, expectObservable, flush }) => {
      const { link, writer } = setUp()
      following(link, writer, hot('  a-----c', { a: 101, c: 0 }))
      expectObservable(whenBelow(writer, link, 100).pipe(ready), '-^-!').toBe('----')
      flush()
      assert.equal(link.drained$.observed, false)
    }),
  )

  it(
    'does not hang within a send of a link that is never behind',
    marbles(({ flush }) => {
      const { link, writer } = setUp()
      const order: string[] = []
      link.onSend = ({ length }) => {
        order.push(`${length} bytes left`)
        if (length > 1000) return
        whenBelow(writer, link, 1000).subscribe({ next: () => order.push('ready'), error: assert.fail })
      }
      const at = writer.begin(20)
      writer.slab.fill(1, at, at + 20)
      writer.end(new Uint8Array(50_000))
      writer.flush()
      flush()
      assert.deepEqual(order, ['20 bytes left', '50000 bytes left', 'ready'])
    }),
  )
})
