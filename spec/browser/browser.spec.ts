/**
 * The main entry in a real browser, against a real server: a WebSocket at a path of the HTTP server that serves the page.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page as BrowserPage } from 'playwright-core'
import { filter, firstValueFrom, NEVER, Subject } from 'rxjs'
import { implement, type Listening, RpcServer } from '../../lib/node/index.ts'
import { browserPath, bundlePage, skippedWithoutBrowser, startBrowser } from '../support/browser.ts'
import { Desk } from './contract.ts'
import type { Page } from './page.ts'

describe(`a page in ${browserPath() ?? 'a browser'}`, { skip: skippedWithoutBrowser() }, () => {
  const began = new Subject<void>()
  const server = new RpcServer({
    services: [
      implement(Desk, {
        div: ([a, b], { fail }) => {
          if (b === 0) throw fail('divide by zero')
          return a / b
        },
        open: (who, { fail }) => {
          throw fail({ code: 'denied', who })
        },
        kill: (errno, { fail }) => {
          throw fail(errno)
        },
        next: n => BigInt(n) + 1n,
        echo: value => value,
        flip: (_, { blob }) => ({ value: blob.length, blob: blob.map(byte => 255 - byte) }),
        hang: () => {
          began.next()
          return NEVER
        },
      }),
    ],
  })
  const http = createServer()
  const sockets = new Set<Socket>()
  const complaints: string[] = []
  let listening: Listening
  let browser: Browser
  let tab: BrowserPage

  /** Has the page do something; `args` are plain data. */
  function inPage<K extends keyof Page>(name: K, ...args: Parameters<Page[K]>): Promise<Awaited<ReturnType<Page[K]>>> {
    return tab.evaluate(`page.${name}(...${JSON.stringify(args)})`)
  }

  before(async () => {
    const script = await bundlePage(new URL('page.ts', import.meta.url))
    const html = `<!doctype html><meta charset="utf-8"><title>razor-rx</title><script>${script.replaceAll('</script', '<\\/script')}</script>`
    http.on('connection', socket => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    http.on('request', ({ url }, response) => {
      response.writeHead(url === '/' ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' })
      response.end(url === '/' ? html : '')
    })
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    listening = await server.listen({ server: http, path: '/rpc' })
    browser = await startBrowser()
    tab = await browser.newPage()
    tab.on('pageerror', error => complaints.push(error.message))
    await tab.goto(`http://127.0.0.1:${(http.address() as AddressInfo).port}/`)
  })

  after(async () => {
    await browser?.close()
    await server.close({ waitMs: 0 })
    for (const socket of sockets) socket.destroy()
    http.close()
  })

  it('calls, and gets an answer', async () => {
    assert.equal(await inPage('div', 9, 2), 4.5)
    assert.deepEqual(await inPage('echo', { text: 'ä😀', list: [1, null, true] }), {
      text: 'ä😀',
      list: [1, null, true],
    })
  })

  it('gets the errors that handlers choose: text, coded, errno', async () => {
    const user = { code: 'user', executed: 'yes' }
    assert.deepEqual(await inPage('divFails'), { ...user, action: 'Desk.div', value: 'divide by zero' })
    assert.deepEqual(await inPage('openFails', 'you'), {
      ...user,
      action: 'Desk.open',
      value: { code: 'denied', who: 'you' },
    })
    assert.deepEqual(await inPage('killFails', 3), { ...user, action: 'Desk.kill', value: 3 })
    assert.equal(await inPage('knows'), 'me')
  })

  it('counts exactly beyond 2^53', async () => {
    assert.equal(await inPage('next', String(2n ** 53n)), `bigint ${2n ** 53n + 1n}`)
    assert.equal(await inPage('next', String(2n ** 64n - 2n)), `bigint ${2n ** 64n - 1n}`)
    assert.equal(await inPage('next', '41'), 'number 42')
  })

  it('gets bytes as plain Uint8Arrays', async () => {
    assert.deepEqual(await inPage('bytes'), { plain: true, bytes: [1, 2, 255] })
  })

  it('sends and gets a blob of 1 MiB', async () => {
    for (const length of [0, 1, 1024 * 1024]) {
      assert.deepEqual(await inPage('flip', length), { value: length, plain: true, length, equal: true })
    }
  })

  it('has thousands of calls under way at once, beyond its window', async () => {
    assert.equal(await inPage('many', 5000), 5000)
    assert.equal(await inPage('inFlight'), 0)
  })

  it('gives a call up at its timeout, or by its signal', async () => {
    const late = await inPage('lateFails', 5)
    assert.ok(late !== 'no error')
    assert.deepEqual([late.code, late.action], ['rpc_timeout', 'Desk.hang'])
    const aborted = await inPage('abortFails')
    assert.ok(aborted !== 'no error')
    assert.equal(aborted.code, 'rpc_canceled')
  })

  it('that loses its connection ends the calls under way, and dials again for the next one', async () => {
    const hanging = firstValueFrom(began)
    const ended = inPage('hangFails')
    await hanging
    for (const socket of sockets) socket.destroy()
    const error = await ended
    assert.ok(error !== 'no error')
    assert.deepEqual([error.code, error.executed, error.action], ['rpc_io_err', 'maybe', 'Desk.hang'])
    assert.equal(await inPage('div', 8, 2), 4)
  })

  it('that finds nobody at the path is told so, and finds the server when it is back', async () => {
    listening.close()
    const none = firstValueFrom(server.connections$.pipe(filter(connections => connections === 0)))
    for (const socket of sockets) socket.destroy()
    await none
    const error = await inPage('divFails')
    assert.ok(error !== 'no error')
    assert.deepEqual([error.code, error.executed], ['rpc_unreachable', 'no'])
    listening = await server.listen({ server: http, path: '/rpc' })
    assert.equal(await inPage('div', 6, 2), 3)
  })

  it('closes its connection when it is asked to', async () => {
    const none = firstValueFrom(server.connections$.pipe(filter(connections => connections === 0)))
    await inPage('close')
    await none
  })

  it('had no error that nobody handled', () => {
    assert.deepEqual(complaints, [])
  })
})
