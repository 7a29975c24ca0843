/** What a server is told of limits and times. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RpcServer, SERVER_DEFAULTS } from '../../lib/index.ts'
import { serverConfig } from '../../lib/server/config.ts'

it('a server refuses a limit or a time that is no number, by name: NaN would turn it off', () => {
  for (const name of Object.keys(SERVER_DEFAULTS)) {
    for (const [value, shown] of [
      [Number.NaN, 'NaN'],
      [-1, '-1'],
      ['10', '"10"'],
      [10n, '10'],
    ] as const) {
      const message = new RegExp(`^${name} must be a number from [01] up, not ${shown}$`)
      assert.throws(() => new RpcServer({ [name]: value }), { name: 'TypeError', message })
    }
  }
  for (const name of ['tickMs', 'window', 'maxWindow', 'version']) {
    assert.throws(() => new RpcServer({ [name]: 0 }), { message: `${name} must be a number from 1 up, not 0` })
  }
})

it('a server takes its defaults for what is left out or undefined, and Infinity for no limit', () => {
  const options = { maxCalls: undefined, maxPerAddress: Number.POSITIVE_INFINITY, graceMs: 0, services: [] }
  assert.deepEqual(serverConfig(options as object), {
    ...SERVER_DEFAULTS,
    maxPerAddress: Number.POSITIVE_INFINITY,
    graceMs: 0,
  })
})
