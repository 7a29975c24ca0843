/** A client that has finished its direction, and then is gone: only writing to it tells. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { it } from 'node:test'
import { filter, firstValueFrom, Observable, Subject, type Subscriber } from 'rxjs'
import { parseTcp } from '../../lib/node/addresses.ts'
import { RpcServer, tcpListener } from '../../lib/node/index.ts'
import { NOTHING_LEFT } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { vectors } from '../support/vectors.ts'

it('stops the handlers of a client that is reset behind its end (A24)', { timeout: 10_000 }, async () => {
  const callers: Subscriber<number>[] = []
  const changed = new Subject<void>()
  const server = new RpcServer({
    dispatch: () =>
      new Observable<number>(caller => {
        callers.push(caller)
        changed.next()
        return () => changed.next()
      }),
  })
  const { address } = await server.listen(tcpListener('tcp://127.0.0.1:0'))
  const client = connect({ ...parseTcp(address), allowHalfOpen: true })
  await once(client, 'connect')
  const started = firstValueFrom(changed.pipe(filter(() => callers.length === 3)))
  client.end(Buffer.concat(vectors.slice(0, 3).map(({ request }) => request)))
  await started
  callers[0]!.next(1)
  await once(client, 'data')
  client.resetAndDestroy()
  await once(client, 'close')
  const stopped = firstValueFrom(changed.pipe(filter(() => callers[2]!.closed)))
  callers[1]!.next(2)
  await stopped
  assert.deepEqual(server.stats(), NOTHING_LEFT)
  await server.close()
  await expectNoLeaks()
})
