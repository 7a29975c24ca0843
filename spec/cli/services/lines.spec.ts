/** Bytes into lines, wherever they were cut. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LineSplitter, MAX_LINE_BYTES } from '../../../lib/cli/services/lines.ts'

/** The lines of chunks, with the last one that has no end. */
function linesOf(chunks: readonly Buffer[]): string[] {
  const lines = new LineSplitter()
  return [...chunks.flatMap(chunk => [...lines.take(chunk)]), ...lines.end()]
}

/** `bytes` in chunks of these sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length]!
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

describe('a line splitter', () => {
  it('gives lines without their ends, and keeps what has none', () => {
    const lines = new LineSplitter()
    assert.deepEqual([...lines.take(Buffer.from('a\n\nb'))], ['a', ''])
    assert.deepEqual([...lines.take(Buffer.from('c'))], [])
    assert.deepEqual([...lines.take(Buffer.from('\nd'))], ['bc'])
    assert.deepEqual([...lines.end()], ['d'])
    assert.deepEqual([...lines.end()], [])
  })

  it('gives the same lines however the bytes are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', 'é', '💡', '\r') })
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (written, sizes) => {
        const expected = written.split('\n')
        if (expected.at(-1) === '') expected.pop()
        assert.deepEqual(linesOf(cut(Buffer.from(written), sizes)), expected)
      }),
    )
  })

  it('keeps a copy, as the chunk is written over', () => {
    const lines = new LineSplitter()
    const chunk = Buffer.from('ab')
    assert.deepEqual([...lines.take(chunk)], [])
    chunk.fill('x')
    assert.deepEqual([...lines.take(Buffer.from('\n'))], ['ab'])
  })

  it('gives a long line in pieces, none of which ends within a character', () => {
    const line = `a${'é'.repeat(MAX_LINE_BYTES)}`
    const pieces = linesOf(cut(Buffer.from(`${line}\nb\n`), [10_000]))
    assert.equal(pieces.length, 4)
    assert.equal(pieces.slice(0, 3).join(''), line)
    for (const piece of pieces) assert.ok(Buffer.byteLength(piece) <= MAX_LINE_BYTES)
    assert.deepEqual(linesOf([Buffer.from(`${'x'.repeat(MAX_LINE_BYTES)}\n`)]), ['x'.repeat(MAX_LINE_BYTES)])
  })

  it('gives pieces also of what is no text', () => {
    const pieces = linesOf([Buffer.alloc(MAX_LINE_BYTES * 2, 0x80)])
    assert.equal(pieces.length, 2)
    assert.ok(pieces.every(piece => /^\ufffd+$/.test(piece)))
  })
})
