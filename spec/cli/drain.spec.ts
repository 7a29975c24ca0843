/** `razor serve` and SIGTERM, with processes: under load a server is replaced, then the other one goes, and no caller notices. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BehaviorSubject, filter, firstValueFrom } from 'rxjs'
import { type Client, connect, RpcError } from '../../lib/node/index.ts'
import { turn } from '../support/arena.ts'
import { type Child, startNode } from '../support/child.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { SOCKETS } from '../support/transports.ts'
import { Once } from './fixture-once.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const MODULE = fileURLToPath(new URL('./fixture-once.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'razor-drain-'))

after(async () => {
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

interface Served {
  readonly process: Child
  readonly address: string
}

async function serve(listenAt: string): Promise<Served> {
  const words = ['--import', 'tsx', 'lib/cli/main.ts', 'serve', '--listen', listenAt, '--module', MODULE]
  const process = startNode(ROOT, ...words)
  const [, address = ''] = await process.until(/^listening at (\S+)\n[^$]*Ctrl-C/)
  return { process, address }
}

/** Makes a call at one of the servers: at the next one, as long as it is refused without having run. */
async function call(clients: readonly Client[], id: number, file: string): Promise<number> {
  for (let tries = 0; ; tries++) {
    const client = clients[(id + tries) % clients.length]!
    try {
      return await firstValueFrom(client.use(Once).run({ id, file }))
    } catch (error) {
      if (!RpcError.is(error) || error.executed !== 'no' || tries === 10) throw error
    }
  }
}

describe('razor serve at SIGTERM', () => {
  for (const transport of SOCKETS) {
    it(`fails no call where there is a second server, over ${transport.name}`, { timeout: 60_000 }, async () => {
      const file = join(folder, transport.name)
      const servers = [await serve(transport.listenAt()), await serve(transport.listenAt())]
      const clients = servers.map(({ address }) => connect(address, { backoffFirstMs: 100, backoffMaxMs: 200 }))
      const answered$ = new BehaviorSubject(0)
      const answered = (count: number): Promise<number> => firstValueFrom(answered$.pipe(filter(n => n >= count)))
      let id = 0
      let stopped = false
      const work = async (): Promise<void> => {
        while (!stopped) {
          const mine = ++id
          assert.equal(await call(clients, mine, file), mine)
          answered$.next(answered$.value + 1)
          await turn()
        }
      }
      const load = Promise.all(Array.from({ length: 32 }, work))
      const failed = load.then(() => assert.fail('the load ended by itself'))
      const either = <T>(wanted: Promise<T>): Promise<T> => Promise.race([wanted, failed])
      const stop = async ({ process }: Served): Promise<void> => {
        await either(answered(answered$.value + 200))
        process.signal('SIGTERM')
        assert.equal((await either(process.ended)).code, 0)
        await either(answered(answered$.value + 200))
      }
      const [old, other] = servers as [Served, Served]
      await stop(old)
      const anew = await either(serve(old.address))
      // A client that knows an address to be down asks it again after a pause.
      await either(firstValueFrom(clients[0]!.status$.pipe(filter(({ state }) => state === 'ready'))))
      await stop(other)
      stopped = true
      await load
      await Promise.all(clients.map(client => client.close()))
      anew.process.signal('SIGTERM')
      assert.equal((await anew.process.ended).code, 0)
      const ran = readFileSync(file, 'utf8').trimEnd().split('\n').map(Number)
      assert.deepEqual([ran.length, new Set(ran).size], [id, id], 'a call ran twice, or never')
    })
  }
})
