/** Who may talk to the dashboard. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isLoopback, isLoopbackUrl, refusal } from '../../../lib/cli/dashboard/loopback.ts'

describe('a request to the dashboard', () => {
  it('is let in by a name of this machine, with its port', () => {
    for (const host of ['127.0.0.1:81', 'localhost:81', 'LOCALHOST:81', '[::1]:81']) {
      assert.equal(refusal({ host }, 81), undefined)
    }
    assert.equal(refusal({ host: 'localhost', origin: 'http://localhost' }, 80), undefined)
  })

  it('is turned away by any other name, as a page has whose name was pointed here', () => {
    for (const host of [undefined, '', 'evil.example:81', '127.0.0.1:82', 'localhost', '127.0.0.1.evil.example:81']) {
      assert.match(refusal({ host }, 81) ?? '', /is no name of this server/)
    }
  })

  it('is turned away where it comes from another page', () => {
    const host = '127.0.0.1:81'
    assert.equal(refusal({ host, origin: 'http://127.0.0.1:81' }, 81), undefined)
    for (const origin of ['http://evil.example', 'https://127.0.0.1:81', 'http://127.0.0.1:82', 'null', 'file://']) {
      assert.equal(refusal({ host, origin }, 81), `pages of ${origin} may not connect here`)
    }
  })
})

describe('an address', () => {
  it('is of this machine, or not', () => {
    for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])
      assert.ok(isLoopback(address), address)
    for (const address of [undefined, '', '10.0.0.1', '::2', '127.0.0.1.example', '0.0.0.0']) {
      assert.ok(!isLoopback(address), String(address))
    }
    assert.ok(isLoopbackUrl('ws://127.0.0.1:50312') && isLoopbackUrl('ws://[::1]:1'))
    assert.ok(!isLoopbackUrl('ws://10.0.0.1:50312') && !isLoopbackUrl('memory:a'))
  })
})
