/** Two links made one: what is held for an end that does not read, and who is told of an end. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Bridge } from '../../lib/node/bridge.ts'
import { memoryPair } from '../../lib/transport/memory.ts'
import { turn } from '../support/arena.ts'
import { pattern } from '../support/link-duties.ts'
import { Tap } from '../support/tap.ts'

const MARK = 64 * 1024

function bridged() {
  const [client, near] = memoryPair()
  const [far, server] = memoryPair()
  const bridge = new Bridge(near, far, MARK)
  bridge.start()
  return { bridge, far, client: new Tap(client), server: new Tap(server) }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

it('holds no more than its mark and a chunk for a server that does not read, and lets all through afterwards', async () => {
  const { bridge, far, client, server } = bridged()
  server.link.pause()
  const bytes = pattern(1024 * 1024)
  for (let at = 0; at < bytes.length; at += 16_384) client.link.send(bytes.subarray(at, at + 16_384))
  await turns()
  assert.ok(far.unsentBytes > MARK / 2 && far.unsentBytes <= MARK + 16_384, `${far.unsentBytes} bytes are held`)
  assert.equal(client.link.unsentBytes, bytes.length - bridge.bytesUp)
  server.link.resume()
  await server.until(() => server.bytes === bytes.length)
  assert.ok(server.received().equals(bytes))
  assert.equal(bridge.bytesUp, bytes.length)
  client.link.close()
  await server.ended()
})

it('counts what small chunks cost besides their bytes', async () => {
  const { far, client, server } = bridged()
  server.link.pause()
  const bytes = pattern(20_000)
  for (let at = 0; at < bytes.length; at++) client.link.send(bytes.subarray(at, at + 1))
  await turns()
  assert.ok(far.unsentBytes <= MARK / 256, `${far.unsentBytes} chunks of one byte are held`)
  server.link.resume()
  await server.until(() => server.bytes === bytes.length)
  assert.ok(server.received().equals(bytes))
  client.link.close()
  await server.ended()
})

it('holds the server back for a client that does not read, and goes on carrying what the client sends', async () => {
  const { bridge, client, server } = bridged()
  client.link.pause()
  for (let sent = 0; sent < 32; sent++) server.link.send(pattern(16_384))
  client.link.send(Buffer.from('up'))
  await server.until(() => server.bytes === 2)
  await turns()
  assert.ok(bridge.bytesDown <= MARK + 16_384, `${bridge.bytesDown} bytes were taken`)
  client.link.resume()
  await client.until(() => client.bytes === 32 * 16_384)
  server.link.close()
  assert.equal(await client.ended(), 'complete')
  assert.equal(bridge.reason, 'the server finished')
})

it('is silent once neither end has sent a byte for the time, and is ended then', async () => {
  const { bridge, client, server } = bridged()
  assert.equal(bridge.silentFor(10, 20), false)
  server.link.send(Buffer.from('down'))
  await client.until(() => client.bytes === 4)
  assert.equal(bridge.silentFor(10, 20), false)
  assert.equal(bridge.silentFor(10, 20), false)
  assert.equal(bridge.silentFor(10, 20), true)
  bridge.end('silence', 4408, 'rpc_timeout')
  assert.equal(await client.ended(), 'complete')
  assert.equal(await server.ended(), 'complete')
  assert.equal(bridge.reason, 'silence')
})
