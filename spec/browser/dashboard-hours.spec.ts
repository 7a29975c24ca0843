/**
 * The dashboard's charts after hours: as large as after one.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { bundlePage, skippedWithoutBrowser, startBrowser } from '../support/browser.ts'

const PAGE = new URL('../../lib/cli/dashboard/page/', import.meta.url)
const HOUR = 3_600

describe('the charts of the machine', { skip: skippedWithoutBrowser(), timeout: 90_000 }, () => {
  let browser: Browser
  let tab: Page

  before(async () => {
    browser = await startBrowser()
    tab = await browser.newPage()
    const html = readFileSync(new URL('index.html', PAGE), 'utf8').replace(/<script.*?<\/script>/, '')
    await tab.setContent(html)
    await tab.addScriptTag({ content: await bundlePage(new URL('hour-page.ts', import.meta.url)) })
    await tab.evaluate('page.start()')
    await tab.selectOption('#span', '3600')
  })
  after(() => browser?.close())

  it('take no more memory after ten hours than after one', async () => {
    const session = await tab.context().newCDPSession(tab)
    const usedAfter = async (hours: number): Promise<{ heap: number; nodes: number }> => {
      assert.deepEqual(await tab.evaluate(`page.pass(${hours * HOUR})`), [])
      await session.send('HeapProfiler.collectGarbage')
      const { usedSize } = await session.send('Runtime.getHeapUsage')
      const { nodes } = await session.send('Memory.getDOMCounters')
      return { heap: usedSize, nodes }
    }
    const one = await usedAfter(1)
    const ten = await usedAfter(9)
    assert.ok(ten.heap < one.heap + 1024 * 1024, `the heap went from ${one.heap} to ${ten.heap} bytes`)
    assert.ok(ten.nodes < one.nodes + 100, `the page went from ${one.nodes} to ${ten.nodes} nodes`)
    assert.equal((await tab.$$('.uplot canvas')).length, 4)
  })
})
