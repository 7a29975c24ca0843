/**
 * A server against clients that break the rules of frames: each gets its notice and its close code, and nobody else notices.
 */
import assert from 'node:assert/strict'
import { connect as connectSocket } from 'node:net'
import { describe } from 'node:test'
import { filter, firstValueFrom } from 'rxjs'
import type { RpcServerOptions } from '../../lib/node/index.ts'
import { atServer, type ServerArena, turn } from '../support/arena.ts'
import { concat, fromHex } from '../support/hex.ts'
import { bufferBytes, liveBufferBytes } from '../support/memory-use.ts'
import { ping, type RawRequest, request } from '../support/raw-frames.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { HALF_CLOSING, tcp, ws } from '../support/transports.ts'
import { offer, upHello } from '../support/v2-frames.ts'

const MIB = 1024 * 1024
const noise = fromHex('8f 3a 00 d1 7e')
const text = (of: string): Uint8Array => new TextEncoder().encode(of)
const str = (of: string): Uint8Array => concat([Uint8Array.of(0xa0 | of.length), text(of)])

/** The connection ends with this notice and this code; what came before it are the answers to these seqs. */
async function endsWith(peer: RawPeer, code: number, word: string, seqs: readonly number[] = []): Promise<void> {
  const end = await peer.ended()
  const answers = peer.answers
  assert.deepEqual(
    answers.map(each => Number(each.seq)),
    [...seqs, 0],
  )
  const last = answers.at(-1)!
  assert.deepEqual([last.flag, last.msgBytes, last.blob.toString()], [2, 0, word])
  assert.equal(end.how, 'finished')
  if (end.code !== undefined) assert.deepEqual([end.code, end.reason], [code, word])
}

/** What a raw client sends, and how its connection must end. */
interface Breach {
  readonly what: string
  readonly sends: () => readonly Uint8Array[]
  readonly code: number
  readonly word: string
  readonly logged: RegExp
  readonly seqs?: readonly number[]
  readonly options?: RpcServerOptions
}

function breach({ what, sends, code, word, logged, seqs, options = {} }: Breach): void {
  atServer(
    `answers ${what} with ${word}, ${code}`,
    async arena => {
      const peer = await arena.raw()
      peer.send(...sends())
      await endsWith(peer, code, word, seqs)
      assert.match(arena.logged, logged)
      assert.deepEqual(arena.lab.ran, [])
    },
    { options },
  )
}

/** A raw client sends one request, and gets one answer on a connection that goes on. */
function keeps(what: string, fields: RawRequest, flag: number, word: string): void {
  atServer(`answers ${what} with ${word || 'a success'}, and keeps the connection`, async arena => {
    const peer = await arena.raw()
    peer.send(request({ ...fields, seq: 3 }), request({ seq: 5, msg: str('next') }))
    const [first, second] = await peer.answered(2)
    assert.deepEqual([first!.seq, first!.flag, first!.blob.toString()], [3n, flag, word])
    assert.deepEqual([second!.seq, second!.flag, second!.msg.toString('latin1')], [5n, 0, '\xa4next'])
  })
}

describe('a server, by the row of the hostile table', () => {
  for (const [what, bytes] of [
    ['an HTTP request', text('GET / HTTP/1.1\r\n\r\n')],
    ['a TLS hello', fromHex('16 03 01 02 00 01 00')],
    ['noise', noise],
    ['two wrong bytes', fromHex('4d 25')],
  ] as const) {
    breach({
      what: `${what} (A1)`,
      sends: () => [bytes],
      code: 4400,
      word: 'rpc_protocol',
      logged: /frame starts with 0x[0-9a-f]{4}, not with the magic 0x4d25/,
    })
  }

  for (const ver of [0, 3, 255]) {
    breach({
      what: `version ${ver} (A2)`,
      sends: () => [request({ ver, seq: 9 })],
      code: 4406,
      word: 'rpc_invalid_ver',
      logged: new RegExp(`request 9 has version ${ver}, this end speaks 1 and 2`),
      seqs: [9],
    })
  }

  breach({
    what: 'version 3 with seq 0, which gets no answer beside the notice (A2)',
    sends: () => [request({ ver: 3, seq: 0 })],
    code: 4406,
    word: 'rpc_invalid_ver',
    logged: /request 0 has version 3/,
  })

  for (const [what, options] of [
    ['', {}],
    [', by a server that speaks version 1', { version: 1 }],
  ] as const) {
    for (const format of [0, 1, 7]) {
      breach({
        what: `version 2 of kind ${format} that was not agreed on (A2)${what}`,
        sends: () => [request({ ver: 2, format, seq: format === 7 ? 0 : 9 })],
        code: 4400,
        word: 'rpc_protocol',
        logged: /request \d has version 2, which was not agreed on/,
        options,
      })
    }
  }

  breach({
    what: 'version 2 behind an offer that a server of version 1 did not take (A2)',
    sends: () => [offer(1), upHello()],
    code: 4400,
    word: 'rpc_protocol',
    logged: /request 0 has version 2, which was not agreed on/,
    seqs: [1],
    options: { version: 1 },
  })

  for (const format of [1, 2, 255]) keeps(`format ${format} (A3)`, { format }, 0, '')

  for (const [what, fields, logged] of [
    [
      'a message of 4 GiB',
      { msgBytes: 0xffff_ffff },
      /message of request 1 is 4294967295 bytes, over maxMessageBytes 1048576/,
    ],
    [
      'a message one byte over',
      { msgBytes: MIB + 1 },
      /message of request 1 is 1048577 bytes, over maxMessageBytes 1048576/,
    ],
    [
      'a blob one byte over',
      { blobBytes: 16 * MIB + 1 },
      /blob of request 1 is 16777217 bytes, over maxBlobBytes 16777216/,
    ],
    [
      'an action name of 2 GiB',
      { actionBytes: 0x7fff_ffff },
      /action of request 1 is 2147483647 bytes, over maxActionBytes 256/,
    ],
    ['an action name one byte over', { actionBytes: 257 }, /action of request 1 is 257 bytes, over maxActionBytes 256/],
  ] as const) {
    breach({
      what: `${what}, from the head alone (${what.startsWith('an') ? 'A11' : 'A4'})`,
      sends: () => [request(fields).subarray(0, 32)],
      code: 4413,
      word: 'rpc_too_large',
      logged,
    })
  }

  atServer('holds and allocates nothing for the lengths of a head that it refuses (A4)', async arena => {
    const before = liveBufferBytes()
    let highest = 0
    for (let i = 0; i < 60; i++) {
      const peer = await arena.raw()
      peer.send(request(i % 2 === 0 ? { msgBytes: 0xffff_ffff } : { blobBytes: 0x7fff_ffff }).subarray(0, 32))
      await peer.ended()
      highest = Math.max(highest, bufferBytes() - before)
    }
    assert.ok(highest < 16 * MIB, `${highest} bytes`)
  })

  atServer('holds no more of a legal body than what came (A5)', async arena => {
    const before = liveBufferBytes()
    const peers = await Promise.all(Array.from({ length: 40 }, () => arena.raw()))
    for (const peer of peers) peer.send(request({ blobBytes: 16 * MIB }))
    for (let i = 0; i < 20; i++) {
      for (const peer of peers) peer.send(Uint8Array.of(i))
      await turn()
    }
    const grown = bufferBytes() - before
    assert.ok(grown < 24 * MIB, `${grown} bytes for 40 bodies of 16 MiB`)
    assert.deepEqual(arena.lab.ran, [])
  })

  breach({
    what: 'a body that stops (A5)',
    sends: () => [request({ msgBytes: 1000 })],
    code: 4408,
    word: 'rpc_timeout',
    logged: /41 of 1040 bytes of a frame came, and none in readTimeoutMs 40/,
    options: { tickMs: 10, readTimeoutMs: 40 },
  })

  breach({
    what: 'a head that stops (A5)',
    sends: () => [request().subarray(0, 11)],
    code: 4408,
    word: 'rpc_timeout',
    logged: /11 of 32 bytes of a frame came, and none in readTimeoutMs 40/,
    options: { tickMs: 10, readTimeoutMs: 40 },
  })

  for (const blobBytes of [0x8000_0000, 0xffff_ffff]) {
    breach({
      what: `a blob length of ${blobBytes} (A6)`,
      sends: () => [request({ blobBytes })],
      code: 4400,
      word: 'rpc_protocol',
      logged: new RegExp(`request 1 has a blob length of ${blobBytes | 0}, below 0`),
    })
  }

  keeps('an action name of no bytes (A11)', { action: '' }, 2, 'rpc_method_notfound')
  keeps('an action name of 256 bytes (A11)', { action: 'x'.repeat(256) }, 2, 'rpc_method_notfound')

  for (const action of [
    '__proto__',
    'constructor',
    'toString',
    '\0',
    'echo',
    'Lab.',
    'Lab.nothing',
    'Lab.__proto__',
    8,
  ]) {
    keeps(`the action ${JSON.stringify(action)} (A12)`, { action }, 2, 'rpc_method_notfound')
  }
  keeps('an action name that is not UTF-8 (A12)', { action: fromHex('4c 61 62 2e ff') }, 2, 'rpc_decode')

  keeps('action 0 with a message (A13)', { action: 0 }, 2, 'rpc_method_notfound')
  keeps('action 0 with a blob (A13)', { action: 0, msg: noise.subarray(5), blob: noise }, 2, 'rpc_method_notfound')

  atServer('answers a hundred pings in a second, and the next with rpc_busy, 4429 (A14)', async arena => {
    const peer = await arena.raw()
    peer.send(concat(Array.from({ length: 101 }, (_, i) => ping(i + 1))))
    await endsWith(
      peer,
      4429,
      'rpc_busy',
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
    assert.match(arena.logged, /101 pings came within a second, maxPingsPerSecond is 100/)
  })

  const several = concat([
    request({ seq: 1, msg: str('one') }),
    ping(2),
    request({ seq: 7, action: 'Lab.blob', msg: str('two'), blob: noise }),
    request({ seq: 8, action: 7, msg: new Uint8Array(0) }),
    request({ seq: 9, action: 'Lab.lost' }),
  ])

  atServer('gives the same answers however the frames are cut (A15)', async arena => {
    const whole = await arena.raw()
    whole.send(several)
    await whole.answered(5)
    const expected = whole.received
    for (let cut = 1; cut < several.length; cut++) {
      const peer = await arena.raw()
      peer.send(several.subarray(0, cut))
      await turn()
      peer.send(several.subarray(cut))
      await peer.answered(5)
      assert.ok(peer.received.equals(expected), `cut at byte ${cut}`)
      peer.reset()
    }
    const single = await arena.raw()
    for (let at = 0; at < several.length; at++) single.send(several.subarray(at, at + 1))
    await single.answered(5)
    assert.ok(single.received.equals(expected), 'byte by byte')
  })

  atServer('takes 8 MiB in pieces of 1,448 bytes (A15)', async arena => {
    const peer = await arena.raw()
    const blob = new Uint8Array(8 * MIB).map((_, i) => i * 7 + (i >> 8))
    const bytes = request({ action: 'Lab.blob', blob })
    for (let at = 0; at < bytes.length; at += 1448) peer.send(bytes.subarray(at, at + 1448))
    // Not parsed at each chunk: that would be the spec's own square of the length.
    await peer.until(() => peer.bytes === 20 + 1 + blob.length)
    assert.equal(peer.answers[0]!.blob.equals(blob), true)
  })

  atServer('answers a good frame, then refuses the garbage behind it (A17)', async arena => {
    const peer = await arena.raw()
    peer.send(concat([request({ seq: 1, msg: str('good') }), noise]))
    await endsWith(peer, 4400, 'rpc_protocol', [1])
    assert.equal(arena.lab.inputs[0], 'good')
  })

  atServer('stops a handler that still runs when garbage comes (A17)', async arena => {
    const peer = await arena.raw()
    peer.send(concat([request({ action: 'Lab.hold' }), noise]))
    await endsWith(peer, 4400, 'rpc_protocol')
    assert.deepEqual([arena.lab.tornDown, arena.lab.aborted], [1, 1])
  })

  atServer(
    'refuses a text message with 4400 (A18)',
    async arena => {
      const peer = await arena.raw()
      peer.sendText('hello')
      const end = await peer.ended()
      assert.deepEqual(end, { how: 'finished', code: 4400, reason: 'rpc_protocol' })
      assert.match(arena.logged, /a text message of 5 characters/)
    },
    { on: [ws] },
  )

  atServer(
    'answers a thousand frames in one message (A18)',
    async arena => {
      const peer = await arena.raw()
      peer.send(concat(Array.from({ length: 1000 }, (_, i) => request({ seq: i + 1 }))))
      await peer.until(() => peer.bytes === 1000 * 21)
      assert.equal(peer.answers.length, 1000)
    },
    { on: [ws, tcp] },
  )

  breach({
    what: 'a connection that says nothing (A23)',
    sends: () => [],
    code: 4408,
    word: 'rpc_timeout',
    logged: /no byte came for 50 ms/,
    options: { tickMs: 10, idleTimeoutMs: 50 },
  })

  for (const [part, cut] of [
    ['head', 17],
    ['action name', 35],
    ['message', 41],
    ['blob', 48],
  ] as const) {
    const partial = request({ action: 'Lab.blob', msg: str('part'), blob: noise, seq: 2 }).subarray(0, cut)
    atServer(
      `drops a frame that a FIN ends in its ${part}, and answers the one before it (A24)`,
      async arena => {
        const peer = await arena.raw()
        peer.send(request({ msg: str('whole') }), partial)
        peer.finish()
        await peer.ended()
        assert.deepEqual(
          peer.answers.map(each => each.seq),
          [1n],
        )
        assert.deepEqual(arena.lab.inputs, ['whole'])
      },
      { on: HALF_CLOSING },
    )
    atServer(`dispatches no frame that a reset cuts in its ${part} (A24)`, async arena => {
      const peer = await arena.raw()
      peer.send(partial)
      await turn()
      peer.reset()
      await gone(arena)
      assert.deepEqual(arena.lab.ran, [])
    })
  }

  atServer(
    'answers what came before a half-close, at once or later, and closes behind the last answer (A24)',
    async arena => {
      const peer = await arena.raw()
      peer.send(concat([request({ seq: 1, action: 'Lab.hold' }), request({ seq: 2, msg: str('now') })]))
      peer.finish()
      await peer.answered(1)
      await arena.lab.holds(1)
      arena.lab.held[0]!.next('later')
      assert.deepEqual(await peer.ended(), { how: 'finished' })
      assert.deepEqual(
        peer.answers.map(each => each.seq),
        [2n, 1n],
      )
      assert.equal(arena.logged, '')
    },
    { on: HALF_CLOSING },
  )

  atServer(
    'answers a request that came together with the FIN (A24)',
    async arena => {
      for (let i = 0; i < 20; i++) {
        const socket = connectSocket(whereOf(arena.address))
        const chunks: Buffer[] = []
        socket.on('data', chunk => chunks.push(chunk))
        socket.end(request({ msg: str('all') }))
        await new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject))
        assert.equal(Buffer.concat(chunks).length, 24)
      }
    },
    { on: HALF_CLOSING },
  )

  atServer('refuses the seq of a call that runs with 4409, and ran it once (C1)', async arena => {
    const peer = await arena.raw()
    peer.send(request({ seq: 4, action: 'Lab.hold' }), request({ seq: 4, action: 'Lab.hold' }))
    await endsWith(peer, 4409, 'rpc_protocol')
    assert.match(arena.logged, /request 4 has the seq of a call that still runs/)
    assert.deepEqual([arena.lab.ran.length, arena.lab.tornDown], [1, 1])
  })

  for (const [what, seqs, logged] of [
    ['seq 0', [0], /request has seq 0, the highest before it was 0/],
    ['a seq that goes back', [5, 4], /request has seq 4, the highest before it was 5/],
    ['the seq of an answered call', [5, 5], /request has seq 5, the highest before it was 5/],
    ['a ping that goes back', [5, -3], /request has seq 3, the highest before it was 5/],
  ] as const) {
    atServer(`refuses ${what} with 4400 (C2)`, async arena => {
      const peer = await arena.raw()
      peer.send(...seqs.map(seq => (seq < 0 ? ping(-seq) : request({ seq }))))
      await endsWith(peer, 4400, 'rpc_protocol', seqs.slice(0, -1))
      assert.match(arena.logged, logged)
    })
  }

  atServer('keeps seqs of 64 bits exact, and their order (C2)', async arena => {
    const peer = await arena.raw()
    const seqs = [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 2n, 2n ** 64n - 1n]
    for (const seq of seqs) peer.send(request({ seq, action: 'Lab.hold' }))
    await arena.lab.holds(seqs.length)
    for (const each of [...arena.lab.held].reverse()) each.next(null)
    const answers = await peer.answered(seqs.length)
    assert.deepEqual(
      answers.map(each => each.seq),
      [...seqs].reverse(),
    )
    peer.send(request({ seq: 2n ** 64n - 1n }))
    await peer.ended()
    assert.match(arena.logged, /request has seq 18446744073709551615, the highest before it was 18446744073709551615/)
  })

  atServer(
    'pauses a connection of version 1 beyond maxCallsPerConnection, answers its 10,000 requests, and never runs more at once (C5)',
    async arena => {
      const peer = await arena.raw()
      const many = 10_000
      peer.send(concat(Array.from({ length: many }, (_, i) => request({ seq: i + 1, action: 'Lab.hold' }))))
      const { lab } = arena
      for (let ran = 0; ran < many; ran += 100) {
        await lab.holds(100)
        await turn()
        assert.equal(lab.ran.length, ran + 100)
        assert.equal(arena.server.stats().calls - 100 <= 1, true)
        for (const each of [...lab.held]) each.next(null)
      }
      await peer.until(() => peer.bytes === many * 21)
      assert.equal(lab.tornDown, many)
    },
    { options: { maxCallsPerConnection: 100 } },
  )
})

/** Waits until the witness's connection is the only one. */
async function gone({ server }: ServerArena): Promise<void> {
  await firstValueFrom(server.connections$.pipe(filter(count => count <= 1)))
}

function whereOf(
  address: string,
): { host: string; port: number; allowHalfOpen: true } | { path: string; allowHalfOpen: true } {
  if (address.startsWith('unix:')) return { path: address.slice('unix://'.length), allowHalfOpen: true }
  const { hostname, port } = new URL(address)
  return { host: hostname, port: Number(port), allowHalfOpen: true }
}
