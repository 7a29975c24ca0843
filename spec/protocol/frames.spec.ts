/**
 * The framer: the same frames come out however the bytes are sliced, and a head that cannot be is refused for what it says.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { ProtocolError } from '../../lib/protocol/close.ts'
import { type Framer, requestFramer, responseFramer } from '../../lib/protocol/frames.ts'
import type { RequestFrame, ResponseFrame } from '../../lib/protocol/heads.ts'
import { watch } from '../support/effort.ts'
import { concat, fromHex, toHex } from '../support/hex.ts'
import { vectors } from '../support/vectors.ts'

const KIB = 1024
const MIB = 1024 * KIB

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

type AnyFrame = RequestFrame | ResponseFrame

/** What came out of a framer, in a form that compares: frames, and the error that ended them. */
type Outcome = (Record<string, unknown> | string)[]

/** What version 2 adds to a frame; in one of version 1 it says nothing. */
const SILENT: Readonly<Record<string, unknown>> = { window: 0, open: false, msLeft: 0, consumed: 0, skipped: false }

function plain(frame: AnyFrame): Record<string, unknown> {
  const fields = Object.entries(frame).filter(([key, value]) => SILENT[key] !== value)
  return { ...Object.fromEntries(fields), msg: toHex(frame.msg), blob: toHex(frame.blob) }
}

/** All that `framer` makes of the chunks, and the counters it ends with. */
function run(framer: Framer<any>, chunks: Iterable<Uint8Array>): Outcome {
  const outcome: Outcome = []
  try {
    for (const chunk of chunks) {
      framer.push(chunk)
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) outcome.push(plain(frame))
    }
  } catch (error) {
    assert.ok(error instanceof ProtocolError)
    outcome.push(`${error.closeCode} ${error.message}`)
  }
  return outcome
}

/** `bytes` in chunks that end at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places, bytes.length]
  return ends.map((end, i) => bytes.slice(i === 0 ? 0 : ends[i - 1], end))
}

function inChunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size))
  return chunks
}

/** A head and nothing else, changed at a few places. */
function head(hex: string, ...changes: readonly (readonly [at: number, hex: string])[]): Uint8Array {
  const bytes = fromHex(hex)
  for (const [at, change] of changes) bytes.set(fromHex(change), at)
  return bytes
}

const request = (...changes: readonly (readonly [at: number, hex: string])[]): Uint8Array =>
  head('254d0100 07000000 0500000000000000 0000000000000000 00000000 00000000', ...changes)

const response = (...changes: readonly (readonly [at: number, hex: string])[]): Uint8Array =>
  head('254d0100 00000000 0500000000000000 00000000', ...changes)

/** The error that these bytes end with; nothing may come out before. */
function refusal(framer: Framer<any>, bytes: Uint8Array): ProtocolError {
  framer.push(bytes)
  try {
    framer.next()
  } catch (error) {
    assert.ok(error instanceof ProtocolError)
    return error
  }
  throw new Error(`${toHex(bytes)} was not refused`)
}

describe('the framer and what the Rust crates sent', () => {
  for (const vector of vectors) {
    it(`frames both ways of: ${vector.name}`, () => {
      const up = new DataView(vector.request.buffer, vector.request.byteOffset)
      const action = up.getUint32(4, true)
      const name = action >= 2 ** 31 ? action - 2 ** 31 : 0
      const msgAt = 32 + name
      const blobAt = msgAt + up.getUint32(24, true)
      assert.deepEqual(run(requestFramer(), [vector.request]), [
        {
          ver: 1,
          format: 0,
          action: name > 0 ? Buffer.from(vector.request.subarray(32, msgAt)).toString() : action,
          seq: Number(up.getBigUint64(8, true)),
          clientId: action > 0 && name === 0 ? 0x0102030405060708n : 0,
          msg: toHex(vector.request.subarray(msgAt, blobAt)),
          blob: toHex(vector.request.subarray(blobAt)),
        },
      ])

      const down = new DataView(vector.response.buffer, vector.response.byteOffset)
      const flag = down.getUint8(3)
      const field = down.getUint32(4, true)
      const end = 20 + (flag === 1 ? 0 : field)
      assert.deepEqual(run(responseFramer(), [vector.response]), [
        {
          ver: 1,
          flag,
          seq: Number(up.getBigUint64(8, true)),
          errno: flag === 1 ? field : 0,
          msg: toHex(vector.response.subarray(20, end)),
          blob: toHex(vector.response.subarray(end)),
        },
      ])
    })
  }

  it('reads "Calculator.add 10 -42", its answer and an errno for what they are', () => {
    const add = '254d0100 15000080 0400000000000000 0000000000000000 04000000 00000000'
    const name = '43616c63756c61746f72536572766963652e616464'
    const [call] = run(requestFramer(), [fromHex(`${add} ${name} 920ad0d6`)]) as Record<string, unknown>[]
    assert.equal(call?.['action'], 'CalculatorService.add')
    assert.equal(call?.['seq'], 4)
    assert.equal(call?.['msg'], '920ad0d6')
    const answers = fromHex(
      '254d0100 01000000 0400000000000000 00000000 e0 254d0101 05000000 0800000000000000 00000000',
    )
    assert.deepEqual(run(responseFramer(), [answers]), [
      { ver: 1, flag: 0, seq: 4, errno: 0, msg: 'e0', blob: '' },
      { ver: 1, flag: 1, seq: 8, errno: 5, msg: '', blob: '' },
    ])
  })
})

describe('A15: the slicing of the bytes', () => {
  const streams = [
    { what: 'requests', framer: requestFramer, bytes: concat(vectors.map(vector => vector.request)) },
    { what: 'responses', framer: responseFramer, bytes: concat(vectors.map(vector => vector.response)) },
    {
      what: 'requests, then garbage',
      framer: requestFramer,
      bytes: concat([...vectors.slice(0, 9).map(vector => vector.request), fromHex('25 4e 01 00')]),
    },
    {
      what: 'responses, then a head over a limit',
      framer: responseFramer,
      bytes: concat([...vectors.slice(0, 9).map(vector => vector.response), response([4, 'ffffffff'])]),
    },
  ]

  for (const { what, framer, bytes } of streams) {
    const expected = run(framer(), [bytes])

    it(`changes nothing, wherever one cut is made: ${what}`, () => {
      assert.ok(expected.length >= 10)
      for (let place = 0; place <= bytes.length; place++) {
        const outcome = run(framer(), cut(bytes, [place]))
        if (outcome.length !== expected.length) assert.fail(`${outcome.length} frames when cut at ${place}`)
        const around = outcome.findIndex((part, i) => JSON.stringify(part, text) !== JSON.stringify(expected[i], text))
        assert.equal(around, -1, `frame ${around} differs when cut at ${place}`)
      }
    })

    for (const size of [1, 2, 3, 19, 20, 21, 31, 32, 33, 255, 1024, 1025]) {
      it(`changes nothing in chunks of ${size} bytes: ${what}`, () => {
        assert.deepEqual(run(framer(), inChunksOf(bytes, size)), expected)
      })
    }

    it(`changes nothing, however many cuts are made: ${what}`, () => {
      const places = fc.array(fc.nat(bytes.length), { maxLength: 300 }).map(list => list.sort((a, b) => a - b))
      fc.assert(fc.property(places, list => assert.deepEqual(run(framer(), cut(bytes, list)), expected)))
    })
  }

  it('changes nothing for frames of every length of parts, large and small', () => {
    const length = fc.oneof(fc.nat(4), fc.nat(300), fc.integer({ min: 1000, max: 5000 }))
    const frame = fc.record({
      name: fc.nat(256),
      msg: length,
      blob: length,
      seq: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    })
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 900, max: 3000 })), {
      minLength: 1,
    })
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), sizes, (frames, steps) => {
        const expected: Outcome = []
        const parts: Uint8Array[] = []
        for (const { name, msg, blob, seq } of frames) {
          const bytes = request([8, toHex(new Uint8Array(new BigUint64Array([seq]).buffer))])
          const view = new DataView(bytes.buffer)
          view.setUint32(4, 2 ** 31 + name, true)
          view.setUint32(24, msg, true)
          view.setUint32(28, blob, true)
          const body = Uint8Array.from({ length: msg + blob }, (_, i) => (i * 7 + msg) & 0xff)
          parts.push(bytes, new Uint8Array(name).fill(0x61), body)
          const one = seq <= Number.MAX_SAFE_INTEGER ? Number(seq) : seq
          const [front, back] = [toHex(body.subarray(0, msg)), toHex(body.subarray(msg))]
          expected.push({ ver: 1, format: 0, action: 'a'.repeat(name), seq: one, clientId: 0, msg: front, blob: back })
        }
        const whole = concat(parts)
        const places: number[] = []
        for (let at = 0, i = 0; at < whole.length; at += steps[i++ % steps.length]!) places.push(at)
        assert.deepEqual(run(requestFramer(), cut(whole, places)), expected)
      }),
    )
  })

  it('counts bytes and frames, and tells how much of an unfinished frame is held', () => {
    const [first, second] = [vectors[0]!.request, vectors[9]!.request]
    const framer = requestFramer()
    for (const [i, byte] of concat([first, second]).entries()) {
      framer.push(Uint8Array.of(byte))
      const whole = framer.next()
      const received = i + 1
      const [start, length] = received < first.length ? [0, first.length] : [first.length, second.length]
      const held = received - start
      const done = held === length || received === first.length
      assert.equal(whole !== undefined, done)
      assert.equal(framer.receivedBytes, received)
      assert.equal(framer.frames, done && received > first.length ? 2 : Number(received >= first.length))
      assert.equal(framer.heldBytes, done ? 0 : held)
      assert.equal(framer.frameBytes, done || held < 32 ? 32 : length)
    }
  })

  it('never hands out a Buffer, whatever the chunks are', () => {
    const { request: bytes } = vectors.find(vector => vector.name === 'fs write 10')!
    for (const size of [1, 7, bytes.length]) {
      const framer = requestFramer()
      const frames = inChunksOf(bytes, size).flatMap(chunk => {
        framer.push(Buffer.from(chunk))
        return framer.next() ?? []
      })
      assert.deepEqual(
        frames.map(frame => [frame.msg.constructor, frame.blob.constructor]),
        [[Uint8Array, Uint8Array]],
      )
    }
  })
})

describe('A15, A5: the cost of framing', () => {
  const body = (bytes: number): Uint8Array => {
    const whole = new Uint8Array(32 + bytes)
    whole.set(request([28, toHex(new Uint8Array(new Uint32Array([bytes]).buffer))]))
    for (let i = 32; i < whole.length; i++) whole[i] = (i * 31 + (i >> 8)) & 0xff
    return whole
  }

  for (const [bytes, size, copies] of [
    [8 * MIB, 1448, 1],
    [16 * MIB, 1025, 1],
    [2 * MIB, 100, 2],
    [256 * KIB, 1, 2],
  ] as const) {
    it(`copies each of ${bytes} bytes in chunks of ${size} at most ${copies === 1 ? 'once' : 'twice'}`, () => {
      const whole = body(bytes)
      const chunks = inChunksOf(whole, size)
      const framer = requestFramer()
      let frame: RequestFrame | undefined
      const effort = watch(() => {
        for (const chunk of chunks) {
          framer.push(chunk)
          frame = framer.next()
        }
      })
      assert.ok(frame !== undefined && Buffer.compare(frame.blob, whole.subarray(32)) === 0)
      const count = chunks.length
      assert.ok(effort.copiedBytes <= copies * bytes + 4 * KIB, `${effort.copiedBytes} bytes copied`)
      assert.ok(effort.arrays <= 4 * count + 100, `${effort.arrays} arrays for ${count} chunks`)
      assert.ok(effort.movedPlaces <= 4 * count + 100, `${effort.movedPlaces} places moved for ${count} chunks`)
    })
  }

  it('copies nothing of frames that lie within one chunk', () => {
    const chunk = concat(vectors.map(vector => vector.request))
    const framer = requestFramer()
    const frames: RequestFrame[] = []
    const effort = watch(() => {
      framer.push(chunk)
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) frames.push(frame)
    })
    assert.equal(frames.length, vectors.length)
    for (const part of frames.flatMap(frame => [frame.msg, frame.blob])) {
      assert.ok(part.length === 0 || part.buffer === chunk.buffer)
    }
    assert.ok(effort.copiedBytes < 2 * KIB, `${effort.copiedBytes} bytes copied`)
  })

  it('copies only the part that crosses a border, and gives the other as a view', () => {
    const whole = concat([request([24, '03000000'], [28, '04000000']), fromHex('01 02 03 0a 0b 0c 0d')])
    const [front, back] = cut(whole, [37]) as [Uint8Array, Uint8Array]
    const framer = requestFramer()
    framer.push(front)
    assert.equal(framer.next(), undefined)
    framer.push(back)
    const frame = framer.next()!
    assert.equal(frame.msg.buffer, front.buffer)
    assert.deepEqual(frame.blob, fromHex('0a 0b 0c 0d'))
    assert.equal(frame.blob.buffer.byteLength, 4)
  })

  it('holds at most twice what it received of a frame that trickles in', () => {
    const whole = body(200 * KIB)
    for (const size of [1, 3, 129, 700, 1024]) {
      const framer = requestFramer()
      const chunks = inChunksOf(whole.subarray(0, -1), size)
      watch(effort => {
        for (const chunk of chunks) {
          framer.push(chunk)
          assert.equal(framer.next(), undefined)
          const received = framer.receivedBytes
          // The first two blocks, the head and the magic are the constant.
          if (effort.allocatedBytes > 2 * received + KIB) {
            assert.fail(`${effort.allocatedBytes} bytes allocated for ${received} received, in chunks of ${size}`)
          }
        }
      })
    }
  })

  for (const [what, tailBytes] of [
    ['the start of a head', 10],
    ['a head and the start of its body', 40],
  ] as const) {
    it(`lets go of a large chunk of which only the tail is left: ${what}`, async () => {
      const framer = requestFramer()
      // In a function of its own: what it names is out of reach when it is done.
      const buffer = (() => {
        const chunk = concat([body(64 * KIB), body(100).subarray(0, tailBytes)])
        framer.push(chunk)
        assert.ok(framer.next())
        assert.equal(framer.next(), undefined)
        return new WeakRef(chunk.buffer)
      })()
      await new Promise(setImmediate)
      collectGarbage()
      assert.equal(buffer.deref(), undefined)
      framer.push(body(100).subarray(tailBytes))
      assert.deepEqual(framer.next()?.blob, body(100).slice(32))
    })
  }
})

describe('heads that cannot be', () => {
  const framers = { request: requestFramer, response: responseFramer }

  for (const side of ['request', 'response'] as const) {
    for (const [what, hex, found] of [
      ['HTTP', '47 45', '0x4547'],
      ['TLS', '16 03', '0x0316'],
      ['a wrong second byte', '25 4e', '0x4e25'],
      ['a wrong first byte', '24 4d', '0x4d24'],
    ] as const) {
      it(`A1: are found at their second byte, with 4400: ${what} for a ${side}`, () => {
        const framer = framers[side]()
        framer.push(fromHex(hex).subarray(0, 1))
        assert.equal(framer.next(), undefined)
        const error = refusal(framer, fromHex(hex).subarray(1))
        assert.equal(error.closeCode, 4400)
        assert.equal(error.message, `frame starts with ${found}, not with the magic 0x4d25`)
      })
    }
  }

  for (const ver of ['00', '03', 'ff']) {
    const number = Number.parseInt(ver, 16)

    it(`A2: of version ${number} are refused with 4406, and name the seq to answer`, () => {
      const error = refusal(requestFramer(), request([2, ver], [8, 'ffffffffffffffff'], [24, 'ffffffff']))
      assert.equal(error.closeCode, 4406)
      assert.equal(error.code, 'rpc_invalid_ver')
      assert.equal(error.seq, 2n ** 64n - 1n)
      assert.equal(error.message, `request 18446744073709551615 has version ${number}, this end speaks 1 and 2`)
    })

    it(`A2: of version ${number} are refused by a client too, which answers none`, () => {
      const error = refusal(responseFramer(), response([2, ver]))
      assert.equal(error.closeCode, 4406)
      assert.equal(error.seq, undefined)
      assert.equal(error.message, `response 5 has version ${number}, this end speaks 1 and 2`)
    })
  }

  for (const format of ['01', '02', 'ff']) {
    it(`A3: are not those with format 0x${format}, which is ignored`, () => {
      const [frame] = run(requestFramer(), [request([3, format])]) as Record<string, unknown>[]
      assert.equal(frame?.['action'], 7)
    })
  }

  for (const [id, what, bytes, closeCode, message] of [
    [
      'A4',
      'msg_len 2^32 - 1',
      request([24, 'ffffffff']),
      4413,
      'message of request 5 is 4294967295 bytes, over maxMessageBytes 1048576',
    ],
    [
      'A4',
      'msg_len one over',
      request([24, '01001000']),
      4413,
      'message of request 5 is 1048577 bytes, over maxMessageBytes 1048576',
    ],
    [
      'A4',
      'blob_len 2^31 - 1',
      request([28, 'ffffff7f']),
      4413,
      'blob of request 5 is 2147483647 bytes, over maxBlobBytes 16777216',
    ],
    [
      'A4',
      'blob_len one over',
      request([28, '01000001']),
      4413,
      'blob of request 5 is 16777217 bytes, over maxBlobBytes 16777216',
    ],
    ['A6', 'blob_len 2^31', request([28, '00000080']), 4400, 'request 5 has a blob length of -2147483648, below 0'],
    ['A6', 'blob_len 2^32 - 1', request([28, 'ffffffff']), 4400, 'request 5 has a blob length of -1, below 0'],
    [
      'A11',
      'a name of 2^31 - 1',
      request([4, 'ffffffff']),
      4413,
      'action of request 5 is 2147483647 bytes, over maxActionBytes 256',
    ],
    [
      'A11',
      'a name of 257',
      request([4, '01010080']),
      4413,
      'action of request 5 is 257 bytes, over maxActionBytes 256',
    ],
  ] as const) {
    it(`${id}: are refused from the head alone, with ${closeCode}, by a server: ${what}`, () => {
      assertRefused(requestFramer(), bytes, closeCode, message)
    })
  }

  for (const [id, what, bytes, closeCode, message] of [
    ['A7', 'blob_len -2^31', response([16, '00000080']), 4400, 'response 5 has a blob length of -2147483648, below 0'],
    ['A7', 'blob_len -1', response([16, 'ffffffff']), 4400, 'response 5 has a blob length of -1, below 0'],
    [
      'A7',
      'blob_len -1 of an errno',
      response([3, '01'], [16, 'ffffffff']),
      4400,
      'response 5 has a blob length of -1, below 0',
    ],
    [
      'A7',
      'blob_len one over',
      response([16, '01000001']),
      4413,
      'blob of response 5 is 16777217 bytes, over maxBlobBytes 16777216',
    ],
    [
      'A21',
      'msg_len 2^32 - 1',
      response([4, 'ffffffff']),
      4413,
      'message of response 5 is 4294967295 bytes, over maxMessageBytes 1048576',
    ],
    [
      'A21',
      'an error body one over',
      response([3, '02'], [16, '01001000']),
      4413,
      'error body of response 5 is 1048577 bytes, over maxMessageBytes 1048576',
    ],
    ['A9', 'flag 1 with a blob', response([3, '01'], [16, '01000000']), 4400, 'errno response 5 has a blob of 1 bytes'],
    [
      'A9',
      'flag 2 with a message',
      response([3, '02'], [4, '02000000']),
      4400,
      'error response 5 has a message of 2 bytes',
    ],
  ] as const) {
    it(`${id}: are refused from the head alone, with ${closeCode}, by a client: ${what}`, () => {
      assertRefused(responseFramer(), bytes, closeCode, message)
    })
  }

  it('A9: are refused with 4400 for every flag above 2', () => {
    for (let flag = 3; flag < 256; flag++) {
      const error = refusal(responseFramer(), response([3, flag.toString(16).padStart(2, '0')]))
      assert.equal(error.closeCode, 4400)
      assert.equal(error.message, `response 5 has the unknown flag ${flag}`)
    }
  })

  it('are measured by the limits that were set', () => {
    const limits = { maxActionBytes: 4, maxMessageBytes: 6, maxBlobBytes: 0 }
    const fits = concat([request([4, '04000080'], [24, '06000000']), fromHex('61622e63 010203040506')])
    assert.equal(run(requestFramer(limits), [fits]).length, 1)
    const error = refusal(requestFramer(limits), request([28, '01000000']))
    assert.equal(error.message, 'blob of request 5 is 1 bytes, over maxBlobBytes 0')
    assert.equal(refusal(responseFramer(limits), response([4, '07000000'])).closeCode, 4413)
  })
})

describe('odd heads that are frames', () => {
  it('A8: takes msg_len of an errno for the number, whatever its size, and goes on', () => {
    const next = response([8, '0600000000000000'])
    const outcome = run(responseFramer(), [response([3, '01'], [4, 'ffffffff']), next])
    assert.deepEqual(outcome, [
      { ver: 1, flag: 1, seq: 5, errno: 4294967295, msg: '', blob: '' },
      { ver: 1, flag: 0, seq: 6, errno: 0, msg: '', blob: '' },
    ])
  })

  it('A10: takes an error body without a byte', () => {
    assert.deepEqual(run(responseFramer(), [response([3, '02'])]), [
      { ver: 1, flag: 2, seq: 5, errno: 0, msg: '', blob: '' },
    ])
  })

  it('A11: takes a name without a byte for an empty name', () => {
    const [frame] = run(requestFramer(), [request([4, '00000080'])]) as Record<string, unknown>[]
    assert.equal(frame?.['action'], '')
  })

  it('A12: has no action where the name is not UTF-8, and goes on', () => {
    const bytes = concat([request([4, '02000080'], [24, '01000000']), fromHex('ffff c0'), request()])
    const [bad, next] = run(requestFramer(), [bytes]) as Record<string, unknown>[]
    assert.equal(bad?.['action'], undefined)
    assert.equal(bad?.['msg'], 'c0')
    assert.equal(next?.['action'], 7)
  })

  it('A4: takes lengths that are exactly at their limits', () => {
    const framer = requestFramer()
    framer.push(request([4, '00010080'], [24, '00001000'], [28, '00000001']))
    assert.equal(framer.next(), undefined)
    assert.equal(framer.frameBytes, 32 + 256 + MIB + 16 * MIB)
  })

  it('C2: keeps a seq of any size exact', () => {
    for (const [hex, seq] of [
      ['ffffffffffff1f00', 2 ** 53 - 1],
      ['0000000000002000', 2n ** 53n],
      ['ffffffffffffffff', 2n ** 64n - 1n],
    ] as const) {
      assert.equal((run(requestFramer(), [request([8, hex], [16, hex])])[0] as Record<string, unknown>)['seq'], seq)
      assert.equal(
        (run(requestFramer(), [request([8, hex], [16, hex])])[0] as Record<string, unknown>)['clientId'],
        seq,
      )
      assert.equal((run(responseFramer(), [response([8, hex])])[0] as Record<string, unknown>)['seq'], seq)
    }
  })
})

/** Refused with that code and message, with no memory taken for a body. */
function assertRefused(framer: Framer<any>, bytes: Uint8Array, closeCode: number, message: string): void {
  let error: ProtocolError | undefined
  const effort = watch(() => {
    error = refusal(framer, bytes)
  })
  assert.equal(error?.closeCode, closeCode)
  assert.equal(error?.message, message)
  assert.ok(effort.allocatedBytes < KIB, `${effort.allocatedBytes} bytes allocated`)
}

/** For JSON: a seq above 2^53 is a bigint. */
function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
