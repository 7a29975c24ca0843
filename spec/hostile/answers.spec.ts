/**
 * A client against servers that break the rules: its calls end once each, with an error that says what came, and nobody else
 * notices.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { type ConnectOptions, UserError } from '../../lib/node/index.ts'
import { atClient, type ClientArena, follow, type Outcome, turn } from '../support/arena.ts'
import { concat, fromHex } from '../support/hex.ts'
import { bufferBytes, liveBufferBytes } from '../support/memory-use.ts'
import { notice, type RawResponse, response } from '../support/raw-frames.ts'
import type { RawPeer } from '../support/raw-peer.ts'
import { ws } from '../support/transports.ts'

const MIB = 1024 * 1024
const NIL = Uint8Array.of(0xc0)

/** A client with two calls in flight, and the server's end of them. */
async function twoCalls({ client, raw }: ClientArena): Promise<{ calls: [Outcome, Outcome]; peer: RawPeer }> {
  const calls: [Outcome, Outcome] = [
    follow(client.call({ action: 'Lab.first' })),
    follow(client.call({ action: 'Lab.second' })),
  ]
  const peer = await raw.peer(0)
  await peer.wasAsked(2)
  return { calls, peer }
}

/** What a server sends while two calls are in flight, and how both end. */
interface Breach {
  readonly what: string
  readonly sends: () => readonly Uint8Array[]
  readonly code: number
  readonly word: string
  readonly message: RegExp
  readonly options?: ConnectOptions
}

function breach({ what, sends, code, word, message, options = {} }: Breach): void {
  atClient(
    `fails its calls with rpc_io_err and closes with ${code} at ${what}`,
    async arena => {
      const { calls, peer } = await twoCalls(arena)
      peer.send(...sends())
      for (const call of calls) {
        const error = await call.failsWith('rpc_io_err', message, 'maybe')
        assert.notEqual(error.cause, undefined)
      }
      const end = await peer.ended()
      if (arena.transport.name === 'ws') assert.deepEqual(end, { how: 'finished', code, reason: word })
      assert.match(arena.logged, message)
      assert.deepEqual(arena.client.stats().inFlight, 0)

      // The next call dials anew, and its answer comes.
      const again = follow(arena.client.call({ action: 'Lab.again' }))
      const second = await arena.raw.peer(1)
      const [asked] = await second.wasAsked(1)
      second.send(response({ seq: asked!.seq, msg: Uint8Array.of(42) }))
      assert.deepEqual((await again.answers()).value, 42)
    },
    { options },
  )
}

/** What a server sends as the answer to the first of two calls; the second is answered behind it, on the same connection. */
function keeps(what: string, fields: RawResponse, judge: (call: Outcome<any>) => Promise<unknown>): void {
  atClient(`${what}, and keeps the connection`, async arena => {
    const { calls, peer } = await twoCalls(arena)
    peer.send(response({ ...fields, seq: 1 }), response({ seq: 2, msg: Uint8Array.of(42) }))
    await judge(calls[0])
    assert.equal(((await calls[1].answers()) as { value: unknown }).value, 42)
    assert.equal(peer.end, undefined)
    assert.equal(arena.logged, '')
  })
}

describe('a client, by the row of the hostile table', () => {
  for (const [what, magic] of [
    ['an HTTP answer', 0x5448],
    ['a TLS alert', 0x0315],
  ] as const) {
    breach({
      what: `${what}, at its second byte (A1)`,
      sends: () => [response({ magic }).subarray(0, 2)],
      code: 4400,
      word: 'rpc_protocol',
      message: /frame starts with 0x[0-9a-f]{4}, not with the magic 0x4d25/,
    })
  }

  for (const ver of [0, 3, 255]) {
    breach({
      what: `version ${ver} (A2)`,
      sends: () => [response({ ver, msg: NIL })],
      code: 4406,
      word: 'rpc_invalid_ver',
      message: new RegExp(`response 1 has version ${ver}, this end speaks 1 and 2`),
    })
  }

  for (const flag of [0, 3, 7, 9]) {
    breach({
      what: `version 2 of kind ${flag} that was not agreed on (A2)`,
      sends: () => [response({ ver: 2, flag, seq: flag < 7 ? 1 : 0, msg: NIL })],
      code: 4400,
      word: 'rpc_protocol',
      message: /response \d has version 2, which was not agreed on/,
    })
  }

  breach({
    what: 'an answer that stops in its body (A5)',
    sends: () => [response({ msg: NIL, msgBytes: 1000 })],
    code: 4408,
    word: 'rpc_timeout',
    message: /21 of 1020 bytes of a frame came, and none in readTimeoutMs 40/,
    options: { tickMs: 10, readTimeoutMs: 40 },
  })

  for (const [what, fields, code, message] of [
    ['a negative blob length', { blobBytes: 0xffff_ffff }, 4400, /response 1 has a blob length of -1, below 0/],
    ['the most negative blob length', { blobBytes: 0x8000_0000 }, 4400, /a blob length of -2147483648, below 0/],
    [
      'a blob one byte over its limit',
      { blobBytes: 16 * MIB + 1 },
      4413,
      /blob of response 1 is 16777217 bytes, over maxBlobBytes 16777216/,
    ],
    ['the largest blob length', { blobBytes: 0x7fff_ffff }, 4413, /is 2147483647 bytes, over maxBlobBytes 16777216/],
    ['a message of 4 GiB', { msgBytes: 0xffff_ffff }, 4413, /is 4294967295 bytes, over maxMessageBytes 1048576/],
    [
      'an error body over its limit',
      { flag: 2, blobBytes: MIB + 1 },
      4413,
      /error body of response 1 is 1048577 bytes/,
    ],
  ] as const) {
    breach({
      what: `${what} (A7, A21)`,
      sends: () => [response(fields)],
      code,
      word: code === 4400 ? 'rpc_protocol' : 'rpc_too_large',
      message,
    })
  }

  atClient(
    'holds and allocates nothing for the lengths of a head that it refuses (A7, A21)',
    async ({ client, raw }) => {
      const before = liveBufferBytes()
      let highest = 0
      for (let i = 0; i < 60; i++) {
        const call = follow(client.call({ action: 'Lab.first' }))
        const peer = await raw.peer(i)
        await peer.wasAsked(1)
        peer.send(response(i % 2 === 0 ? { msgBytes: 0xffff_ffff } : { blobBytes: 0x7fff_ffff }))
        await call.failsWith('rpc_io_err', /over max(Message|Blob)Bytes/)
        highest = Math.max(highest, bufferBytes() - before)
      }
      assert.ok(highest < 16 * MIB, `${highest} bytes`)
    },
  )

  for (const errno of [0, 5, 1_048_575, 0xffff_ffff]) {
    keeps(`reads errno ${errno} as a number, never as a length (A8)`, { flag: 1, msgBytes: errno }, async call => {
      const error = await call.failsWith('user', new RegExp(`Lab.first failed with errno ${errno}`), 'yes')
      assert.equal((error as UserError).value, errno)
    })
  }

  for (const flag of [3, 4, 127, 128, 255]) {
    breach({
      what: `flag ${flag} (A9)`,
      sends: () => [response({ flag })],
      code: 4400,
      word: 'rpc_protocol',
      message: new RegExp(`response 1 has the unknown flag ${flag}`),
    })
  }
  breach({
    what: 'an errno with a blob (A9)',
    sends: () => [response({ flag: 1, msgBytes: 5, blob: 'x' })],
    code: 4400,
    word: 'rpc_protocol',
    message: /errno response 1 has a blob of 1 bytes/,
  })
  breach({
    what: 'an error with a message (A9)',
    sends: () => [response({ flag: 2, msg: NIL, blob: 'x' })],
    code: 4400,
    word: 'rpc_protocol',
    message: /error response 1 has a message of 1 bytes/,
  })

  for (const [what, blob, value] of [
    ['an empty text', '', ''],
    ['a text that is not UTF-8', fromHex('61 ff 62'), 'a\ufffdb'],
    ['a text with the reserved prefix', 'rpc_mine', 'rpc_mine'],
    ['a code of later versions', 'rpc_busy', 'rpc_busy'],
    ['a code with something behind it', 'rpc_timeout: late', 'rpc_timeout: late'],
  ] as const) {
    keeps(`reads ${what} as the handler's error (A10)`, { flag: 2, blob }, async call => {
      const error = await call.failsWith('user', /^Lab.first failed: /, 'yes')
      assert.ok(error instanceof UserError, String(error))
      assert.equal(error.value, value)
    })
  }

  for (const [word, executed] of [
    ['rpc_method_notfound', 'no'],
    ['rpc_service_notfound', 'no'],
    ['rpc_unreachable', 'yes'],
    ['rpc_io_err', 'yes'],
    ['rpc_timeout', 'yes'],
    ['rpc_encode', 'yes'],
    ['rpc_decode', 'yes'],
    ['rpc_internal_err', 'yes'],
    ['rpc_invalid_ver', 'yes'],
  ] as const) {
    keeps(`reads ${word} as that internal error (A10)`, { flag: 2, blob: word }, call =>
      call.failsWith(word, new RegExp(`^Lab.first was answered with ${word}$`), executed),
    )
  }

  atClient('reads the same answers however they are cut (A15)', async arena => {
    const frames = concat([
      response({ seq: 2, flag: 2, blob: 'no' }),
      response({ seq: 3, msg: fromHex('a3 61 62 63'), blob: 'bytes' }),
      response({ seq: 1, flag: 1, msgBytes: 77 }),
    ])
    for (let cut = 1; cut < frames.length; cut++) {
      const calls = ['a', 'b', 'c'].map(action => follow(arena.client.call({ action })))
      const peer = await arena.raw.peer(cut - 1)
      await peer.wasAsked(3)
      peer.send(frames.subarray(0, cut))
      await turn()
      peer.send(frames.subarray(cut))
      await calls[0]!.failsWith('user', /errno 77/)
      await calls[1]!.failsWith('user', /failed: no/)
      const reply = await calls[2]!.answers()
      assert.deepEqual([reply.value, Buffer.from(reply.blob).toString()], ['abc', 'bytes'], `cut at byte ${cut}`)
      peer.reset()
      await Promise.resolve()
      // So that the next call dials.
      while (arena.log.length < cut) await turn()
    }
  })

  atClient('reads an answer that comes byte by byte (A15)', async arena => {
    const { calls, peer } = await twoCalls(arena)
    const frames = concat([response({ seq: 2, blob: 'two' }), response({ seq: 1, msg: fromHex('93 01 02 03') })])
    for (let at = 0; at < frames.length; at++) peer.send(frames.subarray(at, at + 1))
    assert.deepEqual(((await calls[0].answers()) as { value: unknown }).value, [1, 2, 3])
    await calls[1].answers()
  })

  atClient('delivers a good answer, then fails the other call at the garbage behind it (A17)', async arena => {
    const { calls, peer } = await twoCalls(arena)
    peer.send(concat([response({ seq: 2, msg: NIL }), fromHex('8f 3a 00')]))
    await calls[1].answers()
    await calls[0].failsWith('rpc_io_err', /frame starts with 0x3a8f/, 'maybe')
  })

  atClient(
    'closes with 4400 at a text message (A18)',
    async arena => {
      const { calls, peer } = await twoCalls(arena)
      peer.sendText('hello')
      for (const call of calls) await call.failsWith('rpc_io_err', /a text message of 5 characters/, 'maybe')
      assert.equal((await peer.ended()).code, 4400)
    },
    { on: [ws] },
  )

  for (const [what, cut] of [
    ['between frames', 0],
    ['inside a head', 11],
    ['inside a message', 23],
    ['inside a blob', 27],
  ] as const) {
    const part = response({ seq: 1, msg: fromHex('a3 61 62 63'), blob: 'bytes' }).subarray(0, cut)
    atClient(`fails its calls with rpc_io_err when the server finishes ${what} (A24)`, async arena => {
      const { calls, peer } = await twoCalls(arena)
      if (cut > 0) peer.send(part)
      peer.finish()
      for (const call of calls)
        await call.failsWith('rpc_io_err', /lost its connection: .* closed the connection/, 'maybe')
    })
    atClient(`fails its calls with rpc_io_err when the server is lost ${what} (A24)`, async arena => {
      const { calls, peer } = await twoCalls(arena)
      if (cut > 0) peer.send(part)
      await turn()
      peer.reset()
      for (const call of calls) await call.failsWith('rpc_io_err', /lost its connection: .*(lost|closed)/, 'maybe')
    })
  }

  for (const seq of [3, 1000, 2n ** 53n, 2n ** 64n - 1n]) {
    breach({
      what: `an answer to seq ${seq}, which was never sent (C3)`,
      sends: () => [response({ seq, msg: NIL })],
      code: 4400,
      word: 'rpc_protocol',
      message: new RegExp(`response has seq ${seq}, the highest sent is 2`),
    })
  }

  atClient('drops a second answer, counts it, and tells its caller one end (C4)', async arena => {
    const { calls, peer } = await twoCalls(arena)
    peer.send(
      response({ seq: 1, msg: NIL }),
      response({ seq: 1, flag: 2, blob: 'again' }),
      response({ seq: 1, flag: 1 }),
    )
    peer.send(response({ seq: 2, msg: NIL }))
    await calls[0].answers()
    await calls[1].answers()
    assert.deepEqual([calls[0].ends, calls[0].values.length], [1, 1])
    assert.equal(arena.client.stats().lateAnswers, 2)
    assert.equal(peer.end, undefined)
  })

  atClient(
    'drops an answer that comes after the timeout, with its blob, and counts it (C4)',
    async arena => {
      const late = follow(arena.client.call({ action: 'Lab.late', timeoutMs: 20 }))
      await late.failsWith('rpc_timeout', /Lab.late was not answered within 20 ms/, 'maybe')
      const next = follow(arena.client.call({ action: 'Lab.next' }))
      const peer = await arena.raw.peer(0)
      await peer.wasAsked(2)
      peer.send(response({ seq: 1, msg: NIL, blob: 'x'.repeat(100_000) }), response({ seq: 2, msg: Uint8Array.of(9) }))
      assert.equal((await next.answers()).value, 9)
      assert.equal(arena.client.stats().lateAnswers, 1)
      assert.equal(late.ends, 1)
    },
    { options: { tickMs: 20 } },
  )

  atClient('takes any answer to a ping for a pong', async arena => {
    for (const [i, fields] of [{ msg: NIL }, { flag: 1, msgBytes: 5 }, { flag: 2, blob: 'no' }].entries()) {
      const pinged = follow(arena.client.ping())
      const peer = await arena.raw.peer(0)
      const asked = await peer.wasAsked(i + 1)
      assert.deepEqual([asked[i]!.action, asked[i]!.msg.length], [0, 0])
      peer.send(response({ ...fields, seq: i + 1 }))
      await pinged.over
      assert.deepEqual([pinged.error, pinged.ends], [undefined, 1])
    }
  })

  for (const [word, code] of [
    ['rpc_draining', 'rpc_draining'],
    ['rpc_busy', 'rpc_busy'],
    ['something new', 'rpc_io_err'],
  ] as const) {
    atClient(`gives the notice ${word} as the cause of the calls that end with the connection`, async arena => {
      const { calls, peer } = await twoCalls(arena)
      peer.send(notice(word))
      peer.finish()
      for (const call of calls) {
        const error = await call.failsWith('rpc_io_err', new RegExp(`closes the connection: ${word}`), 'maybe')
        assert.equal((error.cause as { code?: string }).code, code)
      }
      assert.match(arena.logged, new RegExp(word))
    })
  }

  atClient('still takes answers behind a notice, and sends no new call on that connection', async arena => {
    const { calls, peer } = await twoCalls(arena)
    peer.send(notice('rpc_draining'), response({ seq: 2, msg: NIL }))
    await calls[1].answers()
    const next = follow(arena.client.call({ action: 'Lab.next' }))
    const other = await arena.raw.peer(1)
    await other.wasAsked(1)
    assert.equal(peer.asked.length, 2)
    peer.send(response({ seq: 1, msg: NIL }))
    await calls[0].answers()
    other.send(response({ seq: 1, msg: Uint8Array.of(1) }))
    assert.equal((await next.answers()).value, 1)
    // Nothing is left to wait for there.
    await peer.ended()
  })

  atClient(
    'sends what still waits for a slot at a notice over another connection, never over that one',
    async arena => {
      const [sent, waiting] = [1, 2].map(i => follow(arena.client.call({ action: `Lab.call${i}` }))) as [
        Outcome,
        Outcome,
      ]
      const peer = await arena.raw.peer(0)
      await peer.wasAsked(1)
      peer.send(notice('rpc_draining'))
      const next = await arena.raw.peer(1)
      await next.wasAsked(1)
      next.send(response({ seq: 1, msg: NIL }))
      await waiting.answers()
      peer.send(response({ seq: 1, msg: NIL }))
      await sent.answers()
      await peer.ended()
      assert.equal(peer.asked.length, 1)
    },
    { options: { thresholds: 1 } },
  )

  atClient('drops and counts a frame with seq 0 that is no notice', async arena => {
    const { calls, peer } = await twoCalls(arena)
    peer.send(response({ seq: 0, msg: NIL }), response({ seq: 0, flag: 1, msgBytes: 3 }))
    peer.send(response({ seq: 1, msg: NIL }), response({ seq: 2, msg: NIL }))
    for (const call of calls) await call.answers()
    assert.equal(arena.client.stats().lateAnswers, 2)
  })

  atClient('gives a server up that sends over 10,000 useless answers a second, with 4429', async arena => {
    const { calls, peer } = await twoCalls(arena)
    peer.send(response({ seq: 2, msg: NIL }))
    await calls[1].answers()
    const useless = response({ seq: 2 })
    peer.send(concat(Array.from({ length: 10_001 }, () => useless)))
    await calls[0].failsWith('rpc_io_err', /over maxIdleFramesPerSecond 10000/, 'maybe')
    const end = await peer.ended()
    if (arena.transport.name === 'ws') assert.equal(end.code, 4429)
  })
})
