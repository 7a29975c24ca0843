/**
 * The heads of version 2, pinned by bytes: each kind written and framed back, cut anywhere, and each head that cannot be.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { U64 } from '../../lib/protocol/bytes.ts'
import { ProtocolError } from '../../lib/protocol/close.ts'
import { type Framer, requestFramer, responseFramer } from '../../lib/protocol/frames.ts'
import {
  type FrameLimits,
  type RequestFrame,
  type ResponseFrame,
  STRING_ACTION,
  writeResponseHead,
} from '../../lib/protocol/heads.ts'
import * as v2 from '../../lib/protocol/heads-v2.ts'
import { watch } from '../support/effort.ts'
import { concat, fromHex, toHex } from '../support/hex.ts'
import { vectors } from '../support/vectors.ts'

const KIB = 1024
const LARGEST = 2n ** 64n - 1n

type AnyFrame = RequestFrame | ResponseFrame
type Outcome = (Record<string, unknown> | string)[]

/** A framer of a link on which version 2 was agreed. */
function agreed<F extends Framer<any>>(framer: F): F {
  framer.agreed = 2
  return framer
}

const up = (limits?: FrameLimits): Framer<RequestFrame> => agreed(requestFramer(limits))
const down = (limits?: FrameLimits): Framer<ResponseFrame> => agreed(responseFramer(limits))

function plain(frame: AnyFrame): Record<string, unknown> {
  return { ...frame, msg: toHex(frame.msg), blob: toHex(frame.blob) }
}

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

/** What a frame from a client says where nothing else is written. */
const SILENT_UP = { ver: 2, action: 0, clientId: 0, window: 0, open: false, msLeft: 0, consumed: 0, skipped: false }
const SILENT_DOWN = { ver: 2, errno: 0, skipped: false }

interface UpKind {
  readonly what: string
  readonly hex: string
  readonly body: string
  readonly kind: number
  readonly field: number
  readonly seq: U64
  readonly msg: string
  readonly blob: string
  /** Writes what is not in every head. */
  readonly more?: (bytes: Uint8Array, at: number) => void
  readonly says?: Partial<RequestFrame>
}

const UP: readonly UpKind[] = [
  {
    what: 'REQUEST of a unary call, with a name, an argument, a blob and 1.5 s left',
    hex: '254d 02 01 08000080 0100000000000000 00000000 dc050000 01000000 02000000',
    body: '4c61622e6563686f c0 0102',
    kind: v2.UP_REQUEST,
    field: STRING_ACTION + 8,
    seq: 1,
    msg: 'c0',
    blob: '0102',
    more: (bytes, at) => v2.writeShape(bytes, at, 0, false, 1500),
    says: { action: 'Lab.echo', msLeft: 1500 },
  },
  {
    what: 'REQUEST of a stream: a window, and nothing that follows',
    hex: '254d 02 01 07000000 0200000000000000 40000000 00000000 01000000 00000000',
    body: 'c0',
    kind: v2.UP_REQUEST,
    field: 7,
    seq: 2,
    msg: 'c0',
    blob: '',
    more: (bytes, at) => v2.writeShape(bytes, at, 64, false, 0),
    says: { action: 7, window: 64 },
  },
  {
    what: 'REQUEST of an upload: open, without a window',
    hex: '254d 02 01 ffffff7f 0300000000000000 00000080 ffffffff 01000000 00000000',
    body: 'c0',
    kind: v2.UP_REQUEST,
    field: 0x7fff_ffff,
    seq: 3,
    msg: 'c0',
    blob: '',
    more: (bytes, at) => v2.writeShape(bytes, at, 0, true, 0xffff_ffff),
    says: { action: 0x7fff_ffff, open: true, msLeft: 0xffff_ffff },
  },
  {
    what: 'REQUEST of a duplex: open, with the largest window the head can hold',
    hex: '254d 02 01 00000000 0400000000000000 ffffffff 01000000 01000000 00000000',
    body: 'c0',
    kind: v2.UP_REQUEST,
    field: 0,
    seq: 4,
    msg: 'c0',
    blob: '',
    more: (bytes, at) => v2.writeShape(bytes, at, 0x7fff_ffff, true, 1),
    says: { action: 0, window: 0x7fff_ffff, open: true, msLeft: 1 },
  },
  {
    what: 'NEXT with a message',
    hex: '254d 02 02 00000000 ffffffffffffffff 00000000 00000000 02000000 00000000',
    body: 'cc80',
    kind: v2.UP_NEXT,
    field: 0,
    seq: LARGEST,
    msg: 'cc80',
    blob: '',
  },
  {
    what: 'NEXT with bytes',
    hex: '254d 02 02 00000000 0500000000000000 00000000 00000000 00000000 03000000',
    body: '010203',
    kind: v2.UP_NEXT,
    field: 0,
    seq: 5,
    msg: '',
    blob: '010203',
  },
  {
    what: 'COMPLETE',
    hex: '254d 02 03 00000000 0500000000000000 00000000 00000000 00000000 00000000',
    body: '',
    kind: v2.UP_COMPLETE,
    field: 0,
    seq: 5,
    msg: '',
    blob: '',
  },
  {
    what: 'ERROR with the text "no"',
    hex: '254d 02 04 00000000 0600000000000000 00000000 00000000 00000000 02000000',
    body: '6e6f',
    kind: v2.UP_ERROR,
    field: 0,
    seq: 6,
    msg: '',
    blob: '6e6f',
  },
  {
    what: 'CREDIT of a window of 64 with 32 consumed',
    hex: '254d 02 05 40000000 0200000000000000 2000000000000000 00000000 00000000',
    body: '',
    kind: v2.UP_CREDIT,
    field: 64,
    seq: 2,
    msg: '',
    blob: '',
    more: (bytes, at) => v2.writeConsumed(bytes, at, 32),
    says: { window: 64, consumed: 32 },
  },
  {
    what: 'CREDIT with more consumed than a number is exact for',
    hex: '254d 02 05 01000000 0200000000000000 feffffffffffffff 00000000 00000000',
    body: '',
    kind: v2.UP_CREDIT,
    field: 1,
    seq: 2,
    msg: '',
    blob: '',
    more: (bytes, at) => v2.writeConsumed(bytes, at, LARGEST - 1n),
    says: { window: 1, consumed: LARGEST - 1n },
  },
  {
    what: 'CANCEL',
    hex: '254d 02 06 00000000 0700000000000000 00000000 00000000 00000000 00000000',
    body: '',
    kind: v2.UP_CANCEL,
    field: 0,
    seq: 7,
    msg: '',
    blob: '',
  },
  {
    what: 'HELLO with an empty map',
    hex: '254d 02 07 00000000 0000000000000000 00000000 00000000 01000000 00000000',
    body: '80',
    kind: v2.UP_HELLO,
    field: 0,
    seq: 0,
    msg: '80',
    blob: '',
  },
  {
    what: 'HEADERS with { a: "b" }',
    hex: '254d 02 08 00000000 0900000000000000 00000000 00000000 05000000 00000000',
    body: '81a161a162',
    kind: v2.UP_HEADERS,
    field: 0,
    seq: 9,
    msg: '81a161a162',
    blob: '',
  },
]

interface DownKind {
  readonly what: string
  readonly hex: string
  readonly kind: number
  readonly seq: U64
  readonly field: number
  readonly msg: string
  readonly blob: string
  readonly errno?: number
}

const DOWN: readonly DownKind[] = [
  {
    what: 'DONE with a reply and a blob',
    hex: '254d 02 00 01000000 0100000000000000 02000000',
    kind: v2.DOWN_DONE,
    seq: 1,
    field: 1,
    msg: 'c3',
    blob: '0102',
  },
  {
    what: 'DONE of a stream',
    hex: '254d 02 00 00000000 0200000000000000 00000000',
    kind: v2.DOWN_DONE,
    seq: 2,
    field: 0,
    msg: '',
    blob: '',
  },
  {
    what: 'ERRNO 4294967295, which is no length',
    hex: '254d 02 01 ffffffff 0300000000000000 00000000',
    kind: v2.DOWN_ERRNO,
    seq: 3,
    field: 0xffff_ffff,
    msg: '',
    blob: '',
    errno: 0xffff_ffff,
  },
  {
    what: 'ERROR "rpc_busy: 9"',
    hex: '254d 02 02 00000000 0400000000000000 0b000000',
    kind: v2.DOWN_ERROR,
    seq: 4,
    field: 0,
    msg: '',
    blob: '7270635f627573793a2039',
  },
  {
    what: 'the notice "rpc_flow"',
    hex: '254d 02 02 00000000 0000000000000000 08000000',
    kind: v2.DOWN_ERROR,
    seq: 0,
    field: 0,
    msg: '',
    blob: '7270635f666c6f77',
  },
  {
    what: 'NEXT with a message',
    hex: '254d 02 03 02000000 ffffffffffffffff 00000000',
    kind: v2.DOWN_NEXT,
    seq: LARGEST,
    field: 2,
    msg: 'c400',
    blob: '',
  },
  {
    what: 'NEXT with bytes',
    hex: '254d 02 03 00000000 0500000000000000 03000000',
    kind: v2.DOWN_NEXT,
    seq: 5,
    field: 0,
    msg: '',
    blob: 'ff00ff',
  },
  {
    what: 'CREDIT of a window of 4 with 6 consumed',
    hex: '254d 02 05 0c000000 0600000000000000 00000000',
    kind: v2.DOWN_CREDIT,
    seq: 6,
    field: 12,
    msg: '040000000600000000000000',
    blob: '',
  },
  {
    what: 'CANCEL',
    hex: '254d 02 06 00000000 0700000000000000 00000000',
    kind: v2.DOWN_CANCEL,
    seq: 7,
    field: 0,
    msg: '',
    blob: '',
  },
  {
    what: 'HELLO with an empty map',
    hex: '254d 02 07 01000000 0000000000000000 00000000',
    kind: v2.DOWN_HELLO,
    seq: 0,
    field: 1,
    msg: '80',
    blob: '',
  },
  {
    what: 'GOAWAY behind call 8',
    hex: '254d 02 09 01000000 0800000000000000 00000000',
    kind: v2.DOWN_GOAWAY,
    seq: 8,
    field: 1,
    msg: '80',
    blob: '',
  },
]

const upBytes = UP.map(({ hex, body }) => fromHex(hex + body))
const downBytes = DOWN.map(({ hex, msg, blob }) => fromHex(hex + msg + blob))

describe('frames of version 2 from a client', () => {
  for (const [i, { what, hex, kind, field, seq, msg, blob, more, says }] of UP.entries()) {
    it(`are written as the bytes of the protocol: ${what}`, () => {
      const bytes = new Uint8Array(36).fill(0xee)
      v2.writeUpHead(bytes, 2, kind, field, seq, msg.length / 2, blob.length / 2)
      more?.(bytes, 2)
      assert.equal(toHex(bytes), `eeee${hex.replaceAll(' ', '')}eeee`)
    })

    it(`are read for what they say: ${what}`, () => {
      assert.deepEqual(run(up(), [upBytes[i]!]), [{ ...SILENT_UP, format: kind, seq, ...says, msg, blob }])
    })
  }

  it('ignore what stands where the protocol writes 0', () => {
    // A CANCEL with a window, and with what would be the shape of a request.
    const cancel = fromHex('254d 02 06 05000000 0700000000000000 ffffffff ffffffff 00000000 00000000')
    assert.deepEqual(run(up(), [cancel]), [{ ...SILENT_UP, format: 6, seq: 7, msg: '', blob: '' }])
  })
})

describe('frames of version 2 from a server', () => {
  for (const [i, { what, hex, kind, seq, field, msg, blob, errno }] of DOWN.entries()) {
    it(`are written as the bytes of the protocol: ${what}`, () => {
      const bytes = new Uint8Array(24).fill(0xee)
      writeResponseHead(bytes, 2, kind, seq, field, blob.length / 2, 2)
      assert.equal(toHex(bytes), `eeee${hex.replaceAll(' ', '')}eeee`)
    })

    it(`are read for what they say: ${what}`, () => {
      const expected = { ...SILENT_DOWN, flag: kind, seq, errno: errno ?? 0, msg, blob }
      assert.deepEqual(run(down(), [downBytes[i]!]), [expected])
    })
  }

  for (const [window, consumed, hex] of [
    [4, 6, '04000000 0600000000000000'],
    [1, 0, '01000000 0000000000000000'],
    [0x7fff_ffff, 2 ** 53 - 1, 'ffffff7f ffffffffffff1f00'],
    [0xffff_ffff, LARGEST, 'ffffffff ffffffffffffffff'],
  ] as const) {
    it(`grant a window of ${window} with ${consumed} consumed in 12 bytes, and back`, () => {
      assert.equal(toHex(v2.creditBody(window, consumed)), hex.replaceAll(' ', ''))
      assert.deepEqual(v2.readCreditBody(fromHex(hex)), { window, consumed })
    })
  }
})

describe('A15: the slicing of frames of version 2', () => {
  const [v1Up, v1Down] = [vectors.map(vector => vector.request), vectors.map(vector => vector.response)]
  const streams = [
    { what: 'from a client', framer: up, bytes: concat(upBytes) },
    { what: 'from a server', framer: down, bytes: concat(downBytes) },
    { what: 'from a client, among calls of version 1', framer: up, bytes: concat([...upBytes, ...v1Up.slice(0, 9)]) },
    {
      what: 'from a server, among answers of version 1',
      framer: down,
      bytes: concat([...v1Down.slice(0, 9), ...downBytes]),
    },
    {
      what: 'from a client, then an unknown kind',
      framer: up,
      bytes: concat([...upBytes, fromHex(`254d 02 09 ${'00'.repeat(28)}`)]),
    },
    {
      what: 'from a server, then credit of 11 bytes',
      framer: down,
      bytes: concat([...downBytes, fromHex('254d 02 05 0b000000 0600000000000000 00000000')]),
    },
  ]

  for (const { what, framer, bytes } of streams) {
    const expected = JSON.stringify(run(framer(), [bytes]), text)

    it(`changes nothing, wherever one cut is made: ${what}`, () => {
      for (let place = 0; place <= bytes.length; place++) {
        const outcome = run(framer(), [bytes.slice(0, place), bytes.slice(place)])
        if (JSON.stringify(outcome, text) !== expected) assert.fail(`differs when cut at ${place}`)
      }
    })

    for (const size of [1, 2, 19, 20, 21, 31, 32, 33]) {
      it(`changes nothing in chunks of ${size} bytes: ${what}`, () => {
        const chunks: Uint8Array[] = []
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size))
        assert.equal(JSON.stringify(run(framer(), chunks), text), expected)
      })
    }
  }
})

describe('heads of version 2 that cannot be', () => {
  const CLIENT = '254d 02 02 00000000 0500000000000000 00000000 00000000 00000000 00000000'
  const SERVER = '254d 02 03 00000000 0500000000000000 00000000'

  for (const [what, changes, closeCode, message] of [
    ['kind 0', [[3, '00']], 4400, 'frame 5 has the unknown kind 0'],
    ['kind 9', [[3, '09']], 4400, 'frame 5 has the unknown kind 9'],
    ['kind 255', [[3, 'ff']], 4400, 'frame 5 has the unknown kind 255'],
    [
      'an unknown kind with a body over all limits',
      [
        [3, '0a'],
        [24, 'ffffffffffffffff'],
      ],
      4400,
      'frame 5 has the unknown kind 10',
    ],
    ['a NEXT for seq 0', [[8, '00']], 4400, 'frame of kind 2 has seq 0'],
    [
      'a REQUEST for seq 0',
      [
        [3, '01'],
        [8, '00'],
      ],
      4400,
      'frame of kind 1 has seq 0',
    ],
    ['a HELLO with a seq', [[3, '07']], 4400, 'frame of kind 7 has seq 5'],
    ...[2, 3, 4, 5, 6, 8].map(
      kind =>
        [
          `bit 31 of the action field, kind ${kind}`,
          [
            [3, `0${kind}`],
            [7, '80'],
          ],
          4400,
          `frame 5 of kind ${kind} has bit 31 of its action field set`,
        ] as const,
    ),
    [
      'a name of 257 bytes',
      [
        [3, '01'],
        [4, '01010080'],
      ],
      4413,
      'action of request 5 is 257 bytes, over maxActionBytes 256',
    ],
    [
      'A4: an item with a message of 2^32 - 1 bytes',
      [[24, 'ffffffff']],
      4413,
      'message of request 5 is 4294967295 bytes, over maxMessageBytes 1048576',
    ],
    [
      'A4: an item with a message one over',
      [[24, '01001000']],
      4413,
      'message of request 5 is 1048577 bytes, over maxMessageBytes 1048576',
    ],
    [
      'A4: an argument one over',
      [
        [3, '01'],
        [24, '01001000'],
      ],
      4413,
      'message of request 5 is 1048577 bytes, over maxMessageBytes 1048576',
    ],
    ['A4: bytes one over', [[28, '01000001']], 4413, 'blob of request 5 is 16777217 bytes, over maxBlobBytes 16777216'],
    ...[1, 2, 3, 4, 5, 6, 8].map(
      kind =>
        [
          `A6: a blob of 2^31, kind ${kind}`,
          [
            [3, `0${kind}`],
            [31, '80'],
          ],
          4400,
          'request 5 has a blob length of -2147483648, below 0',
        ] as const,
    ),
    [
      'a COMPLETE with a body',
      [
        [3, '03'],
        [24, '01'],
      ],
      4400,
      'frame 5 of kind 3 has a body of 1 bytes',
    ],
    [
      'a CREDIT with a body',
      [
        [3, '05'],
        [28, '02'],
      ],
      4400,
      'frame 5 of kind 5 has a body of 2 bytes',
    ],
    [
      'a CANCEL with a body of 2^32 - 1',
      [
        [3, '06'],
        [24, 'ffffffff'],
      ],
      4400,
      'frame 5 of kind 6 has a body of 4294967295 bytes',
    ],
    [
      'an ERROR with a text of 1,025 bytes',
      [
        [3, '04'],
        [28, '01040000'],
      ],
      4413,
      'text of error of request 5 is 1025 bytes, over its limit of 1024',
    ],
    [
      'an ERROR with a message',
      [
        [3, '04'],
        [24, '01'],
      ],
      4413,
      'message of request 5 is 1 bytes, over its limit of 0',
    ],
    [
      'HEADERS of 4,097 bytes',
      [
        [3, '08'],
        [24, '01100000'],
      ],
      4400,
      'control map of frame 5 is 4097 bytes with 0 of blob, at most 4096 and none are allowed',
    ],
    [
      'HEADERS with a blob',
      [
        [3, '08'],
        [28, '01'],
      ],
      4400,
      'control map of frame 5 is 0 bytes with 1 of blob, at most 4096 and none are allowed',
    ],
    [
      'a HELLO of 4,097 bytes',
      [
        [3, '07'],
        [8, '00'],
        [24, '01100000'],
      ],
      4400,
      'control map of frame 0 is 4097 bytes with 0 of blob, at most 4096 and none are allowed',
    ],
  ] as readonly Refusal[]) {
    it(`are refused from the head alone, with ${closeCode}, by a server: ${what}`, () => {
      assertRefused(up(), changed(CLIENT, changes), closeCode, message)
    })
  }

  for (const [what, changes, closeCode, message] of [
    ...[4, 8, 10, 255].map(
      kind =>
        [
          `kind ${kind}`,
          [[3, kind.toString(16).padStart(2, '0')]],
          4400,
          `response 5 has the unknown kind ${kind}`,
        ] as const,
    ),
    [
      'A4: an item with a message one over',
      [[4, '01001000']],
      4413,
      'message of item of response 5 is 1048577 bytes, over maxMessageBytes 1048576',
    ],
    [
      'A4: bytes one over',
      [[16, '01000001']],
      4413,
      'blob of item of response 5 is 16777217 bytes, over maxBlobBytes 16777216',
    ],
    [
      'A7: a reply one over',
      [
        [3, '00'],
        [4, '01001000'],
      ],
      4413,
      'message of response 5 is 1048577 bytes, over maxMessageBytes 1048576',
    ],
    ...[0, 1, 2, 3, 5, 6, 7, 9].map(
      kind =>
        [
          `A7: a blob of -1, kind ${kind}`,
          [
            [3, `0${kind}`],
            [16, 'ffffffff'],
          ],
          4400,
          'response 5 has a blob length of -1, below 0',
        ] as const,
    ),
    [
      'A9: an errno with a blob',
      [
        [3, '01'],
        [16, '01'],
      ],
      4400,
      'errno response 5 has a blob of 1 bytes',
    ],
    [
      'A9: an error with a message',
      [
        [3, '02'],
        [4, '01'],
      ],
      4400,
      'error response 5 has a message of 1 bytes',
    ],
    [
      'CREDIT of 11 bytes',
      [
        [3, '05'],
        [4, '0b'],
      ],
      4400,
      'credit for 5 has a body of 11 bytes',
    ],
    [
      'CREDIT of 2^32 - 1 bytes',
      [
        [3, '05'],
        [4, 'ffffffff'],
      ],
      4400,
      'credit for 5 has a body of 4294967295 bytes',
    ],
    [
      'CREDIT with a blob',
      [
        [3, '05'],
        [4, '0c'],
        [16, '01'],
      ],
      4400,
      'credit for 5 has a body of 13 bytes',
    ],
    [
      'CANCEL with a body',
      [
        [3, '06'],
        [4, '01'],
      ],
      4400,
      'cancel of 5 has a body',
    ],
    [
      'CANCEL with a blob',
      [
        [3, '06'],
        [16, '01'],
      ],
      4400,
      'cancel of 5 has a body',
    ],
    [
      'HELLO of 4,097 bytes',
      [
        [3, '07'],
        [4, '01100000'],
      ],
      4400,
      'control map of frame 5 is 4097 bytes with 0 of blob, at most 4096 and none are allowed',
    ],
    [
      'GOAWAY with a blob',
      [
        [3, '09'],
        [16, '01'],
      ],
      4400,
      'control map of frame 5 is 0 bytes with 1 of blob, at most 4096 and none are allowed',
    ],
  ] as readonly Refusal[]) {
    it(`are refused from the head alone, with ${closeCode}, by a client: ${what}`, () => {
      assertRefused(down(), changed(SERVER, changes), closeCode, message)
    })
  }

  for (const [what, changes] of [
    ['an item with a message at the limit', [[24, '00001000']]],
    ['bytes at the limit', [[28, '00000001']]],
    [
      'a name at the limit',
      [
        [3, '01'],
        [4, '00010080'],
      ],
    ],
    [
      'an ERROR with a text at the limit',
      [
        [3, '04'],
        [28, '00040000'],
      ],
    ],
    [
      'HEADERS at the limit',
      [
        [3, '08'],
        [24, '00100000'],
      ],
    ],
  ] as readonly (readonly [string, Changes])[]) {
    it(`are not those at a limit: ${what}`, () => {
      assert.deepEqual(run(up(), [changed(CLIENT, changes)]), [])
    })
  }

  it('are those of version 2 where it was not agreed on: 4400, on either side', () => {
    const fromClient = refusal(requestFramer(), changed(CLIENT, []))
    assert.equal(fromClient.closeCode, 4400)
    assert.equal(fromClient.message, 'request 5 has version 2, which was not agreed on')
    const fromServer = refusal(responseFramer(), changed(SERVER, []))
    assert.equal(fromServer.closeCode, 4400)
    assert.equal(fromServer.message, 'response 5 has version 2, which was not agreed on')
  })

  it('A2: are those of version 3 where version 2 was agreed on: 4406, and only a server answers', () => {
    const fromClient = refusal(up(), changed(CLIENT, [[2, '03']]))
    assert.deepEqual([fromClient.closeCode, fromClient.seq], [4406, 5])
    const fromServer = refusal(down(), changed(SERVER, [[2, '03']]))
    assert.deepEqual([fromServer.closeCode, fromServer.seq], [4406, undefined])
  })

  it('are found at the second byte where they are no frames at all', () => {
    assert.equal(refusal(up(), fromHex('4745')).closeCode, 4400)
    assert.equal(refusal(down(), fromHex('1603')).closeCode, 4400)
  })

  it('never end in anything but a ProtocolError, whatever the bytes are', () => {
    const noise = fc.uint8Array({ minLength: 30, maxLength: 40 })
    fc.assert(
      fc.property(noise, noise, (first, second) => {
        first.set([0x25, 0x4d, 2])
        second.set([0x25, 0x4d, 2])
        run(up({ maxActionBytes: 4, maxMessageBytes: 40, maxBlobBytes: 40 }), [first, second])
        run(down({ maxActionBytes: 4, maxMessageBytes: 40, maxBlobBytes: 40 }), [first, second])
      }),
    )
  })
})

describe('a framer without room for a body', () => {
  const item = (seq: number, bytes: number): Uint8Array => {
    const whole = new Uint8Array(20 + bytes).fill(seq)
    writeResponseHead(whole, 0, v2.DOWN_NEXT, seq, 0, bytes, 2)
    return whole
  }
  const bytes = concat([item(1, 3), item(2, 5000), item(3, 0), item(4, 7), downBytes[0]!])
  const noRoomFor =
    (...seqs: readonly number[]) =>
    (): Framer<ResponseFrame> => {
      const framer = down()
      framer.room = frame => !seqs.includes(Number(frame.seq))
      return framer
    }
  const seen = (outcome: Outcome): unknown[] =>
    outcome.map(frame =>
      typeof frame === 'string' ? frame : [frame['seq'], frame['skipped'], (frame['blob'] as string).length / 2],
    )

  it('gives the frame without it, and goes on behind it', () => {
    assert.deepEqual(seen(run(noRoomFor(2)(), [bytes])), [
      [1, false, 3],
      [2, true, 0],
      [3, false, 0],
      [4, false, 7],
      [1, false, 2],
    ])
  })

  it('gives the same wherever one cut is made', () => {
    const expected = seen(run(noRoomFor(2, 4)(), [bytes]))
    for (let place = 0; place <= bytes.length; place++) {
      assert.deepEqual(seen(run(noRoomFor(2, 4)(), [bytes.slice(0, place), bytes.slice(place)])), expected)
    }
  })

  it('gives the frame only when its whole body has come', () => {
    const framer = noRoomFor(2)()
    framer.push(item(2, 100).subarray(0, 119))
    assert.equal(framer.next(), undefined)
    framer.push(Uint8Array.of(2))
    assert.equal(framer.next()?.skipped, true)
    assert.equal(framer.frames, 1)
  })

  it('holds nothing of it while it comes', () => {
    const whole = item(2, 8 * 1024 * KIB)
    const framer = noRoomFor(2)()
    const effort = watch(() => {
      for (let at = 0; at < whole.length; at += 16 * KIB) {
        framer.push(whole.subarray(at, at + 16 * KIB))
        framer.next()
        assert.ok(framer.heldBytes <= 20)
      }
    })
    assert.equal(framer.frames, 1)
    assert.ok(effort.copiedBytes < KIB, `${effort.copiedBytes} bytes copied`)
  })

  it('is asked once for each frame with a body, with all bytes that follow the head, a name among them', () => {
    const asked: unknown[] = []
    const framer = up()
    framer.room = (frame, bodyBytes) => {
      asked.push([frame.seq, bodyBytes])
      return frame.seq !== 1
    }
    const whole = concat(upBytes.slice(0, 8))
    const outcome = run(
      framer,
      Array.from(whole, byte => Uint8Array.of(byte)),
    ) as Record<string, unknown>[]
    assert.deepEqual(asked, [
      [1, 11],
      [2, 1],
      [3, 1],
      [4, 1],
      [LARGEST, 2],
      [5, 3],
      [6, 2],
    ])
    // What was skipped has no name either: whoever refuses it does so by its seq.
    assert.deepEqual([outcome[0]?.['skipped'], outcome[0]?.['action'], outcome[0]?.['msg']], [true, '', ''])
    assert.equal(outcome.length, 8)
  })

  it('checks the limits of the head first', () => {
    const framer = down()
    framer.room = () => assert.fail('asked for a body over the limit')
    assert.equal(refusal(framer, item(2, 16 * 1024 * KIB + 1).subarray(0, 20)).closeCode, 4413)
  })
})

type Changes = readonly (readonly [at: number, hex: string])[]
type Refusal = readonly [what: string, changes: Changes, closeCode: number, message: string]

/** A head, changed at a few places. */
function changed(hex: string, changes: Changes): Uint8Array {
  const bytes = fromHex(hex)
  for (const [at, change] of changes) bytes.set(fromHex(change), at)
  return bytes
}

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

function assertRefused(framer: Framer<any>, bytes: Uint8Array, closeCode: number, message: string): void {
  let error: ProtocolError | undefined
  const effort = watch(() => {
    error = refusal(framer, bytes)
  })
  assert.equal(error?.message, message)
  assert.equal(error?.closeCode, closeCode)
  assert.ok(effort.allocatedBytes < KIB, `${effort.allocatedBytes} bytes allocated`)
}

/** For JSON: a large seq is a bigint. */
function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
