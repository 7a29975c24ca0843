/** Where a server on Node listens, and for whom. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { after, describe, it, type TestContext } from 'node:test'
import { EMPTY, lastValueFrom } from 'rxjs'
import { WebSocket } from 'ws'
import { connect, RpcServer } from '../../lib/node/index.ts'
import { memoryListener } from '../../lib/transport/memory.ts'
import { certificate, withoutOpenssl } from '../support/certificate.ts'
import { expectNoLeaks } from '../support/leaks.ts'

/** How the server answers the upgrade of a page. */
async function answerTo(address: string, origin: string): Promise<number | undefined> {
  const page = new WebSocket(address, { origin, rejectUnauthorized: false })
  page.on('error', () => undefined)
  const response = (await Promise.race([once(page, 'upgrade'), once(page, 'unexpected-response')])).at(-1)
  page.terminate()
  return response.statusCode
}

after(expectNoLeaks)

function made(t: TestContext): RpcServer {
  const server = new RpcServer({})
  t.after(() => server.close({ waitMs: 0 }))
  return server
}

describe('a server that listens for the pages of some origins', () => {
  const origins = ['https://app.example']

  it('answers the others 403, on a port of its own and on an HTTP server, and lets programs in', async t => {
    const http = createServer()
    t.after(() => http.close())
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const server = made(t)
    await server.listen({ server: http, path: '/rpc' }, { origins })
    const own = await server.listen('ws://127.0.0.1:0', { origins })
    for (const address of [own.address, `ws://127.0.0.1:${(http.address() as AddressInfo).port}/rpc`]) {
      assert.equal(await answerTo(address, 'https://app.example'), 101)
      assert.equal(await answerTo(address, 'https://evil.example'), 403)
      const program = connect(address)
      await lastValueFrom(program.prewarm(), { defaultValue: undefined })
      await program.close()
    }
  })

  it('logs who was turned away, and why', async t => {
    const logged: unknown[] = []
    const silent = (): void => undefined
    const warn = (fields: object, message: string): unknown => logged.push({ ...fields, message })
    const server = new RpcServer({ logger: { debug: silent, info: silent, warn, error: silent } })
    t.after(() => server.close({ waitMs: 0 }))
    const { address } = await server.listen('ws://127.0.0.1:0', { origins })
    assert.equal(await answerTo(address, 'https://evil.example'), 403)
    assert.match(
      JSON.stringify(logged),
      /^\[\{"address":"ws:\/\/127\.0\.0\.1:\d+","message":"403: pages of https:\/\/evil\.example may not connect here"\}\]$/,
    )
    assert.equal(server.stats().connections, 0)
  })

  it('does so at wss:// with a certificate', { skip: withoutOpenssl() }, async t => {
    const { cert, key } = certificate()
    const server = made(t)
    const { address } = await server.listen('wss://127.0.0.1:0', { origins, tls: { cert, key } })
    assert.equal(await answerTo(address, 'https://app.example'), 101)
    assert.equal(await answerTo(address, 'https://evil.example'), 403)
  })

  it('refuses what is no origin, and options where there is no WebSocket', async t => {
    const server = made(t)
    const refused = async (target: Parameters<RpcServer['listen']>[0], message: RegExp, of = origins) =>
      assert.rejects(server.listen(target, { origins: of }), { name: 'TypeError', message })
    await refused('ws://127.0.0.1:0', /^"\*" is no origin: expected scheme:\/\/host/, ['*'])
    await refused('tcp://127.0.0.1:0', /^cannot listen at tcp:\/\/127\.0\.0\.1:0 with options: they are for ws:\/\//)
    await refused(memoryListener('memory:x'), /^cannot listen at a listener with options/)
  })
})

describe('a server that is closed before it listens', () => {
  const CLOSED = /^Error: the server, or its listener, was closed before it could listen$/

  it('says so, at each sort of address', async t => {
    for (const target of ['tcp://127.0.0.1:0', `unix://${tmpdir()}/razor-never-${process.pid}`, 'ws://127.0.0.1:0']) {
      const server = made(t)
      const refused = assert.rejects(server.listen(target), CLOSED)
      await server.close()
      await refused
    }
  })

  it('says the same where a listener ends without listening', async t => {
    await assert.rejects(made(t).listen({ listen: () => EMPTY }), CLOSED)
  })
})
