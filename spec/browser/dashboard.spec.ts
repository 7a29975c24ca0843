/**
 * The dashboard in a real browser: what a visitor sees, and what happens when things are slow, broken or hidden.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { PRODUCER_WINDOW } from '../../lib/cli/dashboard/contract.ts'
import { skippedWithoutBrowser, startBrowser } from '../support/browser.ts'
import { type OpenDashboard, openDashboard } from '../support/dashboard.ts'

/** Bounds what hangs. */
const MOST_MS = 30_000
const MIB = 1024 * 1024

describe('the dashboard', { skip: skippedWithoutBrowser(), timeout: 150_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'razor-browser-'))
  const complaints: string[] = []
  const requests: string[] = []
  let open: OpenDashboard
  let browser: Browser
  let tab: Page

  /** A tab that has its streams. */
  async function visit(): Promise<Page> {
    const page = await browser.newPage({ acceptDownloads: true })
    page.setDefaultTimeout(MOST_MS)
    page.on('pageerror', error => complaints.push(error.message))
    page.on('console', message => {
      // A dial that fails is one of the browser's own, and comes with each outage.
      if (message.type() === 'error' && !message.text().startsWith('WebSocket connection to'))
        complaints.push(message.text())
    })
    page.on('request', request => requests.push(request.url()))
    await page.goto(open.dashboard.url)
    await connected(page)
    return page
  }

  function connected(page: Page): Promise<unknown> {
    return page.waitForFunction(() => document.querySelector('#state')?.textContent?.startsWith('Connected to server'))
  }

  /** The number in an element. */
  async function numberIn(page: Page, selector: string): Promise<number> {
    return Number((await page.textContent(selector))?.replace(/[^\d.]/g, ''))
  }

  /** Waits until the number in an element is in these bounds. */
  function settled(page: Page, selector: string, least: number, most: number): Promise<unknown> {
    return page.waitForFunction(
      ([place, from, to]) => {
        const number = Number(document.querySelector(String(place))?.textContent?.replace(/[^\d.]/g, ''))
        return number >= Number(from) && number <= Number(to)
      },
      [selector, least, most] as const,
    )
  }

  /** The next note that says this. */
  function noted(page: Page, pattern: string): Promise<unknown> {
    return page.waitForFunction(
      wanted =>
        [...document.querySelectorAll('#notes li')].some(note =>
          new RegExp(String(wanted)).test(note.textContent ?? ''),
        ),
      pattern,
    )
  }

  /** Has a button break something, and waits until the streams go on. Notes of before are forgotten. */
  async function broken(page: Page, button: string): Promise<void> {
    await page.evaluate(() => document.querySelector('#notes')?.replaceChildren())
    await page.click(button)
    await noted(page, 'streams go on from server [12] after \\d+ ms')
    await connected(page)
  }

  async function hashOf(path: string): Promise<string> {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk)
    return hash.digest('hex')
  }

  before(async () => {
    open = await openDashboard()
    browser = await startBrowser()
    tab = await visit()
  })

  afterEach(() => assert.deepEqual([...complaints, ...open.failures], []))

  after(async () => {
    await browser?.close()
    await open?.close()
    rmSync(folder, { recursive: true })
  })

  it('loads under a strict policy, from its own port alone', async () => {
    await tab.waitForSelector('#cores li')
    await tab.waitForSelector('#processes-rows tr')
    assert.ok(requests.length >= 3)
    assert.deepEqual(
      requests.filter(url => !url.startsWith(open.dashboard.url)),
      [],
    )
    const violated = tab.evaluate(
      () =>
        new Promise<string>(resolve => {
          document.addEventListener('securitypolicyviolation', event => resolve(event.violatedDirective), {
            once: true,
          })
          const style = document.createElement('style')
          style.textContent = 'body { display: none }'
          document.head.append(style)
        }),
    )
    assert.match(await violated, /^style-src/)
    // What the browser said of it was asked for.
    assert.match(complaints.splice(0).join(), /Content Security Policy/)
  })

  it('shows streams that go on', async () => {
    const line = await tab.textContent('#lines')
    const memory = await tab.textContent('#processes-rows')
    await tab.waitForFunction(before => document.querySelector('#lines')?.textContent !== before, line)
    await tab.waitForFunction(before => document.querySelector('#processes-rows')?.textContent !== before, memory)
    await tab.waitForFunction(() => /^\d.*ms$/.test(document.querySelector('#p99')?.textContent ?? ''))
    assert.ok((await tab.$$('.uplot canvas')).length >= 7)
  })

  it('is no wider than a phone, whatever a process is called', async () => {
    const size = tab.viewportSize()!
    await tab.setViewportSize({ width: 360, height: 740 })
    await tab.evaluate(() => {
      document.querySelector('#processes-rows td')!.textContent = 'x'.repeat(300)
    })
    assert.ok((await tab.evaluate(() => document.documentElement.scrollWidth)) <= 360)
    await tab.setViewportSize(size)
  })

  it('has a slow consumer that brakes the producer, which loses nothing', async () => {
    await settled(tab, '#pipe-made', 500, 3_000)
    await tab.fill('#pace-rate', '25')
    await tab.check('input[value="slow"]')
    await settled(tab, '#waiting', PRODUCER_WINDOW - 10, PRODUCER_WINDOW)
    await settled(tab, '#pipe-made', 0, 60)
    await settled(tab, '#pipe-consumed', 1, 20)
    assert.equal(await numberIn(tab, '#dropped'), 0)
    await tab.waitForFunction(() => document.querySelector('#brake-state')?.textContent?.includes('Nothing is lost'))
    for (const { dropped, heldBytes } of open.dashboard.stats()) {
      assert.equal(dropped, 0)
      assert.ok(heldBytes < 10_000, `${heldBytes} bytes are held`)
    }
  })

  it('counts what a producer that cannot wait has lost', async () => {
    await tab.selectOption('#policy', 'latest')
    await settled(tab, '#dropped', 100, Number.MAX_SAFE_INTEGER)
    assert.ok((await numberIn(tab, '#waiting')) <= PRODUCER_WINDOW)
    const [leader] = open.dashboard.stats().filter(({ dropped }) => dropped > 0)
    assert.ok(leader !== undefined)
    await tab.selectOption('#policy', 'pausing')
    await tab.check('input[value="fast"]')
    await settled(tab, '#pipe-consumed', 500, 3_000)
  })

  it('uploads and downloads 64 MiB unharmed, and shows how far it is', async () => {
    const path = join(folder, 'large.bin')
    writeFileSync(path, randomBytes(64 * MIB))
    const hash = await hashOf(path)
    await tab.evaluate(() => {
      const seen = new Set<string>()
      Object.assign(globalThis, { seen })
      const place = document.querySelector('#transfers')!
      new MutationObserver(() => seen.add(place.textContent ?? '')).observe(place, {
        childList: true,
        subtree: true,
        characterData: true,
      })
    })
    const stages = () => tab.evaluate(() => [...(globalThis as unknown as { seen: Set<string> }).seen].join('\n'))
    await tab.setInputFiles('#file', path)
    await tab.waitForSelector('#transfers li[data-state="done"]')
    assert.match(await stages(), /Up: large\.bin.*\d MiB of 64\.0 MiB, \d+%, [\d.]+ MiB\/s/)
    assert.equal(await hashOf(join(open.dashboard.folder, 'large.bin')), hash)

    const saved = tab.waitForEvent('download')
    await tab.click('button[aria-label="Download large.bin"]')
    const download = await saved
    assert.equal(download.suggestedFilename(), 'large.bin')
    assert.equal(await hashOf(await download.path()), hash)
    assert.match(await stages(), /Down: large\.bin.*\d MiB of 64\.0 MiB, \d+%/)
  })

  it('leaves nothing of an upload that is canceled', async () => {
    await tab.evaluate(() => {
      const place = document.querySelector('#transfers')!
      new MutationObserver((_, observer) => {
        const cancel = place.querySelector<HTMLButtonElement>('button[aria-label="Cancel Up: made-up.bin"]')
        if (cancel === null) return
        observer.disconnect()
        cancel.click()
      }).observe(place, { childList: true, subtree: true })
    })
    await tab.click('#made-up')
    await tab.waitForSelector('#transfers li[data-state="canceled"]')
    const files = await tab.$$eval('#files-rows tr td:first-child', cells => cells.map(cell => cell.textContent))
    assert.ok(!files.includes('made-up.bin'))
  })

  it('answers a burst of a thousand calls', async () => {
    await tab.click('#burst')
    await tab.waitForFunction(() => document.querySelector('#burst-text')?.textContent?.startsWith('1,000 of 1,000'))
  })

  it('draws nothing while it is hidden, and catches up when it is seen again', async () => {
    const hide = (state: string) =>
      tab.evaluate(value => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, value })
        document.dispatchEvent(new Event('visibilitychange'))
      }, state)
    await hide('hidden')
    const changes = await tab.evaluate(
      () =>
        new Promise<number>(resolve => {
          let count = 0
          const observer = new MutationObserver(records => {
            count += records.length
          })
          observer.observe(document.querySelector('#brake')!, { childList: true, subtree: true, characterData: true })
          observer.observe(document.querySelector('#machine')!, { childList: true, subtree: true, characterData: true })
          // Long enough for samples, figures and items to have come.
          setTimeout(() => {
            observer.disconnect()
            resolve(count)
          }, 2_000)
        }),
    )
    assert.equal(changes, 0)
    const line = await tab.textContent('#lines')
    await hide('visible')
    await tab.waitForFunction(before => document.querySelector('#lines')?.textContent !== before, line)
  })

  it('holds its server while its script stands still, and goes on afterwards', async () => {
    const session = await tab.context().newCDPSession(tab)
    await session.send('Debugger.enable')
    const paused = new Promise(resolve => session.once('Debugger.paused', resolve))
    await session.send('Debugger.pause')
    await paused
    const other = await visit()
    // The other tab is served meanwhile, as its own streams show.
    await settled(other, '#pipe-consumed', 500, 3_000)
    for (const { heldBytes } of open.dashboard.stats()) assert.ok(heldBytes < 10_000, `${heldBytes} bytes are held`)
    await other.close()
    await session.send('Debugger.resume')
    await session.detach()
    await connected(tab)
    await settled(tab, '#pipe-consumed', 500, 3_000)
    assert.ok((await numberIn(tab, '#waiting')) <= PRODUCER_WINDOW)
  })

  it('has two tabs that do not know of each other', async () => {
    const other = await visit()
    await other.fill('#pace-rate', '25')
    await other.check('input[value="slow"]')
    await settled(other, '#pipe-made', 0, 60)
    await settled(tab, '#pipe-made', 500, 3_000)
    const before = await tab.$$eval('#notes li', notes => notes.length)
    await broken(other, '#kill')
    assert.equal(await tab.$$eval('#notes li', notes => notes.length), before)
    await other.close()
  })

  it('recovers from a connection that was killed', async () => {
    await broken(tab, '#kill')
    await noted(tab, 'server [12]: lost \\(closed with code 1006\\)')
    await settled(tab, '#pipe-consumed', 500, 3_000)
  })

  it('gives up a connection over which nothing passes any more', async () => {
    await broken(tab, '#stall')
    await noted(tab, 'no byte came for 4000 ms')
    await settled(tab, '#pipe-consumed', 500, 3_000)
  })

  it('moves on from a server that is drained or taken down, and knows when it is back', async () => {
    const bothReady = () =>
      tab.waitForFunction(() =>
        [...document.querySelectorAll<HTMLElement>('#servers li')].every(line => line.dataset['state'] === 'ready'),
      )
    for (const order of ['#drain', '#failover']) {
      await bothReady() // else there may be nobody to move on to
      const leader = await tab.textContent('#servers li[data-leads="true"] b')
      await broken(tab, order)
      await tab.waitForSelector(`#servers li[data-leads="true"]:not(:has-text("${leader}"))`)
    }
    await bothReady()
  })

  it('counts down to the next try while no server is there, and goes on by itself', async () => {
    const counting = tab.waitForFunction(() =>
      /Next try in \d\.\d s/.test(document.querySelector('#retry:not([hidden])')?.textContent ?? ''),
    )
    const kill = tab.locator('#kill')
    const before = await kill.boundingBox()
    const during = counting.then(() => kill.boundingBox())
    const [place] = await Promise.all([during, broken(tab, '#outage')])
    assert.deepEqual(place, before, 'no button moves')
    await settled(tab, '#pipe-consumed', 500, 3_000)
    assert.equal(await tab.isVisible('#retry'), false)
  })
})
