/**
 * The two heads, pinned by bytes: those of PROTOCOL.md, and those that the Rust crates wrote.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { U64 } from '../../lib/protocol/bytes.ts'
import {
  type BodyLengths,
  FLAG_ERRNO,
  FLAG_ERROR,
  FLAG_OK,
  FRAME_LIMITS,
  MAX_ACTION_NUMBER,
  MAX_ERRNO,
  PING_ACTION,
  RPC_MAGIC,
  RPC_REQ_HEADER_LEN,
  RPC_RESP_HEADER_LEN,
  RPC_VERSION_1,
  readRequestHead,
  readResponseHead,
  writeRequestHead,
  writeResponseHead,
} from '../../lib/protocol/heads.ts'
import { fromHex, toHex } from '../support/hex.ts'
import { vectors } from '../support/vectors.ts'

const LARGEST = 2n ** 64n - 1n
/** What version 2 adds to a request; in one of version 1 it says nothing. */
const SILENT = { window: 0, open: false, msLeft: 0, consumed: 0 }

const REQUESTS: readonly {
  readonly what: string
  readonly hex: string
  readonly seq: U64
  readonly clientId: U64
  readonly action: number
  readonly name: number
  readonly msg: number
  readonly blob: number
}[] = [
  {
    what: 'a ping',
    hex: '254d 01 00 00000000 0300000000000000 0000000000000000 00000000 00000000',
    seq: 3,
    clientId: 0,
    action: 0,
    name: -1,
    msg: 0,
    blob: 0,
  },
  {
    what: 'a numeric action with message and blob',
    hex: '254d 01 00 03000000 0500000000000000 0807060504030201 10000000 0a000000',
    seq: 5,
    clientId: 0x0102030405060708n,
    action: 3,
    name: -1,
    msg: 16,
    blob: 10,
  },
  {
    what: 'the largest numeric action',
    hex: '254d 01 00 ffffff7f 0100000000000000 0000000000000000 00000000 00000000',
    seq: 1,
    clientId: 0,
    action: 0x7fff_ffff,
    name: -1,
    msg: 0,
    blob: 0,
  },
  {
    what: 'a name of 21 bytes',
    hex: '254d 01 00 15000080 0400000000000000 0000000000000000 04000000 00000000',
    seq: 4,
    clientId: 0,
    action: 0,
    name: 21,
    msg: 4,
    blob: 0,
  },
  {
    what: 'an empty name',
    hex: '254d 01 00 00000080 0400000000000000 0000000000000000 01000000 00000000',
    seq: 4,
    clientId: 0,
    action: 0,
    name: 0,
    msg: 1,
    blob: 0,
  },
  {
    what: 'the largest seq, client id and lengths within the limits',
    hex: '254d 01 00 00010080 ffffffffffffffff ffffffffffffffff 00001000 00000001',
    seq: LARGEST,
    clientId: LARGEST,
    action: 0,
    name: 256,
    msg: 1024 * 1024,
    blob: 16 * 1024 * 1024,
  },
]

const RESPONSES: readonly {
  readonly what: string
  readonly hex: string
  readonly flag: number
  readonly seq: U64
  readonly field: number
  readonly errno: number
  readonly msg: number
  readonly blob: number
}[] = [
  {
    what: 'an empty success',
    hex: '254d 01 00 00000000 0100000000000000 00000000',
    flag: FLAG_OK,
    seq: 1,
    field: 0,
    errno: 0,
    msg: 0,
    blob: 0,
  },
  {
    what: 'a success with message and blob',
    hex: '254d 01 00 0b000000 ffffffffffffffff 10000000',
    flag: FLAG_OK,
    seq: LARGEST,
    field: 11,
    errno: 0,
    msg: 11,
    blob: 16,
  },
  {
    what: 'an errno',
    hex: '254d 01 01 05000000 0800000000000000 00000000',
    flag: FLAG_ERRNO,
    seq: 8,
    field: 5,
    errno: 5,
    msg: 0,
    blob: 0,
  },
  {
    what: 'an error body',
    hex: '254d 01 02 00000000 0600000000000000 0e000000',
    flag: FLAG_ERROR,
    seq: 6,
    field: 0,
    errno: 0,
    msg: 0,
    blob: 14,
  },
  {
    what: 'the notice "rpc_draining"',
    hex: '254d 01 02 00000000 0000000000000000 0c000000',
    flag: FLAG_ERROR,
    seq: 0,
    field: 0,
    errno: 0,
    msg: 0,
    blob: 12,
  },
]

describe('request heads', () => {
  for (const { what, hex, seq, clientId, action, name, msg, blob } of REQUESTS) {
    it(`writes ${what} as the bytes of the protocol, and nothing beside them`, () => {
      const bytes = new Uint8Array(RPC_REQ_HEADER_LEN + 4).fill(0xee)
      writeRequestHead(bytes, 2, seq, clientId, action, name, msg, blob)
      assert.equal(toHex(bytes), `eeee${hex.replaceAll(' ', '')}eeee`)
    })

    it(`reads ${what}, wherever it stands`, () => {
      const lengths: BodyLengths = { action: 99, msg: 99, blob: 99 }
      const frame = readRequestHead(fromHex(`ee ee ee ${hex} ee`), 3, lengths, FRAME_LIMITS)
      assert.deepEqual(lengths, { action: Math.max(0, name), msg, blob })
      assert.deepEqual(
        { ...frame, msg: frame.msg.length, blob: frame.blob.length },
        {
          ver: 1,
          format: 0,
          action: name < 0 ? action : '',
          seq,
          clientId,
          ...SILENT,
          skipped: false,
          msg: 0,
          blob: 0,
        },
      )
    })
  }
})

describe('response heads', () => {
  for (const { what, hex, flag, seq, field, errno, msg, blob } of RESPONSES) {
    it(`writes ${what} as the bytes of the protocol, and nothing beside them`, () => {
      const bytes = new Uint8Array(RPC_RESP_HEADER_LEN + 4).fill(0xee)
      writeResponseHead(bytes, 2, flag, seq, field, blob)
      assert.equal(toHex(bytes), `eeee${hex.replaceAll(' ', '')}eeee`)
    })

    it(`reads ${what}, wherever it stands`, () => {
      const lengths: BodyLengths = { action: 99, msg: 99, blob: 99 }
      const frame = readResponseHead(fromHex(`ee ee ee ${hex} ee`), 3, lengths, FRAME_LIMITS)
      assert.deepEqual(lengths, { action: 0, msg, blob })
      assert.deepEqual(
        { ...frame, msg: frame.msg.length, blob: frame.blob.length },
        { ver: 1, flag, seq, errno, skipped: false, msg: 0, blob: 0 },
      )
    })
  }
})

describe('the heads that the Rust crates wrote', () => {
  for (const vector of vectors) {
    it(`come back byte by byte: ${vector.name}`, () => {
      const lengths: BodyLengths = { action: 0, msg: 0, blob: 0 }

      const request = readRequestHead(vector.request, 0, lengths, FRAME_LIMITS)
      assert.equal(RPC_REQ_HEADER_LEN + lengths.action + lengths.msg + lengths.blob, vector.request.length)
      const up = new Uint8Array(RPC_REQ_HEADER_LEN)
      const named = typeof request.action === 'string'
      const number = named ? 0 : (request.action as number)
      writeRequestHead(
        up,
        0,
        request.seq,
        request.clientId,
        number,
        named ? lengths.action : -1,
        lengths.msg,
        lengths.blob,
      )
      assert.equal(toHex(up), toHex(vector.request.subarray(0, RPC_REQ_HEADER_LEN)))

      const response = readResponseHead(vector.response, 0, lengths, FRAME_LIMITS)
      assert.equal(response.seq, request.seq)
      assert.equal(RPC_RESP_HEADER_LEN + lengths.msg + lengths.blob, vector.response.length)
      const down = new Uint8Array(RPC_RESP_HEADER_LEN)
      const field = response.flag === FLAG_ERRNO ? response.errno : lengths.msg
      writeResponseHead(down, 0, response.flag, response.seq, field, lengths.blob)
      assert.equal(toHex(down), toHex(vector.response.subarray(0, RPC_RESP_HEADER_LEN)))
    })
  }
})

describe('the constants of the wire', () => {
  it('are those of the Rust crates', () => {
    assert.equal(RPC_MAGIC, 19749)
    assert.equal(RPC_VERSION_1, 1)
    assert.equal(RPC_REQ_HEADER_LEN, 32)
    assert.equal(RPC_RESP_HEADER_LEN, 20)
    assert.equal(PING_ACTION, 0)
    assert.deepEqual([FLAG_OK, FLAG_ERRNO, FLAG_ERROR], [0, 1, 2])
    assert.equal(MAX_ACTION_NUMBER, 2147483647)
    assert.equal(MAX_ERRNO, 1_048_575)
  })

  it('allow names of 256 B, messages of 1 MiB and blobs of 16 MiB unless told', () => {
    assert.deepEqual(FRAME_LIMITS, { maxActionBytes: 256, maxMessageBytes: 1_048_576, maxBlobBytes: 16_777_216 })
  })
})
