/** Times that are longer than a timer can be: they would fire at once. */
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { firstValueFrom, map, Subject, timer } from 'rxjs'
import { connect, Gateway, implement, service, stream, unary } from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { serve } from '../support/serve.ts'

const Slow = service('Slow', { answer: unary<void, string>(), items: stream<void, string>() })

/** Longer than the timer of an endless time, which fires after 1 ms. */
const A_WHILE_MS = 30

after(expectNoLeaks)

/** A handler that takes a while, and says that it has begun. */
function lateAnswers() {
  const begun = new Subject<void>()
  const run = () => {
    begun.next()
    return timer(A_WHILE_MS).pipe(map(() => 'late'))
  }
  return { begun, run }
}

for (const ms of [Number.POSITIVE_INFINITY, 2 ** 31]) {
  it(`a server that is closed with a wait and a grace of ${ms} ms answers what runs`, async t => {
    const { begun, run } = lateAnswers()
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

  it(`a client that is closed with a wait of ${ms} ms, over a link that may take as long to open, gets its answer`, async t => {
    const { begun, run } = lateAnswers()
    const { client } = await serve(t, {
      services: [implement(Slow, { answer: run, items: () => [] })],
      listenAt: 'tcp://127.0.0.1:0',
      client: { connectTimeoutMs: ms },
    })
    const running = firstValueFrom(begun)
    const answer = firstValueFrom(client.use(Slow).answer())
    await running
    const closing = client.close({ waitMs: ms })
    assert.equal(await answer, 'late')
    await closing
  })

  it(`a gateway that is closed with a wait of ${ms} ms, and may dial as long, lets a call be answered`, async t => {
    const { begun, run } = lateAnswers()
    const { address } = await serve(t, {
      services: [implement(Slow, { answer: run, items: () => [] })],
      listenAt: 'tcp://127.0.0.1:0',
    })
    const gateway = new Gateway({ targets: address, connectTimeoutMs: ms })
    const front = await gateway.listen('ws://127.0.0.1:0')
    const client = connect(front.address)
    t.after(() => gateway.close({ waitMs: 0 }))
    t.after(() => client.close({ waitMs: 0 }))
    const running = firstValueFrom(begun)
    const answer = firstValueFrom(client.use(Slow).answer())
    await Promise.race([running, answer])
    const closing = gateway.close({ waitMs: ms })
    assert.equal(await answer, 'late')
    await client.close()
    await closing
  })
}
