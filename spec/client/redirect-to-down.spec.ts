/** A redirect to an address that the client takes for down: the server knows better. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { defer, filter, firstValueFrom, map } from 'rxjs'
import { connect } from '../../lib/node/index.ts'
import { Cluster, elsewhere, rustAddress, serveOurMember } from '../support/cluster.ts'
import { expectNoLeaks } from '../support/leaks.ts'

it('dials an address in its back-off at once when a server redirects a call there', async () => {
  const [a, b] = await Promise.all([serveOurMember('a'), serveOurMember('b')])
  const client = connect([a.address, b.address], {
    route: 'leader',
    shouldFailover: elsewhere,
    // The first try by itself comes within a day.
    backoffFirstMs: 86_400_000,
    backoffMaxMs: 86_400_000,
  })
  const cluster = client.use(Cluster)
  assert.equal((await firstValueFrom(cluster.lead(1))).server, 'a')
  const down = firstValueFrom(client.events$.pipe(filter(({ type }) => type === 'unreachable')))
  await a.crash()
  const served$ = defer(() => cluster.ask(2)).pipe(map(({ server }) => server))
  assert.equal(await firstValueFrom(served$), 'b')
  client.prewarm().subscribe({ error: () => {} })
  await down
  const again = await serveOurMember('a again', a.address)
  await firstValueFrom(b.control.follow(rustAddress(a.address)))
  const leaders = await firstValueFrom(cluster.lead(3))
  assert.equal(leaders.server, 'a again')
  await client.close()
  await b.crash()
  await again.crash()
  await expectNoLeaks()
})
