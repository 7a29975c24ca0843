/**
 * The bytes that the Rust crates were recorded with: our server answers each request with the same bytes, our client writes
 * the same requests. Needs no Rust.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect as dialSocket, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { lastValueFrom } from 'rxjs'
import { parseTcp } from '../../lib/node/addresses.ts'
import { type Client, connect, RpcServer } from '../../lib/node/index.ts'
import { fromHex, toHex } from '../support/hex.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { outcomeOf, recordedCalls } from '../support/recorded-calls.ts'
import { type RustProxies, rustProxies, rustServices } from '../support/rust-services.ts'
import { type Vector, vectors } from '../support/vectors.ts'

/** The client id of the recorded file actions. */
const FILES_CLIENT_ID = 0x0102030405060708n

/**
 * Where our bytes are others, and must be: from offset 4 on of the response (`msg_len`, seq, `blob_len`, body). A JavaScript number does not
 * remember that it was a float32; a name without a dot is a method that is not there.
 */
const OTHER_RESPONSES: Readonly<Record<string, string>> = {
  'EchoService.f32 1.5': '09000000 2300000000000000 00000000 cb3ff8000000000000',
  'no dot in the action': `00000000 3a00000000000000 13000000 ${toHex(Buffer.from('rpc_method_notfound'))}`,
}

/** And the same for requests, from offset 24 on (`msg_len`, `blob_len`, action, message). */
const OTHER_REQUESTS: Readonly<Record<string, string>> = {
  'EchoService.f32 1.5': `09000000 00000000 ${toHex(Buffer.from('EchoService.f32'))} cb3ff8000000000000`,
}

const ourResponse = ({ name, response }: Vector): string =>
  name in OTHER_RESPONSES ? toHex(response.subarray(0, 4)) + toHex(fromHex(OTHER_RESPONSES[name]!)) : toHex(response)

const ourRequest = ({ name, request }: Vector): string =>
  name in OTHER_REQUESTS ? toHex(request.subarray(0, 24)) + toHex(fromHex(OTHER_REQUESTS[name]!)) : toHex(request)

/** The recording holds the calls of three connections. */
const services = vectors.filter(({ name }) => name !== 'ping' && !name.startsWith('fs '))
const files = vectors.filter(({ name }) => name.startsWith('fs '))
const ping = vectors.find(({ name }) => name === 'ping')!

/** All that comes until the far end finishes. */
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return toHex(Buffer.concat(chunks))
}

async function withOurServer(body: (send: (bytes: Uint8Array) => Promise<string>) => Promise<void>): Promise<void> {
  const server = new RpcServer(rustServices)
  const { address } = await server.listen('tcp://127.0.0.1:0')
  try {
    await body(async bytes => {
      const socket = dialSocket({ ...parseTcp(address), allowHalfOpen: true })
      socket.end(bytes)
      const answer = await readAll(socket)
      socket.destroy()
      return answer
    })
  } finally {
    await server.close({ waitMs: 0 })
  }
  await expectNoLeaks()
}

describe('our server, sent what the Rust client sent', () => {
  it('answers each request with the bytes of the Rust server', () =>
    withOurServer(async send => {
      for (const vector of vectors) assert.equal(await send(vector.request), ourResponse(vector), vector.name)
    }))

  it('answers all requests of a connection that come at once', () =>
    withOurServer(async send => {
      for (const connection of [services, files]) {
        const answers = await send(Buffer.concat(connection.map(({ request }) => request)))
        assert.equal(answers, connection.map(ourResponse).join(''))
      }
    }))
})

/** A far end that reads the requests of a recording and answers each with its response. */
async function withScript(
  script: readonly Vector[],
  body: (address: string) => Promise<void>,
): Promise<{ readonly got: string }> {
  let got = ''
  const server = createServer(async socket => {
    let step = 0
    let sent = ''
    socket.on('data', chunk => {
      got += toHex(chunk)
      // One call at a time: what came since the last answer is one request.
      while (step < script.length && got.length >= sent.length + ourRequest(script[step]!).length) {
        sent += ourRequest(script[step]!)
        socket.write(script[step]!.response)
        step++
      }
    })
    socket.on('error', error => assert.fail(error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await body(`tcp://127.0.0.1:${(server.address() as { port: number }).port}`)
  } finally {
    server.close()
  }
  await expectNoLeaks()
  return { got }
}

async function replay(client: Client, script: readonly Vector[]): Promise<void> {
  const proxies: RustProxies = rustProxies(client)
  for (const { name } of script) {
    const call = recordedCalls.find(recorded => recorded.name === name)
    assert.ok(call !== undefined, `no call is written down for ${name}`)
    assert.deepEqual(await outcomeOf(call.make(proxies)), call.outcome, name)
  }
  await client.close({ waitMs: 0 })
}

describe('our client, making the calls that the Rust client made', () => {
  it('writes the same requests, and understands the answers', async () => {
    const { got } = await withScript(services, address => replay(connect(address, { version: 1 }), services))
    assert.deepEqual(frames(got, services), services.map(ourRequest))
  })

  it('writes the same requests behind an offer that the server takes for a ping, one seq later', async () => {
    const offer = { ...ping, request: withOffer(withSeq(ping.request, 1)), response: withSeq(ping.response, 1) }
    const behind = services.map((vector, i) => ({
      ...vector,
      request: withSeq(vector.request, i + 2),
      response: withSeq(vector.response, i + 2),
    }))
    const script = [offer, ...behind]
    const { got } = await withScript(script, address => replay(connect(address), services))
    assert.deepEqual(frames(got, script), script.map(ourRequest))
  })

  it('writes the same file actions, with their blobs and its client id', async () => {
    const { got } = await withScript(files, address =>
      replay(connect(address, { clientId: FILES_CLIENT_ID, version: 1 }), files),
    )
    assert.deepEqual(frames(got, files), files.map(ourRequest))
  })

  it('writes the same ping', async () => {
    const pings = [1, 2, 3].map(seq => ({
      ...ping,
      request: withSeq(ping.request, seq),
      response: withSeq(ping.response, seq),
    }))
    const { got } = await withScript(pings, async address => {
      const client = connect(address, { version: 1 })
      for (const _ of pings) await lastValueFrom(client.ping(), { defaultValue: undefined })
      await client.close({ waitMs: 0 })
    })
    assert.equal(got.slice(-toHex(ping.request).length), toHex(ping.request))
  })

  it('covers the whole recording', () => {
    assert.deepEqual(recordedCalls.map(({ name }) => name).sort(), vectors.map(({ name }) => name).sort())
  })
})

/** `bytes` cut where the requests of `script` should end, so that a difference names its call. */
function frames(bytes: string, script: readonly Vector[]): string[] {
  let at = 0
  const cut = script.map(vector => {
    const { length } = ourRequest(vector)
    at += length
    return bytes.slice(at - length, at)
  })
  return at < bytes.length ? [...cut, bytes.slice(at)] : cut
}

function withOffer(frame: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(frame)
  copy[3] = 2
  return copy
}

function withSeq(frame: Uint8Array, seq: number): Uint8Array {
  const copy = Uint8Array.from(frame)
  copy[8] = seq
  return copy
}
