/**
 * Peers of version 1: what needs version 2 fails at once and says that it never ran, and the rest works.
 */
import assert from 'node:assert/strict'
import { firstValueFrom } from 'rxjs'
import { duplex, implement, service, stream, unary, upload } from '../../lib/node/index.ts'
import { follow } from '../support/arena.ts'
import { request } from '../support/raw-frames.ts'
import { RawCaller, withServer } from '../support/stage.ts'
import { offer, pack, unpack, upRequest } from '../support/v2-frames.ts'

const Lab = service('Lab', {
  echo: unary<unknown, unknown>(),
  down: stream<void, number>(),
  up: upload<void, number, number>(),
  both: duplex<void, number, number>(),
})
let ran = 0
const options = {
  services: [
    implement(Lab, {
      echo: input => input,
      down: () => {
        ran++
        return [1]
      },
      up: () => ++ran,
      both: () => {
        ran++
        return [1]
      },
    }),
  ],
}

withServer(
  'fails what needs version 2 at a server of version 1 with rpc_unsupported, never run, and nothing else',
  () => ({
    run: async stage => {
      ran = 0
      let subscribed = 0
      const items = {
        *[Symbol.iterator](): Generator<number> {
          subscribed++
          yield 1
        },
      }
      const client = stage.client()
      const lab = client.use(Lab)
      for (let round = 0; round < 2; round++) {
        const calls = [
          lab.down(),
          lab.up(undefined, items),
          lab.both(undefined, items),
          lab.echo(1, { headers: { a: 'b' } }),
        ]
        for (const call of calls.map(each => follow<unknown>(each)))
          await call.failsWith('rpc_unsupported', /version 2/, 'no')
        assert.equal(await firstValueFrom(lab.echo('x')), 'x')
      }
      assert.deepEqual([ran, subscribed], [0, 0])
      assert.equal(stage.server.stats().connections, 1)
    },
  }),
  { options: { ...options, version: 1 } },
)

withServer(
  'answers a client of version 1 that calls what is not unary with rpc_unsupported, and runs nothing',
  () => ({
    run: async stage => {
      ran = 0
      const client = stage.client({ version: 1 })
      for (const action of ['Lab.down', 'Lab.up', 'Lab.both']) {
        const call = follow(client.call({ action }))
        await call.over
        assert.match(call.error!.message, /rpc_unsupported/)
      }
      await follow(client.use(Lab).down()).failsWith('rpc_unsupported', /version 2/, 'no')
      const raw = new RawCaller(await stage.dial())
      raw.send(request({ action: 'Lab.down', seq: 1 }), request({ action: 'Lab.echo', seq: 2, msg: pack(7) }))
      assert.equal((await raw.terminal(1)).text, 'rpc_unsupported')
      assert.equal(unpack((await raw.terminal(2)).msg), 7)
      assert.equal(ran, 0)
    },
  }),
  { options },
)

withServer(
  'answers the offer of a newer client as a ping, and closes at its first frame of version 2',
  () => ({
    run: async stage => {
      const raw = new RawCaller(await stage.dial())
      raw.send(offer())
      const [pong] = await raw.got(1)
      assert.deepEqual([pong!.ver, pong!.kind, pong!.msg.length], [1, 0, 0])
      raw.send(upRequest(2))
      const end = await raw.peer.ended()
      assert.equal(end.how, 'finished')
    },
  }),
  { options: { ...options, version: 1 } },
)
