/**
 * How connections are counted by where they come from.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { of, Subject } from 'rxjs'
import { type Link, RpcServer } from '../../lib/node/index.ts'
import { networkOf, tooMany } from '../../lib/server/admission.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { RecordingLink } from '../support/recording-link.ts'

const LIMITS = { maxServerConnections: 5, maxPerAddress: 2 }

/** A link from somewhere else, which says how it was closed. */
class FarLink extends RecordingLink {
  override readonly address: string
  override readonly chunks$: Subject<Uint8Array> = new Subject<Uint8Array>()
  readonly closes: number[] = []

  constructor(address: string) {
    super()
    this.address = address
  }

  override close(code?: number): void {
    this.closes.push(code ?? 0)
  }
}

/** What one more from `address` is told where these are open. */
function told(address: string, ...open: readonly string[]): string | undefined {
  return tooMany(networkOf(address), new Set(open.map(each => ({ network: networkOf(each) }))), LIMITS)
}

describe('a limit by address', () => {
  it('counts ports of one IPv4 address together, and other addresses not', () => {
    const two = ['tcp://10.0.0.1:1', 'ws://10.0.0.1:2']
    assert.equal(told('wss://10.0.0.1:3', ...two), '2 connections are open from 10.0.0.1, maxPerAddress is 2')
    assert.equal(told('tcp://10.0.0.11:3', ...two), undefined)
    assert.equal(told('tcp://10.0.0.1:3', 'tcp://10.0.0.1:1'), undefined)
  })

  it('counts the addresses of one IPv6 network together, however they are written', () => {
    const two = ['tcp://[2001:db8:0:7::1]:1', 'tcp://[2001:db8:0:7:aaaa:bbbb:cccc:dddd]:1']
    assert.equal(
      told('ws://[2001:db8:0:7:1::]:9', ...two),
      '2 connections are open from 2001:db8:0:7::/64, maxPerAddress is 2',
    )
    assert.equal(told('tcp://[2001:db8:0:8::1]:1', ...two), undefined)
    assert.equal(networkOf('tcp://[2001:db8::1]:1'), '2001:db8:0:0::/64')
    assert.equal(networkOf('tcp://[2001:db8:0:0:1::]:1'), '2001:db8:0:0::/64')
    assert.equal(networkOf('tcp://[::2]:1'), '0:0:0:0::/64')
  })

  it('leaves this machine out, but not out of all', () => {
    const here = ['tcp://127.0.0.1:1', 'ws://[::1]:2', 'unix:///run/a.sock', 'memory:a', 'tcp://127.8.9.10:1']
    for (const address of here) assert.equal(networkOf(address), undefined)
    assert.equal(told('tcp://127.0.0.1:9', 'tcp://127.0.0.1:1', 'tcp://127.0.0.1:2', 'ws://[::1]:2'), undefined)
    assert.equal(told('tcp://127.0.0.1:9', ...here), '5 connections are open, maxServerConnections is 5')
  })
})

describe('a server', () => {
  it('closes one connection too many of an IPv6 network with 4429, and takes one when another has gone', async () => {
    const links$ = new Subject<Link>()
    const logged: string[] = []
    const logger = {
      error: () => {},
      warn: (_fields: object, message: string) => logged.push(message),
      info: () => {},
      debug: () => {},
    }
    const server = new RpcServer({ maxPerAddress: 2, logger })
    await server.listen({ listen: () => of({ address: 'tcp://[2001:db8::5]:1', links$ }) })
    const come = (address: string): FarLink => {
      const link = new FarLink(address)
      links$.next(link)
      return link
    }
    const first = come('tcp://[2001:db8::1]:1')
    const others = [come('tcp://[2001:db8::2]:1'), come('tcp://[2001:db8:1::3]:1')]
    const refused = come('tcp://[2001:db8::3]:1')
    assert.deepEqual(
      [first, ...others, refused].map(({ closes }) => closes),
      [[], [], [], [4429]],
    )
    assert.deepEqual(logged, ['2 connections are open from 2001:db8:0:0::/64, maxPerAddress is 2'])
    refused.chunks$.complete()
    first.chunks$.complete()
    assert.deepEqual(come('tcp://[2001:db8::4]:1').closes, [])
    await server.close({ waitMs: 0 })
    await expectNoLeaks()
  })
})
