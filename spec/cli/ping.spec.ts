/** `razor ping`: round trips, with min, median and p99. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { summary } from '../../lib/cli/ping.ts'
import { run } from '../../lib/cli/run.ts'
import { RpcServer } from '../../lib/node/index.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'

const server = new RpcServer({})
let url = ''

before(async () => {
  url = (await server.listen('tcp://127.0.0.1:0')).address
})
after(async () => {
  await server.close()
  await expectNoLeaks()
})

describe('razor ping', () => {
  it('prints one JSON object to a pipe', async () => {
    const terminal = new FakeTerminal()
    terminal.step = 1.5
    assert.equal(await run(['ping', url, '--count', '3', '--interval', '20'], terminal), 0)
    assert.deepEqual(JSON.parse(terminal.out.text), { address: url, count: 3, minMs: 1.5, medianMs: 1.5, p99Ms: 1.5 })
  })

  it('prints a line per round trip to a terminal', async () => {
    const terminal = new FakeTerminal({ isTerminal: true })
    terminal.step = 2
    await run(['ping', url, '--count', '2', '--interval', '20'], terminal)
    const pong = `pong from ${url} in 2.000 ms\n`
    assert.equal(terminal.out.text, `${pong}${pong}2 round trips: min 2.000 ms, median 2.000 ms, p99 2.000 ms\n`)
  })

  it('takes nearest ranks', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
    assert.deepEqual(summary(hundred), { minMs: 1, medianMs: 50, p99Ms: 99 })
    assert.deepEqual(summary([0.1234567]), { minMs: 0.123, medianMs: 0.123, p99Ms: 0.123 })
  })

  it('fails where nobody answers, and pings no faster than a server allows', async () => {
    const refused = new FakeTerminal()
    assert.equal(await run(['ping', 'tcp://127.0.0.1:1'], refused), 1)
    assert.match(refused.err.text, /^razor: rpc_unreachable, executed no: .*\n$/)
    assert.equal(await run(['ping', url, '--interval', '5'], new FakeTerminal()), 2)
  })
})
