/** Every shape of error, from a Rust peer, to a Rust peer, and those no Rust peer sends over a scripted connection. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { catchError, EMPTY, firstValueFrom, of } from 'rxjs'
import {
  catchUserError,
  connect,
  RpcError,
  type RpcServerOptions,
  service,
  UserError,
  unary,
} from '../../lib/node/index.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { outcomeOf } from '../support/recorded-calls.ts'
import { call, err, ok } from '../support/rust-answers.ts'
import { RUST_TRANSPORTS, startOurServer, withoutRust, withRustClient, withRustServer } from '../support/rust-pair.ts'
import { startRustClient } from '../support/rust-peer.ts'
import { Calculator, Echo, Files, rustServices, WIRE_CODES } from '../support/rust-services.ts'

const skip = withoutRust()

/** The largest number that does a Rust client no harm. */
const MAX_ERRNO = 1_048_575
/** The longest error text that our server sends. */
const MAX_TEXT_BYTES = 1024

for (const transport of RUST_TRANSPORTS) {
  describe(`our client of a Rust server over ${transport}`, { skip }, () => {
    it('gets each internal error that the server sends as its code', () =>
      withRustServer(transport, async ({ echo, watch }) => {
        for (const code of WIRE_CODES) {
          const failed = await firstValueFrom(echo.err_internal(code).pipe(catchError(error => of(error))))
          assert.ok(RpcError.is(failed, code), `${code}: ${failed}`)
          assert.ok(!(failed instanceof UserError))
          // Any handler in Rust may send any code, so only these two prove that none ran.
          const never = code === 'rpc_method_notfound' || code === 'rpc_service_notfound'
          assert.equal(failed.executed, never ? 'no' : 'yes', code)
          assert.equal(failed.action, 'EchoService.err_internal')
        }
        assert.deepEqual(await outcomeOf(echo.err_encode()), { code: 'rpc_encode' })
        assert.equal(await firstValueFrom(echo.u8(1)), 1)
        assert.equal(watch.links, 1)
      }))

    it('gets methods and services that are not there as such', () =>
      withRustServer(transport, async ({ client, filesClient }) => {
        const outcome = (action: string | number) => outcomeOf(client.call({ action }))
        assert.deepEqual(await outcome('EchoService.nothing'), { code: 'rpc_method_notfound' })
        assert.deepEqual(await outcome('EchoService.'), { code: 'rpc_method_notfound' })
        assert.deepEqual(await outcome('NothingService.unit'), { code: 'rpc_service_notfound' })
        assert.deepEqual(await outcome('nodot'), { code: 'rpc_decode' })
        assert.deepEqual(await outcome(77), { code: 'rpc_decode' })
        assert.deepEqual(await outcomeOf(filesClient.call({ action: 77 })), { code: 'rpc_decode' })
      }))

    it('gets every errno as its number', () =>
      withRustServer(transport, async ({ echo, calculator, files }) => {
        for (const errno of [0, 1, 42, 65_535, MAX_ERRNO, MAX_ERRNO + 1, 2 ** 31, 2 ** 32 - 1]) {
          assert.deepEqual(await outcomeOf(echo.err_num(errno)), { user: errno })
        }
        assert.deepEqual(await outcomeOf(calculator.io_error()), { user: 5 })
        assert.deepEqual(await outcomeOf(files.open({ path: '', flags: 0 })), { user: 2 })
        assert.deepEqual(await outcomeOf(files.read({ inode: 1, offset: 0, len: 2 ** 40 })), { user: 22 })
        assert.deepEqual(await outcomeOf(echo.err_unit()), { user: 0 })
      }))

    it('gets texts, also such as look like a redirect or a code that is none', () =>
      withRustServer(transport, async ({ echo }) => {
        for (const text of ['', 'oops ✓', 'rpc_mine', 'rpc_busy', 'rpc_timeout ', 'x'.repeat(MAX_TEXT_BYTES * 2)]) {
          assert.deepEqual(await outcomeOf(echo.err_string(text)), { user: text })
        }
        assert.deepEqual(await outcomeOf(echo.err_redirect('10.0.0.1:80')), { user: 'redirect_10.0.0.1:80' })
      }))

    it('gets coded errors as values, and hands them to catchUserError', () =>
      withRustServer(transport, async ({ echo }) => {
        const found = echo
          .err_coded(2n ** 64n - 1n)
          .pipe(catchUserError(error => of(typeof error === 'string' ? error : error.NotFound.id)))
        assert.equal(await firstValueFrom(found), 2n ** 64n - 1n)
        assert.deepEqual(await outcomeOf(echo.err_coded(0).pipe(catchUserError(() => EMPTY))), { answer: undefined })
      }))

    it('fails with rpc_decode where the error, or a blob, is not what its contract says', () =>
      withRustServer(transport, async ({ client, filesClient, watch }) => {
        const Other = service('EchoService', {
          err_string: unary<string, void, { code: number }>({ errors: 'coded' }),
        })
        assert.deepEqual(await outcomeOf(client.use(Other).err_string('not one value')), { code: 'rpc_decode' })
        const NoBlob = service('Files', {
          read: unary<{ inode: number; offset: number; len: number }>({ action: 2 }),
        })
        const read = filesClient.use(NoBlob).read({ inode: 1, offset: 0, len: 1 })
        assert.deepEqual(await outcomeOf(read), { code: 'rpc_decode' })
        assert.deepEqual(await outcomeOf(client.use(Calculator).inc(1)), { answer: 2 })
        assert.equal(watch.links, 2)
      }))

    it('fails with rpc_encode, unsent, for an argument that has no form', () =>
      withRustServer(transport, async ({ client, watch }) => {
        const failed = client.call({ action: 'EchoService.unit', input: () => 1 }).pipe(catchError(error => of(error)))
        const error = await firstValueFrom(failed)
        assert.ok(RpcError.is(error, 'rpc_encode'))
        assert.equal(error.executed, 'no')
        assert.deepEqual(watch.requests, [])
      }))
  })

  for (const mode of ['pool', 'stream'] as const) {
    describe(`a Rust ${mode} of our server over ${transport}`, { skip }, () => {
      it('gets each internal error by its code', () =>
        withRustClient(transport, mode, async ({ rust, server, logged }) => {
          for (const code of WIRE_CODES) {
            assert.deepEqual(err(await call(rust, 'EchoService.err_internal', code)), ['rpc', code])
          }
          const encode = await call(rust, 'EchoService.err_encode')
          assert.deepEqual(err(encode), ['rpc', 'rpc_encode'])
          assert.ok(logged.some(({ action }) => action === 'EchoService.err_encode'))
          assert.equal(ok(await call(rust, 'EchoService.u8', 1)), '1')
          assert.equal(server.stats().connections, 1)
        }))

      it('gets methods and services that are not there as such', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          const raw = async (action: string) => err(await rust.command({ raw: action, args: null }))
          assert.deepEqual(await raw('EchoService.nothing'), ['rpc', 'rpc_method_notfound'])
          assert.deepEqual(await raw('EchoService.__proto__'), ['rpc', 'rpc_method_notfound'])
          assert.deepEqual(await raw('NothingService.unit'), ['rpc', 'rpc_service_notfound'])
          assert.deepEqual(await raw('constructor.toString'), ['rpc', 'rpc_service_notfound'])
          assert.deepEqual(await raw('nodot'), ['rpc', 'rpc_method_notfound'])
          assert.deepEqual(await raw(''), ['rpc', 'rpc_method_notfound'])
        }))

      it('gets errno, text, coded and redirect errors as errors of the handler', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          const failed = async (method: string, args?: unknown) => err(await call(rust, method, args))
          assert.deepEqual(await failed('CalculatorService.io_error'), ['user', 'EIO'])
          assert.deepEqual(await failed('EchoService.err_errno'), ['user', 'EPERM'])
          assert.match((await failed('EchoService.err_i32'))[1], /42/)
          for (const errno of [0, 70_000, MAX_ERRNO]) {
            assert.match((await failed('EchoService.err_num', errno))[1], new RegExp(`\\b${errno}$`))
          }
          assert.equal((await failed('EchoService.err_unit'))[0], 'user')
          assert.deepEqual(await failed('EchoService.err_string', 'oops ✓'), ['user', 'oops ✓'])
          assert.deepEqual(await failed('EchoService.err_string', ''), ['user', ''])
          assert.deepEqual(await failed('EchoService.err_redirect', '10.0.0.1:80'), ['user', 'redirect to 10.0.0.1:80'])
          assert.deepEqual(await failed('EchoService.err_coded', 0), ['user', 'Other'])
          const id = 2n ** 64n - 1n
          assert.deepEqual(await failed('EchoService.err_coded', id), ['user', `NotFound { id: ${id} }`])
          const open = await rust.command({ fs: 'open', path: '', flags: 0 })
          assert.deepEqual(err(open), ['user', 'ENOENT'])
        }))

      it('never gets what would hurt it: numbers above 1,048,575, long texts, texts with the reserved prefix', () =>
        withRustClient(
          transport,
          mode,
          async ({ rust, watch, logged }) => {
            for (const errno of [MAX_ERRNO + 1, 2 ** 31, 2 ** 32 - 1]) {
              assert.deepEqual(err(await call(rust, 'EchoService.err_num', errno)), ['rpc', 'rpc_internal_err'])
            }
            for (const value of ['-1', '-4294967295', '0.5', 'NaN', 'Infinity', '4294967296', '1e300']) {
              const answer = await rust.command({ raw: 'HurtService.errno', args: value })
              assert.deepEqual(err(answer), ['rpc', 'rpc_internal_err'], value)
            }
            const long = err(await call(rust, 'EchoService.err_string', `${'é'.repeat(MAX_TEXT_BYTES)}`))
            assert.deepEqual(long, ['user', 'é'.repeat(MAX_TEXT_BYTES / 2)])
            for (const text of ['rpc_mine', 'rpc_timeout', 'rpc_']) {
              assert.deepEqual(err(await call(rust, 'EchoService.err_string', text)), ['rpc', 'rpc_internal_err'])
            }
            assert.deepEqual(err(await rust.command({ raw: 'HurtService.secret', args: null })), [
              'rpc',
              'rpc_internal_err',
            ])
            const { length } = watch.responses
            assert.equal(
              watch.responses.filter(({ flag, body }) => flag === 2 && !body.includes('hunter2')).length,
              length,
            )
            assert.ok(logged.some(({ message }) => message.includes('hunter2')))
            assert.ok(logged.some(({ message }) => message.includes('1048576')))
          },
          hurting,
        ))
    })
  }

  describe(`a Rust failover pool of our servers over ${transport}`, { skip }, () => {
    for (const mode of ['failover-any', 'failover-leader'] as const) {
      it(`follows a redirect from one to the other (${mode})`, async () => {
        const leader = await startOurServer(transport, {
          services: rustServices.services.map(({ contract, handlers }) => ({
            contract,
            handlers: { ...handlers, err_redirect: () => null },
          })),
        })
        const follower = await startOurServer(transport)
        const rust = await startRustClient(follower.address, { mode })
        try {
          const to = leader.address.replace(/^(tcp|unix):\/\//, '')
          assert.equal(ok(await call(rust, 'EchoService.err_redirect', to)), null)
          assert.deepEqual(
            leader.watch.requests.map(({ action }) => action),
            ['EchoService.err_redirect'],
          )
        } finally {
          await rust.kill()
          await leader.close()
          await follower.close()
        }
        leader.watch.check()
        follower.watch.check()
        await expectNoLeaks()
      })
    }
  })
}

/** Beside the services of the peer, handlers that fail as they must not. */
const hurting: RpcServerOptions = {
  dispatch: call => {
    if (call.action === 'HurtService.errno') throw call.fail(Number(call.input))
    throw new Error('the password is hunter2')
  },
}

/** Answers the offer as a Rust server does, and each request of a connection with the next of `answers`; their seqs are filled in. */
async function scripted(script: readonly Uint8Array[], body: (address: string) => Promise<void>): Promise<void> {
  const answers = [response(0, 0, new Uint8Array()), ...script]
  let step = 0
  const server = createServer(socket => {
    socket.on('data', request => {
      const answer = Buffer.from(answers[step++]!)
      request.copy(answer, 8, 8, 16)
      socket.write(answer)
    })
    socket.on('error', error => assert.fail(error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await body(`tcp://127.0.0.1:${(server.address() as { port: number }).port}`)
  } finally {
    server.close()
  }
  await expectNoLeaks()
}

function response(flag: number, msgField: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(20)
  head.writeUInt16LE(19_749, 0)
  head.writeUInt8(1, 2)
  head.writeUInt8(flag, 3)
  head.writeUInt32LE(msgField, 4)
  head.writeUInt32LE(flag === 2 ? body.length : 0, 16)
  return Buffer.concat([head, body])
}

describe('our client, sent what no handler of the Rust crates sends', () => {
  it('takes each of the nine codes, and no other text, for an internal error', () => {
    const texts = [
      ...WIRE_CODES,
      'rpc_busy',
      'rpc_draining',
      'rpc_mine',
      'rpc_',
      'RPC_TIMEOUT',
      'rpc_timeout: late',
      '',
    ]
    return scripted(
      texts.map(text => response(2, 0, Buffer.from(text))),
      async address => {
        const client = connect(address)
        for (const text of texts) {
          const internal = (WIRE_CODES as readonly string[]).includes(text)
          const outcome = await outcomeOf(client.use(Echo).err_string('x'))
          assert.deepEqual(outcome, internal ? { code: text } : { user: text })
        }
        await client.close()
      },
    )
  })

  it('takes bytes that are no text for a text with replacements, and any number for an errno', () =>
    scripted(
      [response(2, 0, Uint8Array.of(0x61, 0xff, 0x62)), response(1, 2 ** 32 - 1, new Uint8Array())],
      async address => {
        const client = connect(address)
        assert.deepEqual(await outcomeOf(client.use(Echo).err_string('x')), { user: 'a\ufffdb' })
        assert.deepEqual(await outcomeOf(client.use(Files).open({ path: '', flags: 0 })), { user: 2 ** 32 - 1 })
        await client.close()
      },
    ))

  it('takes an empty message for unit, whatever the action', () =>
    scripted([response(0, 0, new Uint8Array()), response(0, 1, Uint8Array.of(0xc0))], async address => {
      const client = connect(address)
      assert.deepEqual(await outcomeOf(client.use(Echo).unit()), { answer: undefined })
      assert.deepEqual(await outcomeOf(client.use(Echo).unit()), { answer: null })
      await client.close()
    }))
})
