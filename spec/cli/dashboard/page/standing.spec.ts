/** How the client stands with its two servers, as it is told to people. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BEGINNING,
  type Happening,
  type Standing,
  serverName,
  stand,
} from '../../../../lib/cli/dashboard/page/standing.ts'
import type { ClientEvent } from '../../../../lib/client/status.ts'
import { RpcError } from '../../../../lib/error.ts'

const address = 'ws://127.0.0.1:1234/rpc/1'
const lost = new RpcError('rpc_io_err', `${address}: connection lost: closed with code 1006`)

function after(...happenings: Happening[]): Standing {
  return happenings.reduce(stand, BEGINNING)
}

function event(at: number, event: ClientEvent): Happening {
  return { type: 'event', at, event }
}

function texts(standing: Standing): string[] {
  return standing.notes.map(({ text }) => text)
}

describe('the standing of the client', () => {
  it('tells a loss, and how long the streams were away', () => {
    const standing = after(
      { type: 'item', at: 0, from: 1 },
      event(100, { type: 'disconnected', address, error: lost }),
      { type: 'gap', at: 100 },
      { type: 'gap', at: 150 },
      { type: 'item', at: 180, from: 2 },
      { type: 'item', at: 200, from: 2 },
    )
    assert.deepEqual(texts(standing), [
      'streams come from server 1',
      'server 1: lost (closed with code 1006)',
      'streams go on from server 2 after 80 ms',
    ])
    assert.deepEqual([standing.from, standing.brokeAt], [2, undefined])
  })

  it('knows when each server is tried again, until it is back', () => {
    const down = after(event(1_000, { type: 'unreachable', address, error: lost, attempt: 2, retryInMs: 1_500 }))
    assert.deepEqual(down.retries, { [address]: { at: 2_500, attempt: 2 } })
    assert.deepEqual(texts(down), ['server 1: down, try 2 failed, next in 1.5 s'])
    assert.deepEqual(stand(down, event(3_000, { type: 'connected', address })).retries, {})
  })

  it('knows when the client tries again, while no server is there', () => {
    const status = { state: 'unhealthy', cause: lost, attempt: 3, retryInMs: 700 } as const
    const down = after({ type: 'status', at: 1_000, status })
    assert.equal(down.retryAt, 1_700)
    assert.equal(stand(down, { type: 'status', at: 2_000, status: { state: 'ready' } }).retryAt, undefined)
  })

  it('tells a server that takes its leave from one that is lost', () => {
    const error = new RpcError('rpc_draining', 'the server is going')
    const [note] = after(event(0, { type: 'disconnected', address, error })).notes
    assert.deepEqual([note?.text, note?.tone], ['server 1: is finishing, calls move on', 'plain'])
  })

  it('keeps the newest 50 notes', () => {
    const notes = Array.from({ length: 80 }, (_, at): Happening => ({ type: 'note', at, text: `${at}`, tone: 'plain' }))
    assert.deepEqual(
      texts(after(...notes)),
      Array.from({ length: 50 }, (_, n) => `${n + 30}`),
    )
  })

  it('names a server by the end of its address', () => {
    assert.equal(serverName('ws://localhost:1/rpc/2'), 'server 2')
  })
})
