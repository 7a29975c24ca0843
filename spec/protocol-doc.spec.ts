/**
 * Holds PROTOCOL.md to the bytes recorded from the Rust crates, to what the code writes and reads, and to its tables, so that
 * neither can drift.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { hello, readPong } from '../lib/client/agreement.ts'
import { CLIENT_DEFAULTS } from '../lib/client/config.ts'
import { DECODE_LIMITS } from '../lib/codec/codec.ts'
import { bytesOf, readItem } from '../lib/codec/items.ts'
import { MSGPACK } from '../lib/codec/msgpack.ts'
import { RPC_CODES } from '../lib/error.ts'
import { creditCost, ReceiveCredit, SendCredit } from '../lib/flow/credit.ts'
import { encodeActionName } from '../lib/protocol/action-names.ts'
import { CLOSE } from '../lib/protocol/close.ts'
import { requestFramer, responseFramer } from '../lib/protocol/frames.ts'
import {
  EMPTY_BYTES,
  PING_ACTION,
  type RequestFrame,
  type ResponseFrame,
  RPC_REQ_HEADER_LEN,
  RPC_RESP_HEADER_LEN,
  RPC_VERSION_1,
  RPC_VERSION_2,
  STRING_ACTION,
  writeRequestHead,
  writeResponseHead,
} from '../lib/protocol/heads.ts'
import * as v2 from '../lib/protocol/heads-v2.ts'
import { SERVER_DEFAULTS } from '../lib/server/config.ts'
import { concat, fromHex, toHex } from './support/hex.ts'

interface Vector {
  readonly name: string
  readonly request_hex: string
  readonly response_hex: string
}

interface Example {
  readonly kind: string
  readonly name: string
  readonly hex: string
}

const text = readFileSync(new URL('../PROTOCOL.md', import.meta.url), 'utf8')
const fixture = readFileSync(new URL('./fixtures/razor-0.9.json', import.meta.url), 'utf8')
const vectors = new Map((JSON.parse(fixture).vectors as Vector[]).map(vector => [vector.name, vector]))
const examples = readExamples()

/** The codes that version 1 puts on the wire as an answer: the internal errors of the Rust crate. */
const V1_CODES = [
  'rpc_unreachable',
  'rpc_io_err',
  'rpc_timeout',
  'rpc_method_notfound',
  'rpc_service_notfound',
  'rpc_encode',
  'rpc_decode',
  'rpc_internal_err',
  'rpc_invalid_ver',
]

/** What an example must be there for, and what its bytes must show. */
const KINDS: readonly (readonly [what: string, kind: string, test: (bytes: DataView) => boolean])[] = [
  ['a named request with a message', 'Request', head => head.getUint8(7) >= 0x80 && head.getUint32(24, true) > 0],
  ['a named request with the unit argument', 'Request', head => head.getUint8(7) >= 0x80 && lastByte(head) === 0xc0],
  ['a numeric request', 'Request', head => head.getUint8(7) < 0x80 && head.getUint32(4, true) > 0],
  ['a request with a blob', 'Request', head => head.getUint32(28, true) > 0],
  ['a ping', 'Request', head => head.getUint32(4, true) === 0 && head.byteLength === 32],
  ['a success with a message', 'Response', head => flagOf(head) === 0 && head.getUint32(4, true) > 0],
  ['a success with a blob', 'Response', head => flagOf(head) === 0 && head.getInt32(16, true) > 0],
  ['an empty success', 'Response', head => flagOf(head) === 0 && head.byteLength === 20],
  [
    'a success with the unit answer',
    'Response',
    head => flagOf(head) === 0 && head.byteLength === 21 && lastByte(head) === 0xc0,
  ],
  ['an errno', 'Response', head => flagOf(head) === 1 && head.byteLength === 20],
  ['an error text', 'Response', head => /^[a-z ]+$/.test(errorText(head))],
  ['a coded error', 'Response', head => flagOf(head) === 2 && (head.getUint8(20) & 0xf0) === 0x80],
  ['an internal error', 'Response', head => V1_CODES.includes(errorText(head))],
  ['a notice', 'Notice', head => flagOf(head) === 2 && head.getBigUint64(8, true) === 0n],
]

/** Version 2, up: what builds each example, and what the framer must find in it. */
const UP: Readonly<Record<string, readonly [bytes: Uint8Array, found: Partial<RequestFrame>]>> = {
  offer: [offer(1, 7), { ver: 1, format: 2, action: PING_ACTION, seq: 1, clientId: 7 }],
  HELLO: [up(v2.UP_HELLO, 0, 0, [MSGPACK.encode(hello(CLIENT_DEFAULTS, 'abc', undefined))]), { format: v2.UP_HELLO }],
  HEADERS: [up(v2.UP_HEADERS, 0, 2, [MSGPACK.encode({ trace: '7f' })]), { format: v2.UP_HEADERS, seq: 2 }],
  'REQUEST, unary': [
    request('Log.size', 2, 'a', { msLeft: 20_000 }),
    { action: 'Log.size', window: 0, open: false, msLeft: 20_000 },
  ],
  'REQUEST, stream': [
    request('Log.tail', 3, undefined, { window: 4 }),
    { action: 'Log.tail', window: 4, open: false, msLeft: 0 },
  ],
  'REQUEST, upload': [
    request('Log.store', 4, 'a', { open: true, msLeft: 20_000 }),
    { action: 'Log.store', window: 0, open: true, msLeft: 20_000 },
  ],
  'REQUEST, duplex': [
    request(5, 5, undefined, { window: 16, open: true }),
    { action: 5, window: 16, open: true, msLeft: 0 },
  ],
  'NEXT, bytes': [up(v2.UP_NEXT, 0, 4, item(Uint8Array.of(0, 1, 255))), { format: v2.UP_NEXT, seq: 4 }],
  'NEXT, value': [up(v2.UP_NEXT, 0, 5, item('hi')), { format: v2.UP_NEXT, seq: 5 }],
  COMPLETE: [up(v2.UP_COMPLETE, 0, 4, []), { format: v2.UP_COMPLETE, seq: 4 }],
  ERROR: [up(v2.UP_ERROR, 0, 5, [EMPTY_BYTES, utf8('disk full')]), { format: v2.UP_ERROR, seq: 5 }],
  CREDIT: [credit(4, 3, 2), { format: v2.UP_CREDIT, seq: 3, window: 4, consumed: 2 }],
  CANCEL: [up(v2.UP_CANCEL, 0, 5, []), { format: v2.UP_CANCEL, seq: 5 }],
}

/** Version 2, down. */
const DOWN: Readonly<Record<string, readonly [bytes: Uint8Array, found: Partial<ResponseFrame>]>> = {
  pong: [down(v2.DOWN_DONE, 1, [MSGPACK.encode(pongMap())], RPC_VERSION_1), { ver: 1, flag: 0, seq: 1 }],
  HELLO: [down(v2.DOWN_HELLO, 0, [MSGPACK.encode({})]), { flag: v2.DOWN_HELLO, seq: 0 }],
  'DONE, unary': [down(v2.DOWN_DONE, 2, [MSGPACK.encode(1000)]), { flag: v2.DOWN_DONE, seq: 2 }],
  'DONE, stream': [down(v2.DOWN_DONE, 3, []), { flag: v2.DOWN_DONE, seq: 3 }],
  'NEXT, value': [down(v2.DOWN_NEXT, 3, item('hi')), { flag: v2.DOWN_NEXT, seq: 3 }],
  'NEXT, bytes': [down(v2.DOWN_NEXT, 3, item(Uint8Array.of(0, 1, 255))), { flag: v2.DOWN_NEXT, seq: 3 }],
  'NEXT, empty bytes': [down(v2.DOWN_NEXT, 3, item(EMPTY_BYTES)), { flag: v2.DOWN_NEXT, seq: 3 }],
  'NEXT, unit': [down(v2.DOWN_NEXT, 3, item(undefined)), { flag: v2.DOWN_NEXT, seq: 3 }],
  CREDIT: [down(v2.DOWN_CREDIT, 4, [v2.creditBody(1024, 0)]), { flag: v2.DOWN_CREDIT, seq: 4 }],
  CANCEL: [down(v2.DOWN_CANCEL, 5, []), { flag: v2.DOWN_CANCEL, seq: 5 }],
  ERROR: [
    down(v2.DOWN_ERROR, 5, [EMPTY_BYTES, utf8('rpc_canceled: the caller has gone')]),
    { flag: v2.DOWN_ERROR, seq: 5 },
  ],
  ERRNO: [errno(6, 5), { flag: v2.DOWN_ERRNO, seq: 6, errno: 5 }],
  GOAWAY: [
    down(v2.DOWN_GOAWAY, 6, [MSGPACK.encode({ reason: 'rpc_draining', graceMs: SERVER_DEFAULTS.graceMs })]),
    { flag: v2.DOWN_GOAWAY, seq: 6 },
  ],
  notice: [down(v2.DOWN_ERROR, 0, [EMPTY_BYTES, utf8('rpc_flow')]), { flag: v2.DOWN_ERROR, seq: 0 }],
}

describe('PROTOCOL.md', () => {
  it('shows every block of bytes under a caption, with a meaning on each line', () => {
    assert.equal(examples.length, text.split('```hex\n').length - 1)
    for (const { kind, name, hex } of examples) assert.match(hex, /^(?:[0-9a-f]{2})+$/, `${kind} ${name}`)
  })

  for (const { kind, name, hex } of examples.filter(example => /^Re/.test(example.kind))) {
    it(`shows the ${kind.toLowerCase()} of "${name}" as it was recorded`, () => {
      const vector = vectors.get(name)
      assert.ok(vector, `no vector is named "${name}"`)
      assert.equal(hex, kind === 'Request' ? vector.request_hex : vector.response_hex)
    })
  }

  for (const [what, kind, shows] of KINDS) {
    it(`has an example of ${what}`, () => {
      assert.ok(examples.some(example => example.kind === kind && shows(viewOf(example.hex))))
    })
  }

  it('shows a notice whose lengths and text belong together', () => {
    const notices = examples.filter(example => example.kind === 'Notice')
    assert.ok(notices.length > 0)
    for (const { name, hex } of notices) {
      const view = viewOf(hex)
      assert.equal(hex.slice(0, 32), '254d0102'.padEnd(32, '0'))
      assert.equal(view.getInt32(16, true), view.byteLength - 20)
      assert.equal(errorText(view), name)
      assert.ok((Object.values(CLOSE) as string[]).includes(name))
    }
  })

  for (const { kind, name, hex } of examples.filter(example => example.kind === 'Up' || example.kind === 'Down')) {
    it(`shows ${name}, ${kind.toLowerCase()}, as the code writes and reads it`, () => {
      const made = (kind === 'Up' ? UP : DOWN)[name]
      assert.ok(made, 'nothing builds it')
      assert.equal(hex, toHex(made[0]))
      const framer = kind === 'Up' ? requestFramer() : responseFramer()
      framer.agreed = RPC_VERSION_2
      framer.push(fromHex(hex))
      const frame = framer.next()
      assert.ok(frame, 'the frame is not whole')
      assert.equal(framer.heldBytes, 0, 'bytes are left over')
      assert.deepEqual({ ...frame, ...made[1] }, { ...frame })
    })
  }

  it('has an example of every frame of version 2', () => {
    const shown = (kind: string): string[] => examples.filter(example => example.kind === kind).map(({ name }) => name)
    assert.deepEqual(shown('Up').sort(), Object.keys(UP).sort())
    assert.deepEqual(shown('Down').sort(), Object.keys(DOWN).sort())
    const kinds = (frames: object): unknown[] =>
      [...new Set(Object.keys(frames).map(name => name.split(',')[0]))].sort()
    assert.deepEqual(
      kinds(UP).filter(name => name !== 'offer'),
      Object.keys(kindsOf('UP_')).sort(),
    )
    assert.deepEqual(
      kinds(DOWN).filter(name => name !== 'pong' && name !== 'notice'),
      Object.keys(kindsOf('DOWN_')).sort(),
    )
  })

  it('shows a pong that a client of version 2 understands, and items that read back', () => {
    const frameOf = (name: string): ResponseFrame => {
      const framer = responseFramer()
      framer.agreed = RPC_VERSION_2
      framer.push(fromHex(examples.find(example => example.kind === 'Down' && example.name === name)!.hex))
      return framer.next()!
    }
    const { version, calls, streams, window } = readPong(frameOf('pong'), MSGPACK, {
      ...CLIENT_DEFAULTS,
      thresholds: 1e6,
      maxStreams: 1e6,
      maxWindow: 1e6,
    })
    assert.deepEqual({ version, calls, streams, window }, { version: 2, calls: 1024, streams: 1024, window: 4096 })
    assert.equal(readItem(MSGPACK, frameOf('NEXT, value')), 'hi')
    assert.deepEqual(readItem(MSGPACK, frameOf('NEXT, bytes')), Uint8Array.of(0, 1, 255))
    assert.deepEqual(readItem(MSGPACK, frameOf('NEXT, empty bytes')), new Uint8Array(0))
    assert.equal(readItem(MSGPACK, frameOf('NEXT, unit')) ?? null, null)
  })

  it('numbers the kinds of version 2 as the code does', () => {
    const rows = tableRows(section('Version 2')).filter(cells => /^\d+$/.test(cells[0] ?? ''))
    const listed = (column: number): Record<string, number> =>
      Object.fromEntries(rows.filter(cells => cells[column] !== '-').map(cells => [cells[column]!, Number(cells[0])]))
    assert.deepEqual(listed(1), kindsOf('UP_'))
    assert.deepEqual(listed(2), kindsOf('DOWN_'))
  })

  it('works its example of credit out as both ends do', () => {
    const rows = tableRows(section('Credit')).filter(cells => /^\d+$/.test(cells[1] ?? ''))
    const window = Number(/^REQUEST, window (\d+)$/.exec(rows[0]?.[0] ?? '')?.[1])
    const sender = new SendCredit(window)
    const receiver = new ReceiveCredit(window)
    const costs: number[] = []
    for (const [event = '', spent, limit] of rows) {
      const next = /^(\d+) x NEXT of (\d+) B$/.exec(event)
      const consumed = /^(\d+) items? consumed, CREDIT\((\d+), (\d+)\)$/.exec(event)
      for (let left = Number(next?.[1] ?? 0); left > 0; left--) {
        assert.ok(sender.open, event)
        const cost = creditCost(Number(next![2]))
        sender.spend(cost)
        assert.ok(receiver.receive(cost), event)
        costs.push(cost)
      }
      for (let left = Number(consumed?.[1] ?? 0); left > 0; left--) {
        assert.equal(receiver.consume(costs.shift()!), left === 1, event)
      }
      if (consumed !== null) {
        const grant = { window: Number(consumed[2]), consumed: Number(consumed[3]) }
        assert.deepEqual(receiver.report(), grant, event)
        assert.equal(sender.grant(grant), undefined, event)
      }
      assert.ok(next !== null || consumed !== null || event === rows[0]?.[0], event)
      assert.deepEqual([sender.spent, sender.limit], [Number(spent), Number(limit)], event)
    }
    assert.ok(rows.length > 5)
  })

  it('gives the limits of version 2 that the code has', () => {
    const numbers: Readonly<Record<string, unknown>> = { ...SERVER_DEFAULTS, ...CLIENT_DEFAULTS }
    const both: Readonly<Record<string, unknown>> = SERVER_DEFAULTS as object as Record<string, unknown>
    let compared = 0
    for (const [, option = '', value = ''] of tableRows(section('Limits of version 2'))) {
      const name = /^`(\w+)`/.exec(option)?.[1]
      if (name === undefined) continue
      assert.ok(name in numbers, name)
      if (option.includes('both ends')) assert.equal(numbers[name], both[name], name)
      const [digits, unit] = /^(?:unary and upload )?([\d,]+)(?: (s|MiB))?\b/.exec(value)?.slice(1) ?? []
      const factor = unit === 's' ? 1000 : unit === 'MiB' ? 1024 * 1024 : 1
      assert.equal(Number(digits?.replaceAll(',', '')) * factor, numbers[name], name)
      compared++
    }
    assert.ok(compared > 8)
  })

  it('has a row for each internal error of version 1 that says whether the handler ran', () => {
    const rows = tableRows(section('Errors')).filter(cells => cells.length === 4)
    const codes = rows.map(cells => cells[0]?.replaceAll('`', '')).filter(code => code?.startsWith('rpc_'))
    assert.deepEqual(codes.sort(), [...V1_CODES].sort())
  })

  it('names every code of the library under "Errors"', () => {
    const errors = section('Errors')
    for (const code of RPC_CODES) assert.ok(errors.includes(`\`${code}\``), code)
  })

  it('names no code that the library has not', () => {
    const named = new Set([...text.matchAll(/`(rpc_[a-z_]+)`/g)].map(match => match[1]!))
    named.delete('rpc_')
    named.delete('rpc_mine')
    assert.deepEqual(
      [...named].filter(code => !(RPC_CODES as readonly string[]).includes(code)),
      [],
    )
  })

  it('lists every close code with its text under "Closing", and no other', () => {
    const listed = tableRows(section('Closing')).filter(cells => /^\d{4}$/.test(cells[0] ?? ''))
    const expected = Object.entries(CLOSE).map(([code, reason]) => [code, `\`${reason}\``])
    assert.deepEqual(
      listed.map(cells => cells.slice(0, 2)),
      expected,
    )
    for (const [code] of text.matchAll(/\b44\d\d\b|\b4500\b/g)) assert.ok(code in CLOSE, code)
  })

  it('gives the decoding limits that the code has', () => {
    const row = tableRows(section('Limits')).find(cells => cells[1]?.includes('`maxDepth`'))
    assert.equal(
      row?.[1],
      Object.keys(DECODE_LIMITS)
        .map(option => `\`${option}\``)
        .join(', '),
    )
    const values = Object.values(DECODE_LIMITS).map(value => value.toLocaleString('en-US'))
    assert.equal(row?.[2], values.join(', '))
  })

  it('refers only to sections that it has', () => {
    const headings = new Set([...text.matchAll(/^##+ (.+)$/gm)].map(match => match[1]))
    const prose = text.replaceAll(/```hex[\s\S]*?```/g, '')
    const wanted = [...prose.matchAll(/"([A-Z][A-Za-z0-9 ]+)"/g)].map(match => match[1]!)
    assert.ok(wanted.length > 5)
    for (const heading of wanted) assert.ok(headings.has(heading), heading)
  })
})

/** Each ```hex block with the caption above it; on a line, what stands before two spaces is bytes. */
function readExamples(): Example[] {
  return [...text.matchAll(/^(Request of|Response of|Notice|Up|Down) `([^`]+)`:\n\n```hex\n([\s\S]*?)\n```$/gm)].map(
    match => ({
      kind: match[1]!.split(' ')[0]!,
      name: match[2]!,
      hex: match[3]!.split('\n').map(bytesOfLine).join(''),
    }),
  )
}

/** The kinds that the code names with this prefix, without it. */
function kindsOf(prefix: string): Record<string, number> {
  const named = Object.entries<unknown>({ ...v2 }).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(named.map(([name, kind]) => [name.slice(prefix.length), Number(kind)]))
}

function pongMap(): object {
  const { maxMessageBytes, maxBlobBytes, maxCallsPerConnection, maxStreamsPerConnection, maxWindow } = SERVER_DEFAULTS
  return {
    v: RPC_VERSION_2,
    msg: maxMessageBytes,
    blob: maxBlobBytes,
    calls: maxCallsPerConnection,
    streams: maxStreamsPerConnection,
    window: maxWindow,
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** An item as message and blob. */
function item(value: unknown): readonly Uint8Array[] {
  const { msg, blob } = bytesOf(value) ?? { msg: MSGPACK.encode(value), blob: EMPTY_BYTES }
  return [msg, blob]
}

function offer(seq: number, clientId: number): Uint8Array {
  const bytes = new Uint8Array(RPC_REQ_HEADER_LEN)
  writeRequestHead(bytes, 0, seq, clientId, PING_ACTION, -1, 0, 0)
  bytes[3] = RPC_VERSION_2
  return bytes
}

function up(
  kind: number,
  field: number,
  seq: number,
  [msg = EMPTY_BYTES, blob = EMPTY_BYTES]: readonly Uint8Array[],
): Uint8Array {
  const head = new Uint8Array(RPC_REQ_HEADER_LEN)
  v2.writeUpHead(head, 0, kind, field, seq, msg.length, blob.length)
  return concat([head, msg, blob])
}

function request(
  action: string | number,
  seq: number,
  input: unknown,
  { window = 0, open = false, msLeft = 0 }: { window?: number; open?: boolean; msLeft?: number },
): Uint8Array {
  const name = typeof action === 'string' ? encodeActionName(action) : EMPTY_BYTES
  const msg = MSGPACK.encode(input)
  const head = new Uint8Array(RPC_REQ_HEADER_LEN)
  const field = typeof action === 'string' ? STRING_ACTION + name.length : action
  v2.writeUpHead(head, 0, v2.UP_REQUEST, field, seq, msg.length, 0)
  v2.writeShape(head, 0, window, open, msLeft)
  return concat([head, name, msg])
}

function credit(window: number, seq: number, consumed: number): Uint8Array {
  const bytes = up(v2.UP_CREDIT, window, seq, [])
  v2.writeConsumed(bytes, 0, consumed)
  return bytes
}

function down(
  kind: number,
  seq: number,
  [msg = EMPTY_BYTES, blob = EMPTY_BYTES]: readonly Uint8Array[],
  ver: number = RPC_VERSION_2,
): Uint8Array {
  const head = new Uint8Array(RPC_RESP_HEADER_LEN)
  writeResponseHead(head, 0, kind, seq, msg.length, blob.length, ver)
  return concat([head, msg, blob])
}

function errno(seq: number, number: number): Uint8Array {
  const bytes = new Uint8Array(RPC_RESP_HEADER_LEN)
  writeResponseHead(bytes, 0, v2.DOWN_ERRNO, seq, number, 0, RPC_VERSION_2)
  return bytes
}

function bytesOfLine(line: string): string {
  const match = /^((?:[0-9a-f]{2} )*[0-9a-f]{2}) {2,}\S/.exec(line)
  assert.ok(match, `no bytes and meaning in the line: ${line}`)
  return match[1]!.replaceAll(' ', '')
}

function section(heading: string): string {
  const start = text.indexOf(`\n## ${heading}\n`)
  assert.notEqual(start, -1, `no section "${heading}"`)
  const end = text.indexOf('\n## ', start + 1)
  return text.slice(start, end === -1 ? undefined : end)
}

function tableRows(part: string): string[][] {
  const lines = part.split('\n').filter(line => line.startsWith('| '))
  return lines.map(line => line.slice(2, -2).split(' | '))
}

function viewOf(hex: string): DataView {
  return new DataView(Uint8Array.from(hex.match(/../g)!, pair => Number.parseInt(pair, 16)).buffer)
}

function flagOf(response: DataView): number {
  return response.getUint8(3)
}

function lastByte(frame: DataView): number {
  return frame.getUint8(frame.byteLength - 1)
}

function errorText(response: DataView): string {
  return flagOf(response) === 2 ? new TextDecoder().decode(new Uint8Array(response.buffer, 20)) : ''
}
