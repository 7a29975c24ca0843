/**
 * A handler that takes its time before it asks for the items of its caller.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { firstValueFrom, NEVER, ReplaySubject, Subject } from 'rxjs'
import { implement, RpcError, service, upload } from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { serve } from '../support/serve.ts'

const Slow = service('Slow', { keep: upload<void, number, void>() })

describe('a handler that asks for the items of an upload after the call is over', { timeout: 10_000 }, () => {
  after(expectNoLeaks)

  for (const listenAt of ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0', 'memory:late-items']) {
    it(`is told that it is over, at ${listenAt}`, async t => {
      const begun = new Subject<void>()
      const ended = new ReplaySubject<unknown>(1)
      const slow = implement(Slow, {
        keep: async (_, { items$, signal }) => {
          begun.next()
          await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
          // Turns later, as after opening a file.
          for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
          try {
            for await (const item of items$) ended.next(item)
            ended.next('complete')
          } catch (error) {
            ended.next(error)
          }
        },
      })
      const { client, server } = await serve(t, { listenAt, services: [slow] })
      const running = firstValueFrom(begun)
      const call = client.use(Slow).keep(undefined, NEVER).subscribe({ error: assert.fail })
      await running
      call.unsubscribe()
      const error = await firstValueFrom(ended)
      assert.ok(RpcError.is(error, 'rpc_canceled'), String(error))
      await client.close({ waitMs: 0 })
      await server.close({ waitMs: 0 })
    })
  }
})
