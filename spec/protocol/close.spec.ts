/**
 * Close codes and what breaks a connection.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isRpcCode, RpcError } from '../../lib/error.ts'
import { CLOSE, type CloseCode, ProtocolError } from '../../lib/protocol/close.ts'

describe('ProtocolError', () => {
  for (const [code, text] of Object.entries(CLOSE)) {
    it(`has the code ${text} for a close with ${code}, as the far end is told`, () => {
      const error = new ProtocolError(Number(code) as CloseCode, 'what was found')
      assert.equal(error.code, text)
      assert.equal(error.closeCode, Number(code))
      assert.equal(error.message, 'what was found')
      assert.ok(isRpcCode(error.code))
    })
  }

  it('is an RpcError that names itself', () => {
    const error = new ProtocolError(4400, 'bad magic')
    assert.ok(RpcError.is(error, 'rpc_protocol'))
    assert.equal(String(error), 'ProtocolError: bad magic')
    assert.equal(error.executed, 'maybe')
  })

  it('carries the seq that is answered before the close, where there is one', () => {
    assert.equal(new ProtocolError(4406, 'version 9', { seq: 2n ** 64n - 1n }).seq, 2n ** 64n - 1n)
    assert.equal(new ProtocolError(4400, 'bad magic').seq, undefined)
  })

  it('stands for codes that a WebSocket may close with', () => {
    for (const code of Object.keys(CLOSE).map(Number)) assert.ok(code >= 4000 && code <= 4999, `${code}`)
  })
})
