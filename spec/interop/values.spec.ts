/** Every value that has a form on the wire, to a Rust peer and back, and the limits at which it is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs'
import type { U64 } from '../../lib/index.ts'
import { outcomeOf, recordedCalls } from '../support/recorded-calls.ts'
import { call, err, ok, readFloat, rustFloat, shownBytes, withDigits } from '../support/rust-answers.ts'
import { RUST_TRANSPORTS, withoutRust, withRustClient, withRustServer } from '../support/rust-pair.ts'
import { patternBytes } from '../support/rust-peer.ts'
import { Echo, type RustRecord } from '../support/rust-services.ts'

const skip = withoutRust()

const INTEGERS = {
  u8: [0n, 2n ** 8n - 1n],
  u16: [0n, 2n ** 16n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  u64: [0n, 2n ** 64n - 1n],
  i8: [-(2n ** 7n), 2n ** 7n - 1n],
  i16: [-(2n ** 15n), 2n ** 15n - 1n],
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const
type IntegerType = keyof typeof INTEGERS
const integerTypes = Object.keys(INTEGERS) as IntegerType[]

/** Where a form of the wire ends, or the exact numbers of JavaScript do. */
const BORDERS = [
  0n,
  ...[5, 7, 8, 15, 16, 31, 32, 53, 63, 64].flatMap(bits => [2n ** BigInt(bits), -(2n ** BigInt(bits))]),
]

/** The values at the borders that `type` has. */
function bordersOf(type: IntegerType): bigint[] {
  const [min, max] = INTEGERS[type]
  const near = BORDERS.flatMap(border => [border - 2n, border - 1n, border, border + 1n])
  return [...new Set(near)].filter(value => value >= min && value <= max)
}

/** As an answer gives it. */
const exact = (value: bigint): U64 => (Number.isSafeInteger(Number(value)) ? Number(value) : value)

const FLOATS = [
  0,
  -0,
  0.1,
  -1.5,
  1,
  -1,
  1e15,
  2 ** 53,
  -(2 ** 53),
  2 ** 64,
  1e300,
  5e-324,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  Number.EPSILON,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]

const LENGTHS = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]

const record = (shape: RustRecord['shape'], note: string | null = null): RustRecord => ({
  id: 2n ** 64n - 1n,
  name: 'ünï\u0000çode 🦀',
  inner: { label: '', weight: -(2n ** 63n) },
  note,
  shape,
  tags: ['a', '', 'ccc'],
})

const RECORDS = [
  record('Empty'),
  record({ Circle: 0.5 }),
  record({ Rect: [0, 2 ** 32 - 1] }),
  record({ Named: { title: 't'.repeat(300), sides: 7 } }, 'noted'),
]

for (const transport of RUST_TRANSPORTS) {
  describe(`our client of a Rust server over ${transport}`, { skip }, () => {
    it('gets the recorded outcome of every recorded call', () =>
      withRustServer(transport, async ends => {
        for (const { name, make, outcome } of recordedCalls) {
          const proxies = name === 'ping' ? { ...ends, client: ends.filesClient } : ends
          assert.deepEqual(await outcomeOf(make(proxies)), outcome, name)
        }
      }))

    it('gets every integer back exactly, given as a number or as a bigint', () =>
      withRustServer(transport, async ({ echo }) => {
        for (const type of integerTypes) {
          const call = echo[type] as (value: U64) => Observable<U64>
          for (const value of bordersOf(type)) {
            assert.equal(await firstValueFrom(call(exact(value))), exact(value), `${type} ${value}`)
            assert.equal(await firstValueFrom(call(value)), exact(value), `${type} ${value}n`)
          }
        }
      }))

    it('hears rpc_decode of an integer beyond its type, and of a fraction', () =>
      withRustServer(transport, async ({ client }) => {
        for (const type of integerTypes) {
          const [min, max] = INTEGERS[type]
          const beyond = [min - 1n, max + 1n].filter(value => value >= -(2n ** 63n) && value < 2n ** 64n)
          for (const input of [...beyond, 0.5]) {
            const outcome = await outcomeOf(client.call({ action: `EchoService.${type}`, input }))
            assert.deepEqual(outcome, { code: 'rpc_decode' }, `${type} ${input}`)
          }
        }
      }))

    it('refuses to send an integer that has no form, and goes on', () =>
      withRustServer(transport, async ({ echo, watch }) => {
        await firstValueFrom(echo.u64(1))
        assert.deepEqual(await outcomeOf(echo.u64(2n ** 64n)), { code: 'rpc_encode' })
        assert.deepEqual(await outcomeOf(echo.i64(-(2n ** 63n) - 1n)), { code: 'rpc_encode' })
        assert.equal(await firstValueFrom(echo.u64(2)), 2)
        assert.equal(watch.links, 1)
      }))

    it('gets every float back', () =>
      withRustServer(transport, async ({ echo }) => {
        for (const value of FLOATS) {
          assert.equal(await firstValueFrom(echo.f64(value)), value, `f64 ${value}`)
          assert.equal(await firstValueFrom(echo.f32(value)), Math.fround(value), `f32 ${value}`)
        }
      }))

    it('gets texts, bytes and vectors of every length form back', () =>
      withRustServer(transport, async ({ echo }) => {
        for (const length of LENGTHS) {
          const text = 'é'.repeat(length / 2) + 'x'.repeat(length % 2)
          assert.equal(await firstValueFrom(echo.string(text)), text)
          const bytes = patternBytes(3, 0, length)
          assert.deepEqual(await firstValueFrom(echo.bytes(bytes)), bytes)
          const items = Array.from({ length }, (_, at) => at)
          assert.deepEqual(await firstValueFrom(echo.vec(items)), items)
        }
      }))

    it('gets unit, options, tuples, maps and records with every kind of variant back', () =>
      withRustServer(transport, async ({ echo, client }) => {
        assert.equal(await firstValueFrom(echo.unit()), null)
        assert.deepEqual(
          [null, undefined, 0, 2 ** 32 - 1].map(value => value ?? null),
          await Promise.all([null, undefined, 0, 2 ** 32 - 1].map(value => firstValueFrom(echo.opt(value)))),
        )
        assert.deepEqual(await firstValueFrom(echo.tuple([2 ** 32 - 1, '', false])), [2 ** 32 - 1, '', false])
        for (const length of [0, 1, 15, 16, 10_000]) {
          const map = Object.fromEntries(Array.from({ length }, (_, at) => [`key ${at}`, at % 2 ? -at : at]))
          assert.deepEqual(await firstValueFrom(echo.map(map)), map)
        }
        for (const value of RECORDS) assert.deepEqual(await firstValueFrom(echo.record(value)), value)
        const { note: _, ...withoutNote } = RECORDS[0]!
        const answer = await firstValueFrom(client.use(Echo).record(withoutNote))
        assert.deepEqual(answer, RECORDS[0])
      }))

    it('refuses to send what is over the limits of decoding, and goes on', () =>
      withRustServer(transport, async ({ echo, watch }) => {
        const tooLong = Array.from({ length: 100_000 }, () => 1)
        assert.deepEqual(await outcomeOf(echo.vec(tooLong)), { code: 'rpc_encode' })
        const tooWide = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`${at}k`, 1]))
        assert.deepEqual(await outcomeOf(echo.map(tooWide)), { code: 'rpc_encode' })
        assert.equal(await firstValueFrom(echo.u8(7)), 7)
        assert.equal(watch.links, 1)
      }))

    it('pings, beside its calls', () =>
      withRustServer(transport, async ({ client, calculator, watch }) => {
        const answer = firstValueFrom(calculator.sleep_ms(50))
        for (let ping = 0; ping < 10; ping++) await lastValueFrom(client.ping(), { defaultValue: 'pong' })
        assert.equal(await answer, 50)
        assert.equal(watch.requests.filter(({ action }) => action === 0).length, 10)
      }))
  })

  for (const mode of ['pool', 'stream'] as const) {
    describe(`a Rust ${mode} of our server over ${transport}`, { skip }, () => {
      it('gets every integer back exactly', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          for (const type of integerTypes) {
            for (const value of bordersOf(type)) {
              assert.equal(ok(await call(rust, `EchoService.${type}`, value)), String(value), `${type} ${value}`)
            }
          }
        }))

      it('hears rpc_decode of an argument that is not of the type', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          const wrong: [string, unknown][] = [
            ['u8', 256],
            ['u8', -1],
            ['i8', 128],
            ['u32', 2 ** 32],
            ['i32', 1.5],
            ['u64', -1],
            ['boolean', 1],
            ['string', 1],
            ['unit', []],
            ['unit', {}],
            ['tuple', [1, 'x', true, 4]],
            ['tuple', [1, 'x']],
            ['record', { id: 1 }],
            ['record', { id: 1, name: '', inner: { label: '', weight: 0 }, note: null, shape: 'Unknown', tags: [] }],
          ]
          for (const [method, args] of wrong) {
            const answer = await rust.command({ raw: `EchoService.${method}`, args })
            assert.deepEqual(err(answer), ['rpc', 'rpc_decode'], `${method} ${JSON.stringify(args)}`)
          }
        }))

      it('gets every float back', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          for (const value of FLOATS) {
            assert.equal(readFloat(ok(await call(rust, 'EchoService.f64', rustFloat(value)))), value)
            const single = readFloat(ok(await call(rust, 'EchoService.f32', rustFloat(value))))
            assert.equal(Math.fround(single), Math.fround(value))
          }
        }))

      it('gets texts, bytes and vectors of every length form back', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          for (const length of LENGTHS) {
            const text = 'é'.repeat(length / 2) + 'x'.repeat(length % 2)
            assert.equal(ok(await call(rust, 'EchoService.string', text)), text)
            const bytes = ok(await call(rust, 'EchoService.bytes', { len: length, seed: 3 }))
            assert.deepEqual(bytes, shownBytes(patternBytes(3, 0, length)))
            const items = Array.from({ length }, (_, at) => at)
            assert.deepEqual(ok(await call(rust, 'EchoService.vec', items)), items.map(String))
          }
        }))

      it('gets unit, options, tuples, maps and records with every kind of variant back', () =>
        withRustClient(transport, mode, async ({ rust }) => {
          assert.equal(ok(await call(rust, 'EchoService.unit', null)), null)
          assert.equal(ok(await call(rust, 'EchoService.opt', null)), null)
          assert.equal(ok(await call(rust, 'EchoService.opt', 0)), '0')
          assert.deepEqual(ok(await call(rust, 'EchoService.tuple', [1, '', false])), ['1', '', false])
          for (const length of [0, 1, 15, 16, 10_000]) {
            const map = Object.fromEntries(Array.from({ length }, (_, at) => [`key ${at}`, at % 2 ? -at : at]))
            assert.deepEqual(ok(await call(rust, 'EchoService.map', map)), withDigits(map))
          }
          for (const value of RECORDS) {
            assert.deepEqual(ok(await call(rust, 'EchoService.record', value)), withDigits(value))
          }
          const request = { id: 2n ** 64n - 1n, path: '/tmp/x' }
          assert.deepEqual(ok(await call(rust, 'BenchService.unary', request)), { ok: true, id: String(request.id) })
        }))

      it('hears rpc_decode of an argument over the limits of decoding, and goes on', () =>
        withRustClient(transport, mode, async ({ rust, server }) => {
          const tooLong = Array.from({ length: 100_000 }, () => 1)
          assert.deepEqual(err(await call(rust, 'EchoService.vec', tooLong)), ['rpc', 'rpc_decode'])
          const tooWide = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`${at}k`, 1]))
          assert.deepEqual(err(await call(rust, 'EchoService.map', tooWide)), ['rpc', 'rpc_decode'])
          assert.equal(ok(await call(rust, 'EchoService.u8', 7)), '7')
          assert.equal(server.stats().connections, 1)
        }))
    })
  }

  describe(`a Rust stream of our server over ${transport}`, { skip }, () => {
    // Not beside a running call: behind a pong the Rust client reads nothing until it has sent its next call, whoever serves it.
    it('pings between its calls', () =>
      withRustClient(transport, 'stream', async ({ rust, watch }) => {
        for (let round = 0; round < 10; round++) {
          assert.equal(ok(await rust.command({ ping: true })), 'sent')
          assert.equal(ok(await call(rust, 'EchoService.u8', round)), String(round))
        }
        const pings = watch.requests.filter(({ action }) => action === 0).map(({ seq }) => seq)
        const pongs = watch.responses.filter(({ msgField }) => msgField === 0).map(({ seq }) => seq)
        assert.equal(pings.length, 10)
        assert.deepEqual(pongs, pings)
      }))
  })
}
