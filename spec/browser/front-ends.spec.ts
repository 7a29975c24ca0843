/** The examples for React, Angular and Node, as their README starts them: each gets its items, and the server is told when they stop. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { skippedWithoutBrowser, startBrowser } from '../support/browser.ts'
import { type Child, startNode } from '../support/child.ts'

const FOLDER = fileURLToPath(new URL('../../demo/front-ends/', import.meta.url))
const MOST_LINES = 40

/** `node tools/nested.mjs demo/front-ends` installs them; the types group of `npm test` does. */
function skippedWithoutPackages(): string | false {
  if (existsSync(join(FOLDER, 'node_modules')) || process.env['CI'] || process.env['RAZOR_NO_SKIP']) return false
  return 'React and Angular are not installed: node tools/nested.mjs demo/front-ends'
}

const skip = skippedWithoutBrowser() || skippedWithoutPackages()

/** Starts the server of the examples with the page of one; gives where it is. */
async function serve(front: string): Promise<[server: Child, url: string]> {
  const server = startNode(FOLDER, '--import', 'tsx', 'serve.ts', front, '0')
  const [, url = ''] = await server.until(/^open (\S+)\n/)
  return [server, url]
}

async function stop(server: Child): Promise<void> {
  server.signal('SIGINT')
  const { code, err } = await server.ended
  assert.equal(err, '')
  assert.equal(code, 0)
}

describe('the examples for front ends', { skip }, () => {
  let browser: Browser
  before(async () => {
    browser = await startBrowser()
  })
  after(() => browser?.close())

  for (const front of ['react', 'angular']) {
    it(`show items in ${front}, and unsubscribe with the component`, async () => {
      const [server, url] = await serve(front)
      const tab = await browser.newPage()
      const complaints: string[] = []
      tab.on('pageerror', error => complaints.push(error.message))
      await tab.goto(url)
      await tab.getByText('the server is ready').waitFor()
      await tab.getByText('9 / 2 = 4.5').waitFor()
      await tab.getByText('load 0.1').waitFor() // the second item
      await tab.getByRole('button', { name: 'stop' }).click()
      await server.until(/nobody watches any more/)
      assert.equal(await tab.getByText('load').count(), 0)
      await tab.getByRole('button', { name: 'start' }).click()
      await tab.getByText('load 0').waitFor()
      await tab.close()
      assert.deepEqual(complaints, [])
      await server.until(/(nobody watches any more\s*){2}/)
      await stop(server)
    })
  }

  it('print items in Node, and unsubscribe', async () => {
    const [server, url] = await serve('react')
    const { code, out, err } = await startNode(
      FOLDER,
      ...['--import', 'tsx', 'node/watch.ts', `${url.replace('http', 'ws')}rpc`],
    ).ended
    assert.equal(err, '')
    assert.equal(out, '9 / 2 = 4.5\nload 0\nload 0.1\nload 0.2\n')
    assert.equal(code, 0)
    await server.until(/nobody watches any more/)
    await stop(server)
  })
})

describe('each example for front ends', () => {
  const files = ['react', 'angular', 'node'].flatMap(folder =>
    readdirSync(join(FOLDER, folder)).map(file => join(folder, file)),
  )

  it(`has less than ${MOST_LINES} lines`, () => {
    assert.ok(files.length > 0)
    for (const file of files) assert.ok(readFileSync(join(FOLDER, file), 'utf8').split('\n').length < MOST_LINES, file)
  })
})
