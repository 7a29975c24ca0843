/**
 * The link is cut at every place of a session: whatever was under way ends once, at both ends, and the next call dials again.
 * `RAZOR_CUT_STEP=1` cuts at every byte on every transport.
 */
import assert from 'node:assert/strict'
import { concat, defer, finalize, interval, map, type Observable, of, range, reduce, toArray } from 'rxjs'
import { type CallRequest, type ConnectOptions, connect, type Reply, RpcError } from '../../lib/node/index.ts'
import { follow, turn } from '../support/arena.ts'
import type { Incident } from '../support/chaos/faults.ts'
import { ChaosProxy } from '../support/chaos/proxy.ts'
import { type Handlers, type ServerStage, until, withServer } from '../support/stage.ts'
import { SOCKETS } from '../support/transports.ts'

let live = 0
/** Counts its subscriptions, which must all be torn down. */
const counted = <T>(source$: Observable<T>): Observable<T> =>
  defer(() => {
    live++
    return source$
  }).pipe(finalize(() => live--))

async function* counter(): AsyncGenerator<number> {
  live++
  try {
    for (let i = 0; i < 5; i++) {
      yield i
      await turn()
    }
  } finally {
    live--
  }
}

const handlers: Handlers = {
  'S.echo': call => call.input,
  'S.stream': () => counter(),
  'S.upload': call => counted(call.items$.pipe(reduce((sum, n) => sum + Number(n), 0))),
  'S.duplex': call => counted(call.items$.pipe(map(n => Number(n) * 2))),
  'S.endless': () => counted(interval(1)),
}

interface Kind {
  readonly name: string
  readonly request: () => CallRequest<unknown>
  readonly result?: unknown
}
const items = (): Observable<number> => counted(concat(range(0, 3), of(3)))
const KINDS: readonly Kind[] = [
  { name: 'unary call', request: () => ({ action: 'S.echo', input: 'x' }), result: ['x'] },
  { name: 'call with headers', request: () => ({ action: 'S.echo', input: 'x', headers: { a: 'b' } }), result: ['x'] },
  { name: 'stream', request: () => ({ action: 'S.stream', window: 2 }), result: [0, 1, 2, 3, 4] },
  { name: 'upload', request: () => ({ action: 'S.upload', items: items() }), result: [6] },
  { name: 'duplex', request: () => ({ action: 'S.duplex', window: 8, items: items() }), result: [0, 2, 4, 6] },
  { name: 'endless stream', request: () => ({ action: 'S.endless', window: 4 }) },
]
/** Bytes of an endless session that are looked at. */
const ENDLESS_BYTES = 260

const value = (got: unknown): unknown =>
  typeof got === 'object' && got !== null && 'value' in got ? (got as Reply).value : got

/** A lost connection is followed by the next one almost at once. */
const SOON: ConnectOptions = { backoffFirstMs: 2, backoffMaxMs: 2 }

/** One session with a cut; says whether its call was lost by it. */
async function session(stage: ServerStage, proxy: ChaosProxy, kind: Kind, cut: Incident): Promise<boolean> {
  const where = `${kind.name} cut ${JSON.stringify(cut)}`
  const client = connect(proxy.address, SOON)
  try {
    proxy.plan = () => [cut]
    const call = follow(client.call(kind.request()))
    await call.over
    proxy.plan = () => []
    assert.equal(call.ends, 1, where)
    if (call.error === undefined) assert.deepEqual(call.values.map(value), kind.result, where)
    else {
      assert.ok(RpcError.is(call.error, 'rpc_io_err', 'rpc_unreachable'), `${where}: ${call.error.message}`)
      if (call.error.code === 'rpc_unreachable') assert.equal(call.error.executed, 'no')
      if (call.values.length > 0) assert.equal(call.error.executed, 'yes', where)
    }
    await until(() => client.status.state !== 'unhealthy', `${where}: the next connection`)
    const again = follow(client.call({ action: 'S.echo', input: 'again' }))
    await again.over
    assert.deepEqual([again.error, value(again.values[0])], [undefined, 'again'], where)
    await client.close()
    assert.deepEqual([client.stats().inFlight, client.stats().waiting, call.ends], [0, 0, 1], where)
    await until(() => live === 0 && stage.server.stats().connections === 0, `${where}: the last teardown`)
    return call.error !== undefined
  } finally {
    await client.close({ waitMs: 0 })
  }
}

for (const kind of KINDS) {
  withServer(
    `ends a ${kind.name} once wherever its link is cut`,
    () => ({
      handlers,
      run: async stage => {
        const proxy = await ChaosProxy.listen(stage.address)
        try {
          let passed = { up: ENDLESS_BYTES, down: ENDLESS_BYTES }
          const isWs = stage.transport.name === 'ws'
          if (kind.result !== undefined) {
            const client = connect(proxy.address)
            await follow(client.call(kind.request()).pipe(toArray())).answers()
            passed = { ...proxy.passed }
            await client.close()
          } else if (isWs) passed = { up: 500, down: 500 }
          let sessions = 0
          let lost = 0
          const given = Number(process.env['RAZOR_CUT_STEP'] ?? 0)
          const step = given > 0 ? given : stage.transport.name === 'tcp' ? 2 : 7
          for (const direction of ['up', 'down'] as const) {
            // The upgrade of a WebSocket is looked at here and there only.
            for (let at = 0; at < passed[direction]; at += isWs && at < 150 ? 29 : step) {
              sessions++
              if (await session(stage, proxy, kind, { kind: at % 3 === 1 ? 'reset' : 'cut', direction, at })) lost++
            }
          }
          assert.ok(lost > sessions / 2, `${lost} of ${sessions} calls were lost`)
        } finally {
          await proxy.close()
        }
      },
    }),
    { on: SOCKETS },
  )
}
