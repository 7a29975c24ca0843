/** The dashboard as a server: what it serves, to whom, and what it breaks when it is told to. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { filter, firstValueFrom, lastValueFrom, map, skipWhile, take, timeInterval, toArray } from 'rxjs'
import { WebSocket } from 'ws'
import { Demo, type Figures, PRODUCER_WINDOW } from '../../../lib/cli/dashboard/contract.ts'
import { Dashboard, LOG_FILE } from '../../../lib/cli/dashboard/dashboard.ts'
import { CalculatorService } from '../../../lib/cli/services/calculator-contract.ts'
import { Host } from '../../../lib/cli/services/host-contract.ts'
import { type Client, connect, type FailoverClient, Gap, resubscribe } from '../../../lib/node/index.ts'
import { type OpenDashboard, openDashboard } from '../../support/dashboard.ts'
import { expectNoLeaks } from '../../support/leaks.ts'

let open: OpenDashboard
let port = 0

before(async () => {
  open = await openDashboard('empty')
  port = Number(new URL(open.dashboard.url).port)
})
after(async () => {
  const { folder } = open.dashboard
  await open.close()
  assert.deepEqual(open.failures, [])
  assert.equal(existsSync(folder), false)
  await expectNoLeaks()
})

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

async function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  asked.end()
  const [response] = await once(asked, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, headers: response.headers, text }
}

/** The first line of what comes back for these very bytes. */
async function raw(line: string): Promise<string> {
  const socket = connectTcp({ host: '127.0.0.1', port })
  socket.end(`${line}\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  return text.split('\r\n')[0] ?? ''
}

/** What the server answers to an upgrade: 101, or why not. */
async function upgrade(path: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['razor'], { headers })
  socket.on('error', () => undefined)
  return new Promise(resolve => {
    socket.on('open', () => {
      socket.on('close', () => resolve(101))
      socket.close()
    })
    socket.on('unexpected-response', (_, response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
  })
}

describe('the pages of the dashboard', () => {
  it('are a fixed list', async () => {
    const files = { '/': 'index.html', '/page.js': 'page.js', '/page.css': 'page.css', '/icon.svg': 'icon.svg' }
    for (const [path, file] of Object.entries(files)) {
      assert.equal((await get(path)).text, `the ${file}`)
      assert.equal((await get(`${path}?x=1`)).status, 200)
    }
    assert.equal((await get('/', {}, 'HEAD')).text, '')
    assert.equal((await get('/', {}, 'POST')).status, 405)
  })

  it('cannot be left, however the path is written', async () => {
    const paths = [
      '/../package.json',
      '/%2e%2e/package.json',
      '/..%2fpackage.json',
      '/page.js/../index.html',
      '//etc/passwd',
      '/./page.js',
      '/page.js%00',
      '/index.html',
      '/licences.txt',
      '/constructor',
      '/__proto__',
      '*',
      'http://127.0.0.1/page.js',
    ]
    for (const path of paths) assert.equal(await raw(`GET ${path} HTTP/1.1`), 'HTTP/1.1 404 Not Found', path)
  })

  it('allow no inline script, no eval, no frame, and no other place', async () => {
    for (const path of ['/', '/page.js', '/nothing']) {
      const { headers } = await get(path)
      const policy = String(headers['content-security-policy'])
      assert.match(policy, /^default-src 'self'; connect-src 'self' ws:\/\/127\.0\.0\.1:\d+ ws:\/\/localhost:\d+; /)
      assert.doesNotMatch(policy, /unsafe|\*|https?:/)
      assert.match(policy, /base-uri 'none'; form-action 'none'; frame-ancestors 'none'/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
    }
  })

  it('are not sent again to who has them', async () => {
    const { headers } = await get('/page.js')
    const again = await get('/page.js', { 'if-none-match': String(headers['etag']) })
    assert.deepEqual([again.status, again.text], [304, ''])
  })

  it('are told to nobody who came by another name', async () => {
    assert.equal((await get('/', { host: `evil.example:${port}` })).status, 403)
    assert.equal((await get('/', { host: '127.0.0.1:1' })).status, 403)
    assert.equal((await get('/', { host: `localhost:${port}` })).status, 200)
  })
})

describe('the WebSockets of the dashboard', () => {
  it('are for its own pages, and for programs of this machine', async () => {
    assert.equal(await upgrade('/rpc/1', { origin: `http://127.0.0.1:${port}` }), 101)
    assert.equal(await upgrade('/rpc/2', { origin: `http://localhost:${port}` }), 101)
    assert.equal(await upgrade('/rpc/1', {}), 101)
  })

  it('refuse pages from elsewhere', async () => {
    const origins = [
      'http://evil.example',
      `http://evil.example:${port}`,
      'http://127.0.0.1',
      `https://127.0.0.1:${port}`,
      'null',
    ]
    for (const origin of origins) assert.equal(await upgrade('/rpc/1', { origin }), 403, origin)
    assert.equal(await upgrade('/rpc/1', { host: `evil.example:${port}` }), 403)
    assert.equal(await upgrade('/rpc/3', {}), 404)
  })
})

describe('the servers of the dashboard', { timeout: 30_000 }, () => {
  /** A client of the first server. */
  function client(t: { after(done: () => Promise<void>): void }): Client {
    const one = connect(open.dashboard.addresses[0]!)
    t.after(() => one.close({ waitMs: 0 }))
    return one
  }

  function both(t: { after(done: () => Promise<void>): void }): FailoverClient {
    const pair = connect(open.dashboard.addresses, { route: 'leader', backoffFirstMs: 50, backoffMaxMs: 200 })
    t.after(() => pair.close({ waitMs: 0 }))
    return pair
  }

  it('serve the machine, a calculator and what happens', async t => {
    const one = client(t)
    assert.equal(await firstValueFrom(one.use(CalculatorService).add([1, 2])), 3)
    const [file] = await firstValueFrom(one.use(Host).files())
    assert.equal(file?.name, LOG_FILE)
    const line$ = one.use(Host).tail({ path: LOG_FILE, lines: 1_000 })
    assert.match(
      await firstValueFrom(line$.pipe(filter(line => line.includes('add')))),
      /server 1 {2}CalculatorService\.add answered in/,
    )
    assert.match(readFileSync(join(open.dashboard.folder, LOG_FILE), 'utf8'), /^\S+Z {2}server [12] {2}is up\n/)
  })

  it('pause a producer whose items nobody takes, and hold nothing for it', async t => {
    const one = client(t)
    const demo = one.use(Demo)
    const items = demo.pausing({ perSecond: 10_000 })[Symbol.asyncIterator]()
    await items.next()
    const waits = ({ producers }: Figures): boolean => producers.waiting === 1 && producers.made === PRODUCER_WINDOW
    const figures$ = demo.figures({ everyMs: 50 })
    const waiting = await firstValueFrom(figures$.pipe(filter(waits)))
    assert.deepEqual(waiting.producers, { made: PRODUCER_WINDOW, dropped: 0, running: 1, waiting: 1 })
    // What the two calls asked with, and no item.
    assert.ok(open.dashboard.stats()[0]!.heldBytes < 100)
    // Still so, as nobody has taken any.
    const later = await firstValueFrom(figures$.pipe(take(5), toArray()))
    assert.ok(later.every(waits))
    await items.return?.()
    await firstValueFrom(figures$.pipe(filter(({ producers }) => producers.running === 0)))
  })

  for (const policy of ['latest', 'conflated', 'dropping'] as const) {
    it(`lose what the policy ${policy} may lose, and count it`, async t => {
      const demo = client(t).use(Demo)
      const items = demo[policy]({ perSecond: 10_000 })[Symbol.asyncIterator]()
      await items.next()
      const { producers } = await firstValueFrom(
        demo.figures({ everyMs: 50 }).pipe(filter(figures => figures.producers.dropped > 100)),
      )
      assert.ok(producers.made >= producers.dropped + PRODUCER_WINDOW)
      await items.return?.()
    })
  }

  it('cut a connection that asks for it, and no other', async t => {
    const [one, other] = [client(t), client(t)]
    const broken = firstValueFrom(one.events$.pipe(filter(({ type }) => type === 'disconnected')))
    await firstValueFrom(other.use(CalculatorService).add([1, 2]))
    const left = firstValueFrom(other.events$.pipe(take(1)), { defaultValue: undefined })
    await firstValueFrom(one.use(Demo).kill())
    assert.equal((await broken).type, 'disconnected')
    assert.equal(await firstValueFrom(one.use(CalculatorService).add([2, 2])), 4)
    await other.close({ waitMs: 0 })
    assert.notEqual((await left)?.type, 'retry')
  })

  it('stall a connection, which then goes on as if nothing were', async t => {
    const one = client(t)
    const figures$ = one.use(Demo).figures({ everyMs: 50 })
    await firstValueFrom(one.use(Demo).stall({ forMs: 300 }))
    const pause$ = figures$.pipe(
      timeInterval(),
      filter(({ interval }) => interval > 200),
    )
    await firstValueFrom(pause$)
    assert.equal(await firstValueFrom(one.use(CalculatorService).add([1, 2])), 3)
  })

  for (const how of ['drain', 'outage'] as const) {
    it(`fail over and back where one is in ${how}`, async t => {
      const pair = both(t)
      const demo = pair.use(Demo)
      const from$ = demo.figures({ everyMs: 50 }).pipe(resubscribe({ firstMs: 10, maxMs: 100 }))
      const seen = firstValueFrom(
        from$.pipe(
          filter((item): item is Figures => !Gap.is(item)),
          filter(({ from }) => from === 2),
        ),
      )
      await firstValueFrom(demo.figures({ everyMs: 50 }))
      await firstValueFrom(demo[how]({ server: 1, forMs: 100 }))
      assert.equal((await seen).from, 2)
      const up = (figures: Figures): boolean => figures.servers.every(({ state }) => state === 'up')
      await firstValueFrom(demo.figures({ everyMs: 50 }).pipe(filter(up)))
      const again = connect(open.dashboard.addresses[0]!)
      t.after(() => again.close({ waitMs: 0 }))
      assert.equal((await firstValueFrom(again.use(Demo).figures({ everyMs: 50 }))).from, 1)
    })
  }

  it('come back when both were gone', async t => {
    const pair = both(t)
    await lastValueFrom(pair.prewarm(1), { defaultValue: undefined })
    const states$ = pair.status$.pipe(
      map(({ state }) => state),
      skipWhile(state => state === 'ready'),
    )
    const back = firstValueFrom(states$.pipe(filter(state => state === 'ready')))
    await firstValueFrom(pair.use(Demo).outage({ server: 0, forMs: 200 }))
    assert.equal(await back, 'ready')
    assert.equal(await firstValueFrom(pair.use(CalculatorService).add([1, 2])), 3)
  })
})

describe('a dashboard that cannot open', () => {
  it('says that its page is not built, and leaves nothing', async () => {
    const page = join(open.dashboard.folder, 'no-page')
    await assert.rejects(
      Dashboard.open({ port: 0, page, failed: error => assert.fail(String(error)) }),
      /the dashboard's page is not there .*npm run build/,
    )
  })
})
