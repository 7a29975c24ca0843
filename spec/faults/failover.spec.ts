/**
 * Two servers, of which one is killed amid thousands of calls: what its clients notice, by the books of both servers.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { catchError, lastValueFrom, map, mergeMap, type Observable, of, range, toArray } from 'rxjs'
import { connect, type FailoverConnectOptions, RpcError } from '../../lib/node/index.ts'
import { Chaos, message } from '../support/chaos/contract.ts'
import { readLedger } from '../support/chaos/ledger.ts'
import { type Child, startNode } from '../support/child.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { until } from '../support/stage.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SERVER = 'spec/support/chaos/server-process.ts'
const AT_ONCE = 64
const FIRST = 5_000
const THEN = 10_000
const PAUSE_MS = 2
/** So long are those handlers busy amid which a server is killed: by far longer than it takes to see one start. */
const LONG_MS = 1_000

/** A server that is a process, and its book. */
class Server {
  readonly address: string
  readonly #child: Child
  readonly #path: string

  private constructor(address: string, child: Child, path: string) {
    this.address = address
    this.#child = child
    this.#path = path
  }

  static async start(folder: string, name: string): Promise<Server> {
    const path = join(folder, name)
    const child = startNode(ROOT, '--import', 'tsx', SERVER, path, 'tcp://127.0.0.1:0')
    const [, address] = await child.until(/serving at (\S+)\n/)
    return new Server(address!, child, path)
  }

  kill(): void {
    this.#child.signal('SIGKILL')
  }

  get ended(): Promise<unknown> {
    return this.#child.ended
  }

  /** The calls whose handlers were started, in order. */
  get started(): number[] {
    return readLedger(this.#path).flatMap(entry => (entry.what === 'started' ? [entry.id] : []))
  }
}

/** How the calls ended, and how often each was run. */
interface Told {
  readonly ok: ReadonlySet<number>
  readonly failed: ReadonlyMap<number, RpcError>
  readonly runs: ReadonlyMap<number, number>
  readonly retries: number
}

type Ended = readonly [id: number, error?: RpcError]

/** 5,000 calls, one of two servers killed halfway while it runs some of them, and 10,000 more. */
async function killed(t: TestContext, method: 'read' | 'once', options: FailoverConnectOptions): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'razor-failover-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const servers = await Promise.all(['a', 'b'].map(name => Server.start(folder, name)))
  t.after(() => {
    for (const server of servers) server.kill()
  })
  const client = connect(
    servers.map(({ address }) => address),
    options,
  )
  const chaos = client.use(Chaos)
  const isLong = (id: number): boolean => id > FIRST / 2 && id <= FIRST / 2 + AT_ONCE
  const one = (id: number, pauseMs: number): Observable<Ended> =>
    chaos[method]({ ...message(id, 0, ''), count: 1, pauseMs: isLong(id) ? LONG_MS : pauseMs, fails: false }).pipe(
      map((answer): Ended => {
        assert.equal(answer.id, id)
        return [id]
      }),
      catchError((error: unknown) => of<Ended>([id, RpcError.from(error)])),
    )
  const all = (from: number, count: number, pauseMs: number): Promise<Ended[]> =>
    lastValueFrom(
      range(from, count).pipe(
        mergeMap(id => one(id, pauseMs), AT_ONCE),
        toArray(),
      ),
    )
  const [doomed] = servers
  const running = all(1, FIRST, PAUSE_MS)
  await until(() => doomed!.started.some(isLong), 'a long call at the server that is to die')
  doomed!.kill()
  const first = await running
  await doomed!.ended
  const then = await all(FIRST + 1, THEN, 0)
  const { retries } = client.stats()
  await client.close()
  for (const server of servers) server.kill()
  await Promise.all(servers.map(({ ended }) => ended))
  const runs = new Map<number, number>()
  for (const id of servers.flatMap(({ started }) => started)) runs.set(id, (runs.get(id) ?? 0) + 1)
  const ends = [...first, ...then]
  assert.equal(ends.length, FIRST + THEN)
  await expectNoLeaks()
  return {
    ok: new Set(ends.flatMap(([id, error]) => (error === undefined ? [id] : []))),
    failed: new Map(ends.flatMap(([id, error]) => (error === undefined ? [] : [[id, error]]))),
    runs,
    retries,
  }
}

describe('a server that is killed amid the calls of two', () => {
  it('costs no call that may run twice', { timeout: 60_000 }, async t => {
    const { ok, failed, runs, retries } = await killed(t, 'read', {})
    assert.deepEqual([...failed.values()].map(String), [])
    assert.equal(ok.size, FIRST + THEN)
    assert.ok(retries > 0, 'some were under way when it was killed')
    for (const id of ok) assert.ok(runs.get(id)! >= 1, `call ${id} was answered, and ran`)
  })

  it('fails those that it may have run, says so, and none of all runs twice', { timeout: 60_000 }, async t => {
    const { ok, failed, runs } = await killed(t, 'once', {})
    assert.ok(failed.size > 0 && failed.size <= AT_ONCE, `${failed.size} failed`)
    for (const [id, { code, executed }] of failed) {
      assert.ok(id <= FIRST, `call ${id} came after the server was gone`)
      assert.deepEqual([code, executed], ['rpc_io_err', 'maybe'])
    }
    for (const [id, count] of runs) assert.equal(count, 1, `call ${id} ran ${count} times`)
    for (const id of ok) assert.equal(runs.get(id), 1, `call ${id} was answered, and ran`)
  })

  it('has calls run twice by the rule razor: the books would show it', { timeout: 60_000 }, async t => {
    const { failed, runs } = await killed(t, 'once', { retry: 'razor' })
    assert.equal(failed.size, 0)
    const twice = [...runs.values()].filter(count => count > 1).length
    assert.ok(twice > 0 && twice <= AT_ONCE, `${twice} ran twice`)
  })
})
