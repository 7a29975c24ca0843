/**
 * A call is an ordinary cold Observable: each subscription sends it once, and RxJS means what it means everywhere.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  concat,
  defer,
  firstValueFrom,
  forkJoin,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  repeat,
  retry,
  Subject,
  shareReplay,
  switchMap,
  take,
  takeUntil,
  toArray,
} from 'rxjs'
import { Call, type HandlerAnswer, implement, service, unary } from '../../lib/node/index.ts'
import { failure, type Served, serve } from '../support/serve.ts'

const Counter = service('Counter', { next: unary<number, number>({ idempotent: true }) })

/** A server that counts how often it was called. */
async function counting(
  t: TestContext,
  answer: (input: number, calls: number) => HandlerAnswer<number>,
  listenAt?: string,
): Promise<Served & { readonly calls: () => number; readonly next: (input: number) => Call<number> }> {
  let calls = 0
  const served = await serve(t, {
    ...(listenAt === undefined ? {} : { listenAt }),
    services: [implement(Counter, { next: input => answer(input, ++calls) })],
  })
  return { ...served, calls: () => calls, next: served.client.use(Counter).next }
}

describe('a call', () => {
  it('sends nothing before it is subscribed to', async t => {
    const { next, calls, server } = await counting(t, n => n)
    const call = next(1)
    assert.ok(call instanceof Observable)
    assert.ok(call instanceof Call)
    assert.equal(server.stats().connections, 0)
    await firstValueFrom(next(2))
    assert.equal(calls(), 1)
  })

  it('emits its answer once and completes', async t => {
    const { next } = await counting(t, n => of(n, n + 1))
    assert.deepEqual(await lastValueFrom(next(3).pipe(toArray())), [3])
  })

  it('is sent once more by each subscription', async t => {
    const { next, calls } = await counting(t, (_, count) => count)
    const call = next(0)
    assert.equal(await firstValueFrom(call), 1)
    assert.equal(await firstValueFrom(call), 2)
    assert.deepEqual(await firstValueFrom(forkJoin([call, call])), [3, 4])
    assert.equal(calls(), 4)
  })

  it('is repeated by repeat, one after the other', async t => {
    const { next } = await counting(t, (_, count) => count)
    assert.deepEqual(await lastValueFrom(next(0).pipe(repeat(3), toArray())), [1, 2, 3])
  })

  it('is sent again by retry, until it succeeds or the tries are used up', async t => {
    const { next, calls } = await counting(t, (_, count) => {
      if (count % 3 !== 0) throw new Error('not yet')
      return count
    })
    assert.equal(await firstValueFrom(next(0).pipe(retry(2))), 3)
    assert.equal((await failure(next(0).pipe(retry(1)))).code, 'rpc_internal_err')
    assert.equal(calls(), 5)
  })

  it('is sent once for all who share it', async t => {
    const { next, calls } = await counting(t, (_, count) => count)
    const shared = next(0).pipe(shareReplay(1))
    assert.deepEqual(await firstValueFrom(forkJoin([shared, shared])), [1, 1])
    assert.equal(await firstValueFrom(shared), 1)
    assert.equal(calls(), 1)
  })

  it('runs beside others under mergeMap, whatever order their answers come in', async t => {
    const gate = new Subject<void>()
    const { next } = await counting(t, n => (n === 1 ? gate.pipe(map(() => n)) : defer(() => of(n))))
    const answers: number[] = []
    const all = range(1, 3).pipe(mergeMap(n => next(n)))
    await new Promise<void>((resolve, reject) => {
      all.subscribe({
        next: n => {
          answers.push(n)
          if (answers.length === 2) gate.next()
        },
        error: reject,
        complete: resolve,
      })
    })
    assert.deepEqual(answers, [2, 3, 1])
  })

  it('given up by switchMap says nothing any more', async t => {
    const held = new Subject<number>()
    const { next } = await counting(t, n => (n === 1 ? held : n))
    const inputs = new Subject<number>()
    const answers: number[] = []
    const done = new Promise<void>((resolve, reject) => {
      inputs.pipe(switchMap(n => next(n))).subscribe({ next: n => answers.push(n), error: reject, complete: resolve })
    })
    inputs.next(1)
    inputs.next(2)
    held.next(1)
    inputs.complete()
    await done
    assert.deepEqual(answers, [2])
  })

  it('that is unsubscribed neither emits, nor completes, nor errors; the connection goes on', async t => {
    for (const listenAt of [undefined, 'tcp://127.0.0.1:0']) {
      const answer = new Subject<number>()
      const began = new Subject<void>()
      const { next } = await counting(
        t,
        n => {
          if (n !== 1) return n
          began.next()
          return answer
        },
        listenAt,
      )
      const heard: unknown[] = []
      const running = firstValueFrom(began)
      const subscription = next(1).subscribe({
        next: n => heard.push(n),
        error: error => heard.push(error),
        complete: () => heard.push('complete'),
      })
      await running
      subscription.unsubscribe()
      answer.next(1)
      assert.equal(await firstValueFrom(next(2)), 2)
      assert.deepEqual(heard, [])
    }
  })

  it('ends with take, takeUntil and first as every Observable does', async t => {
    const { next, calls } = await counting(t, (n, count) => (n === 1 ? NEVER : count))
    assert.deepEqual(await lastValueFrom(next(0).pipe(repeat(), take(3), toArray())), [1, 2, 3])
    const stop = new Subject<void>()
    const stopped = lastValueFrom(next(1).pipe(takeUntil(stop), toArray()))
    stop.next()
    assert.deepEqual(await stopped, [])
    assert.ok(calls() <= 5, `${calls()} calls`)
  })

  it('is one value among others in concat and combine', async t => {
    const { next } = await counting(t, n => n * 2)
    assert.deepEqual(await lastValueFrom(concat(next(1), of(0), next(2)).pipe(toArray())), [2, 0, 4])
  })

  it('piped through nothing is itself', async t => {
    const { next } = await counting(t, n => n)
    const call = next(1)
    assert.equal(call.pipe(), call)
  })
})
