/**
 * A real browser for specs: a Chromium that is on this machine, and pages bundled for it.
 */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge']
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
]

/** Quiet, and with no connection of its own. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** What starts a Chromium: `CHROMIUM_PATH`, or the first that is found in the usual places. */
export function browserPath(): string | undefined {
  const given = process.env['CHROMIUM_PATH']
  if (given !== undefined && given !== '') return given
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return [...folders.flatMap(folder => NAMES.map(name => join(folder, name))), ...PLACES].find(path => existsSync(path))
}

/**
 * Why specs in a browser are skipped, or `false` where they are not: there is one, or nothing may be skipped (`CI` or
 * `RAZOR_NO_SKIP` is set) and so they fail without one.
 */
export function skippedWithoutBrowser(): string | false {
  if (browserPath() !== undefined || process.env['CI'] || process.env['RAZOR_NO_SKIP']) return false
  return 'no Chromium found; CHROMIUM_PATH may name one'
}

export async function startBrowser(): Promise<Browser> {
  const executablePath = browserPath()
  if (executablePath === undefined) throw new Error('no Chromium found; CHROMIUM_PATH may name one')
  return chromium.launch({ executablePath, args: FLAGS })
}

/** One script of a page module and all that it imports, as a page's author would bundle it. */
export async function bundlePage(module: URL): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(module)],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
  })
  return outputFiles[0]!.text
}
