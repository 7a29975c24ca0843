/**
 * Makes docs/dashboard.png of the real page, for the README: a slow consumer at work, and a connection that was killed. Needs dist/
 * and a Chromium, which `CHROMIUM_PATH` may name. `node tools/screenshot.mjs`.
 */
import { mkdirSync, statSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { Dashboard } from '../dist/cli/dashboard/dashboard.js'

const FILE = 'docs/dashboard.png'
const MOST_BYTES = 200_000
/** So that the charts, which show a minute, have something to show. */
const FAST_MS = 22_000
const SLOW_MS = 16_000

const dashboard = await Dashboard.open({ port: 0, failed: error => console.error(error) })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu'],
})
try {
  const page = await browser.newPage({ colorScheme: 'light', viewport: { width: 1280, height: 860 } })
  await page.goto(dashboard.url)
  await page.waitForTimeout(FAST_MS)
  await page.fill('#pace-rate', '45')
  await page.check('input[value="slow"]')
  await page.waitForTimeout(SLOW_MS)
  await page.click('#kill')
  await page.waitForTimeout(4_000)
  // The rings of the button that was clicked are not part of it.
  await page.evaluate('document.activeElement.blur()')
  await page.mouse.move(0, 0)
  mkdirSync('docs', { recursive: true })
  await page.screenshot({ path: FILE })
} finally {
  await browser.close()
  await dashboard.close()
}
const { size } = statSync(FILE)
console.log(`${FILE} has ${size} bytes`)
if (size > MOST_BYTES) throw new Error(`${FILE} has ${size} bytes, over ${MOST_BYTES}`)
