/** Files on their way: how far they are, and what arrives. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asyncScheduler, concat, firstValueFrom, from, map, Observable, of, throwError, timer, toArray } from 'rxjs'
import { download, madeUp, Pieces, type Progress, pieces, upload } from '../../../../lib/cli/dashboard/page/transfer.ts'
import { marbles } from '../../../support/marbles.ts'

const MIB = 1024 * 1024

describe('a download', () => {
  it(
    'tells ten times a second how far it is, and at the end that it is done',
    marbles(({ cold, expectObservable }) => {
      const piece = new Uint8Array(500)
      const kept: Uint8Array[] = []
      const pieces$ = cold('150ms a 99ms a|', { a: piece })
      const work$ = download(1_000, pieces$, each => kept.push(each), asyncScheduler)
      const told = (bytes: number, bytesPerSecond: number, isDone = false): Progress => ({
        bytes,
        totalBytes: 1_000,
        bytesPerSecond,
        isDone,
      })
      expectObservable(work$).toBe('a 99ms b 99ms c 50ms (d|)', {
        a: told(0, 0),
        b: told(0, 0),
        c: told(500, 2_500),
        d: told(1_000, 1_000 / 0.251, true),
      })
    }),
  )

  it(
    'that is unsubscribed lets go of its call',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const pieces$ = cold<Uint8Array>('------')
      expectObservable(
        download(9, pieces$, () => undefined, asyncScheduler),
        '^--!',
      ).toBe('a', {
        a: { bytes: 0, totalBytes: 9, bytesPerSecond: 0, isDone: false },
      })
      expectSubscriptions(pieces$.subscriptions).toBe('^--!')
    }),
  )

  it('fails as its call does', async () => {
    const work$ = download(
      9,
      concat(
        of(new Uint8Array(1)),
        throwError(() => new Error('gone')),
      ),
      () => undefined,
      asyncScheduler,
    )
    await assert.rejects(firstValueFrom(work$.pipe(toArray())), /gone/)
  })

  it('makes one file of many pieces', async () => {
    const all = new Pieces()
    for (let n = 0; n < 300; n++) all.add(new Uint8Array(64 * 1024).fill(n))
    const blob = all.blob()
    assert.equal(blob.size, 300 * 64 * 1024)
    const bytes = new Uint8Array(await blob.arrayBuffer())
    assert.deepEqual([bytes[0], bytes[64 * 1024], bytes.at(-1)], [0, 1, 299 % 256])
  })
})

describe('an upload', () => {
  it('reads a file in pieces of 64 KiB, and only when they are asked for', async () => {
    let read = 0
    const source = madeUp(3 * MIB + 10)
    const counted = {
      size: source.size,
      slice: (start: number, end: number) => {
        read++
        return source.slice(start, end)
      },
    }
    let passed = 0
    const taken = pieces(counted, bytes => {
      passed += bytes
    })
    const { value } = await taken.next()
    assert.equal(value?.length, 64 * 1024)
    assert.deepEqual([read, passed], [1, 0])
    let bytes = value!.length
    for await (const piece of taken) bytes += piece.length
    assert.deepEqual([bytes, passed, read], [source.size, source.size, 4])
  })

  it('is done when the server has stored all of it', async () => {
    const send = (items: AsyncIterable<Uint8Array>) =>
      from(items).pipe(
        toArray(),
        map(all => ({ bytes: all.reduce((sum, { length }) => sum + length, 0) })),
      )
    const told = await firstValueFrom(upload(madeUp(MIB), send, asyncScheduler).pipe(toArray()))
    assert.deepEqual([told[0]?.bytes, told.at(-1)?.bytes, told.at(-1)?.isDone], [0, MIB, true])
  })

  it('fails where the server has stored less', async () => {
    const work$ = upload(madeUp(100), () => timer(0).pipe(map(() => ({ bytes: 99 }))), asyncScheduler)
    await assert.rejects(firstValueFrom(work$.pipe(toArray())), /stored 99 of 100 bytes/)
  })

  it('lets go of its source when it is unsubscribed', async () => {
    let left = false
    const send = () =>
      new Observable<{ bytes: number }>(() => () => {
        left = true
      })
    upload(madeUp(10), send, asyncScheduler).subscribe({ error: assert.fail }).unsubscribe()
    assert.ok(left)
  })
})

describe('made-up bytes', () => {
  it('are the same each time, wherever they are cut at four', async () => {
    const all = new Uint8Array(await madeUp(1_000).slice(0, 1_000).arrayBuffer())
    const part = new Uint8Array(await madeUp(1_000).slice(400, 799).arrayBuffer())
    assert.deepEqual(part, all.slice(400, 799))
  })
})
