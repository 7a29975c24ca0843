/**
 * Holds PROTOCOL.md to the bytes recorded from the Rust crates and to the tables of the code, so that neither can drift.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { DECODE_LIMITS } from '../lib/codec/codec.ts'
import { RPC_CODES } from '../lib/error.ts'
import { CLOSE } from '../lib/protocol/close.ts'

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

describe('PROTOCOL.md', () => {
  it('shows every block of bytes under a caption, with a meaning on each line', () => {
    assert.equal(examples.length, text.split('```hex\n').length - 1)
    for (const { kind, name, hex } of examples) assert.match(hex, /^(?:[0-9a-f]{2})+$/, `${kind} ${name}`)
  })

  for (const { kind, name, hex } of examples.filter(example => example.kind !== 'Notice')) {
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
    const wanted = [...prose.matchAll(/"([A-Z][A-Za-z ]+)"/g)].map(match => match[1]!)
    assert.ok(wanted.length > 5)
    for (const heading of wanted) assert.ok(headings.has(heading), heading)
  })
})

/** Each ```hex block with the caption above it; on a line, what stands before two spaces is bytes. */
function readExamples(): Example[] {
  return [...text.matchAll(/^(Request of|Response of|Notice) `([^`]+)`:\n\n```hex\n([\s\S]*?)\n```$/gm)].map(match => ({
    kind: match[1]!.split(' ')[0]!,
    name: match[2]!,
    hex: match[3]!.split('\n').map(bytesOfLine).join(''),
  }))
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
