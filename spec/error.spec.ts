/**
 * The one class of errors, its codes, and telling them apart.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ErrorCode, isRpcCode, isV1Code, RPC_CODES, RpcError, UserError } from '../lib/error.ts'

/** The module once more, as a second copy of the package in one program has it. */
async function secondCopy(): Promise<typeof import('../lib/error.ts')> {
  const specifier = '../lib/error.ts?second-copy'
  return await import(specifier)
}

describe('RpcError', () => {
  it('carries its code, and says "maybe" for executed unless it is told', () => {
    const error = new RpcError('rpc_io_err', 'the link is lost')
    assert.equal(error.code, 'rpc_io_err')
    assert.equal(error.executed, 'maybe')
    assert.equal(error.action, undefined)
    assert.equal(error.address, undefined)
    assert.equal('cause' in error, false)
    assert.equal(String(error), 'RpcError: the link is lost')
  })

  it('carries action, address, executed and cause', () => {
    const cause = new Error('ECONNREFUSED')
    const info = { executed: 'no', action: 'Host.load', address: 'tcp://[::1]:1', cause } as const
    const error = new RpcError('rpc_unreachable', 'refused', info)
    assert.deepEqual(
      { executed: error.executed, action: error.action, address: error.address, cause: error.cause },
      info,
    )
  })
})

describe('RpcError.is', () => {
  it('narrows to the codes it is given', () => {
    const error: unknown = new RpcError('rpc_timeout', 'late')
    assert.ok(RpcError.is(error))
    assert.ok(RpcError.is(error, 'rpc_busy', 'rpc_timeout'))
    assert.ok(!RpcError.is(error, 'rpc_busy'))
    if (RpcError.is(error, 'rpc_timeout', 'rpc_busy')) {
      const code: 'rpc_timeout' | 'rpc_busy' = error.code
      assert.equal(code, 'rpc_timeout')
    }
  })

  it('holds across two copies of the package, both ways, for user errors too', async () => {
    const other = await secondCopy()
    assert.notEqual(other.RpcError, RpcError)
    const theirs = new other.RpcError('rpc_busy', 'later')
    assert.ok(!(theirs instanceof RpcError))
    assert.ok(RpcError.is(theirs, 'rpc_busy'))
    assert.ok(!RpcError.is(theirs, 'rpc_timeout'))
    assert.equal(RpcError.from(theirs), theirs)
    assert.ok(other.RpcError.is(new UserError(2, 'ENOENT'), 'user'))
  })

  for (const [what, value] of [
    ['an error of somebody else', new Error('no')],
    ['an error with only a code of ours', Object.assign(new Error('no'), { code: 'rpc_busy' })],
    ['an object that is no error', { '~rpcError': true, code: 'rpc_busy' }],
    ['text', 'rpc_busy'],
    ['null', null],
    ['nothing', undefined],
  ] as const) {
    it(`is false for ${what}`, () => {
      assert.equal(RpcError.is(value), false)
      assert.equal(RpcError.is(value, 'rpc_busy'), false)
    })
  }
})

describe('RpcError.from', () => {
  it('gives back an RpcError as it is, whatever else it is told', () => {
    const error = new UserError('mine', 'mine')
    assert.equal(RpcError.from(error, { executed: 'no' }), error)
  })

  it('turns any other error into rpc_internal_err with its message, and keeps it as the cause', () => {
    const cause = new TypeError('x is not a function')
    const error = RpcError.from(cause, { executed: 'yes', action: 7 })
    assert.equal(error.code, 'rpc_internal_err')
    assert.equal(error.message, 'x is not a function')
    assert.equal(error.cause, cause)
    assert.equal(error.executed, 'yes')
    assert.equal(error.action, 7)
  })

  for (const [thrown, message] of [
    ['no luck', 'no luck'],
    [null, 'unknown error'],
    [undefined, 'unknown error'],
    [404, 'unknown error'],
    [{ message: 'not an error' }, 'unknown error'],
  ] as const) {
    it(`C13: makes an error with the message "${message}" of a thrown ${JSON.stringify(thrown)}`, () => {
      const error = RpcError.from(thrown)
      assert.equal(error.code, 'rpc_internal_err')
      assert.equal(error.message, message)
      assert.equal(error.cause, thrown)
    })
  }
})

describe('UserError', () => {
  it('is an RpcError with the code "user" and its value, and says that the handler ran', () => {
    const error = new UserError({ id: 7 }, 'NotFound', { action: 'Host.load' })
    assert.ok(error instanceof RpcError)
    assert.ok(RpcError.is(error, 'user'))
    assert.deepEqual(error.value, { id: 7 })
    assert.equal(error.executed, 'yes')
    assert.equal(error.action, 'Host.load')
    assert.equal(String(error), 'UserError: NotFound')
  })
})

describe('the codes', () => {
  it('are those that travel, each starting with "rpc_" and named once', () => {
    assert.equal(new Set(RPC_CODES).size, RPC_CODES.length)
    for (const code of RPC_CODES) {
      assert.match(code, /^rpc_[a-z_]+$/)
      assert.ok(isRpcCode(code))
    }
  })

  it('do not hold "user", a code unknown, or a name that objects have', () => {
    const user: ErrorCode = 'user'
    for (const text of [user, 'rpc_mine', '', 'RPC_BUSY', 'constructor', '__proto__'])
      assert.equal(isRpcCode(text), false)
  })

  it('that version 1 knows are the nine of the Rust crate', () => {
    assert.deepEqual(RPC_CODES.filter(isV1Code), [
      'rpc_unreachable',
      'rpc_io_err',
      'rpc_timeout',
      'rpc_method_notfound',
      'rpc_service_notfound',
      'rpc_encode',
      'rpc_decode',
      'rpc_internal_err',
      'rpc_invalid_ver',
    ])
    assert.equal(isV1Code('user'), false)
    assert.equal(isV1Code('rpc_mine'), false)
  })
})
