/** Times that are longer than a timer can be: they would fire at once. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { firstValueFrom, map, Subject, timer } from 'rxjs'
import { implement, service, stream, unary } from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { serve } from '../support/serve.ts'

const Slow = service('Slow', { answer: unary<void, string>(), items: stream<void, string>() })

/** Longer than the timer of an endless time, which fires after 1 ms. */
const A_WHILE_MS = 30

after(expectNoLeaks)

for (const ms of [Number.POSITIVE_INFINITY, 2 ** 31]) {
  it(`a server that is closed with a wait and a grace of ${ms} ms answers what runs`, async t => {
    const begun = new Subject<void>()
    const late = timer(A_WHILE_MS).pipe(map(() => 'late'))
    const run = () => {
      begun.next()
      return late
    }
    const { client, server } = await serve(t, { services: [implement(Slow, { answer: run, items: run })] })
    const slow = client.use(Slow)
    const both = [slow.answer(), slow.items()].map(call => {
      const running = firstValueFrom(begun)
      const answer = firstValueFrom(call)
      return { running, answer }
    })
    for (const { running } of both) await running
    const closing = server.close({ graceMs: ms, waitMs: ms })
    for (const { answer } of both) assert.equal(await answer, 'late')
    await closing
  })

  it(`a client may take its time to say who it is where authTimeoutMs is ${ms}`, async t => {
    const { client } = await serve(t, {
      services: [implement(Slow, { answer: () => 'there', items: () => [] })],
      authTimeoutMs: ms,
      authenticate: () => firstValueFrom(timer(A_WHILE_MS)),
    })
    assert.equal(await firstValueFrom(client.use(Slow).answer()), 'there')
  })
}
