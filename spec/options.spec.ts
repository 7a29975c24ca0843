/** What a client, a server and a gateway are told of limits and times. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CLIENT_DEFAULTS, connect, GATEWAY_DEFAULTS, Gateway, RpcServer, SERVER_DEFAULTS } from '../lib/node/index.ts'
import { withDefaults } from '../lib/options.ts'

const AT_LEAST_ONE = ['tickMs', 'window', 'maxWindow', 'version', 'thresholds', 'maxConnections']

const ALL: readonly [name: string, defaults: object, make: (options: object) => unknown][] = [
  ['a client', CLIENT_DEFAULTS, options => connect('memory:options', options)],
  ['a client of several addresses', CLIENT_DEFAULTS, options => connect(['memory:a', 'memory:b'], options)],
  ['a server', SERVER_DEFAULTS, options => new RpcServer(options)],
  ['a gateway', GATEWAY_DEFAULTS, options => new Gateway({ targets: 'tcp://127.0.0.1:4000', ...options })],
]

for (const [who, defaults, make] of ALL) {
  describe(who, () => {
    const numbers = Object.entries(defaults).filter(([, value]) => typeof value === 'number')

    it('refuses a limit or a time that is no number, by name: NaN would turn it off', () => {
      assert.ok(numbers.length >= 5)
      for (const [name] of numbers) {
        for (const [value, shown] of [
          [Number.NaN, 'NaN'],
          [-1, '-1'],
          ['10', '"10"'],
          [10n, '10'],
        ] as const) {
          const message = new RegExp(`^${name} must be a number from [01] up, not ${shown}$`)
          assert.throws(() => make({ [name]: value }), { name: 'TypeError', message })
        }
      }
    })

    it('refuses 0 where nothing would ever go', () => {
      for (const name of AT_LEAST_ONE.filter(name => name in defaults)) {
        assert.throws(() => make({ [name]: 0 }), { message: `${name} must be a number from 1 up, not 0` })
      }
    })

    it('takes its defaults for what is left out or undefined, and Infinity for no limit', () => {
      const [first, second, third] = numbers.map(([name]) => name) as [string, string, string]
      const options = { [first]: undefined, [second]: Number.POSITIVE_INFINITY, [third]: 1, other: 'x' }
      assert.deepEqual(withDefaults(defaults, options as object), {
        ...defaults,
        [second]: Number.POSITIVE_INFINITY,
        [third]: 1,
      })
      make({ [first]: undefined })
    })
  })
}
