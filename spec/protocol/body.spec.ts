/**
 * The body of a frame: a message that lies in its chunk until somebody wants it by itself.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Body } from '../../lib/protocol/body.ts'

describe('the body of a frame', () => {
  it('has no message and no blob at first', () => {
    const body = new Body()
    assert.equal(body.msgBytes, 0)
    assert.equal(body.msg.length, 0)
    assert.equal(body.blob.length, 0)
  })

  it('gives its message as one and the same view of the chunk', () => {
    const chunk = Uint8Array.of(1, 2, 3, 4, 5)
    const body = new Body()
    body.place(chunk, 1, 4)
    assert.equal(body.msgBytes, 3)
    assert.deepEqual(body.msg, Uint8Array.of(2, 3, 4))
    assert.equal(body.msg.buffer, chunk.buffer)
    assert.equal(body.msg, body.msg)
    assert.equal(body.msgBytes, 3)
  })

  it('is read where it lies by a codec that can, and else as a view', () => {
    const body = new Body()
    body.place(Uint8Array.of(1, 2, 3, 4, 5), 1, 4)
    const decode = (bytes: Uint8Array): unknown => [...bytes]
    assert.deepEqual(body.read({ decode, decodeAt: (bytes, start, end) => ({ bytes, start, end }) }), {
      bytes: Uint8Array.of(1, 2, 3, 4, 5),
      start: 1,
      end: 4,
    })
    assert.deepEqual(body.read({ decode }), [2, 3, 4])
  })
})
