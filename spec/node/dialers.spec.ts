/** Addresses that are none: found where they are given, before anything is dialled. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { connect as connectInBrowser } from '../../lib/index.ts'
import { connect } from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'

after(expectNoLeaks)

const NONE: readonly [address: string, message: RegExp][] = [
  ['tcp://127.0.0.1', /is no tcp address: expected tcp:\/\/host:port/],
  ['tcp://127.0.0.1:65536', /is no tcp address/],
  ['tcp://127.0.0.1:0', /port 0 is for listening/],
  ['unix://relative', /is no unix address: expected unix:\/\/\/absolute\/path/],
  [`unix:///${'x'.repeat(120)}`, /a path of 121 bytes is over the 107/],
  ['ws://', /is no WebSocket address: expected ws:\/\/host:port\/path/],
  ['wss://127.0.0.1:65536', /is no WebSocket address/],
  ['http://127.0.0.1:1', /cannot dial http:\/\/127\.0\.0\.1:1: known are tcp:\/\//],
]

describe('connect', () => {
  for (const [address, message] of NONE) {
    it(`throws a TypeError for ${address.slice(0, 30)}`, () => {
      assert.throws(() => connect(address), { name: 'TypeError', message })
      assert.throws(() => connect(['tcp://127.0.0.1:1', address]), { name: 'TypeError', message })
    })
  }

  it('changes no address of a client where one of the new ones is none', async () => {
    const client = connect(['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'])
    for (const [address, message] of NONE) {
      assert.throws(() => client.updateAddresses(['tcp://127.0.0.1:3', address]), { name: 'TypeError', message })
    }
    assert.deepEqual(client.addresses, ['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'])
    await client.close()
  })

  it('throws a TypeError in a browser, too', () => {
    assert.throws(() => connectInBrowser('ws://'), { name: 'TypeError', message: /cannot dial ws:\/\/: expected ws:/ })
    assert.throws(() => connectInBrowser('tcp://127.0.0.1:1'), {
      name: 'TypeError',
      message: /razor-rx\/node tcp:\/\//,
    })
  })
})
