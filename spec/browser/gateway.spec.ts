/**
 * A real page that calls a real Rust server, which knows nothing of WebSockets, through a gateway.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { Gateway } from '../../lib/node/index.ts'
import { bundlePage, skippedWithoutBrowser, startBrowser } from '../support/browser.ts'
import { loggerTo } from '../support/logged.ts'
import { withoutRust } from '../support/rust-pair.ts'
import { type RustServer, startRustServer } from '../support/rust-peer.ts'
import type { RustPage } from './rust-page.ts'

const skip = skippedWithoutBrowser() || withoutRust()

describe('a page that calls a Rust server through a gateway', { skip }, () => {
  const http = createServer()
  const complaints: string[] = []
  const logged: string[] = []
  let rust: RustServer
  let gateway: Gateway
  let browser: Browser
  let tab: Page
  let gatewayAddress = ''
  let port = 0

  /** Has the page do something; `args` are plain data. */
  function inPage<K extends keyof RustPage>(name: K, ...args: Parameters<RustPage[K]>): ReturnType<RustPage[K]> {
    return tab.evaluate(`page.${name}(...${JSON.stringify(args)})`) as ReturnType<RustPage[K]>
  }

  before(async () => {
    const script = await bundlePage(new URL('rust-page.ts', import.meta.url))
    http.on('request', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      response.end(
        `<!doctype html><meta charset="utf-8"><script>${script.replaceAll('</script', '<\\/script')}</script>`,
      )
    })
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    port = (http.address() as AddressInfo).port
    rust = await startRustServer('tcp')
    gateway = new Gateway({
      targets: { '/api': rust.address, '/fs': rust.fsAddress },
      origins: [`http://127.0.0.1:${port}`],
      logger: loggerTo(({ message }) => logged.push(message)),
    })
    gatewayAddress = (await gateway.listen('ws://127.0.0.1:0')).address
    browser = await startBrowser()
    tab = await browser.newPage()
    tab.on('pageerror', error => complaints.push(error.message))
    await tab.goto(`http://127.0.0.1:${port}/#${gatewayAddress}`)
  })

  after(async () => {
    await browser?.close()
    await gateway?.close({ waitMs: 0 })
    await rust?.kill()
    http.close()
    http.closeAllConnections()
  })

  it('calls, and gets an answer or the error of the handler', async () => {
    assert.equal(await inPage('inc', 41), 42)
    assert.equal(await inPage('divFails'), 'user divide by zero')
  })

  it('has a thousand calls under way at once', async () => {
    assert.equal(await inPage('many', 1000), 1000)
  })

  it('gets and sends blobs of 0 B to 16 MiB', { timeout: 60_000 }, async () => {
    for (const length of [0, 1, 65_536, 1024 * 1024, 16 * 1024 * 1024]) {
      assert.deepEqual(await inPage('copy', length), [length, length])
    }
  })

  it('cannot connect where no target is', async () => {
    assert.equal(await inPage('refused', '/elsewhere'), 'rpc_unreachable')
  })

  it('had no error that nobody handled', () => {
    assert.deepEqual(complaints, [])
  })

  it('is refused where it comes from another origin', async () => {
    await tab.goto(`http://localhost:${port}/#${gatewayAddress}`)
    assert.equal(await inPage('refused', '/api'), 'rpc_unreachable')
    assert.ok(
      logged.includes(`403 for /api: pages of http://localhost:${port} may not connect here`),
      logged.join('\n'),
    )
  })
})
