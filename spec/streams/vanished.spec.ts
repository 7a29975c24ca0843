/** A client that is gone without a word: its process was killed, and its system finished the connection for it. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { it } from 'node:test'
import { NEVER, Observable } from 'rxjs'
import { RpcServer } from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { until } from '../support/stage.ts'
import { offer, upHello, upRequest } from '../support/v2-frames.ts'

it('is found out by the next tick, though its silent streams never write', async () => {
  let live = 0
  const silent = (): Observable<never> =>
    new Observable<never>(out => {
      live++
      out.add(() => live--)
      return NEVER.subscribe(out)
    })
  const server = new RpcServer({ tickMs: 50, dispatch: silent })
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const port = Number(address.split(':').at(-1))
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opened = connect(port, '127.0.0.1', () => resolve(opened)).on('error', reject)
  })
  const answered = new Promise(resolve => socket.once('data', resolve))
  socket.write(offer())
  await answered
  const helloed = new Promise(resolve => socket.once('data', resolve))
  socket.write(upHello())
  await helloed
  for (const seq of [2, 3]) socket.write(upRequest(seq, { action: 'S.silent', window: seq === 2 ? 4 : 0 }))
  await until(() => live === 2)

  socket.destroy()
  await until(() => live === 0)
  await until(() => server.stats().connections === 0)
  assert.equal(server.stats().calls, 0)
  await server.close()
  await expectNoLeaks()
})
