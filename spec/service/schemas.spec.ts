/**
 * Schemas of a contract: each runs once, on the server; it may check, transform, and take its time.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { EMPTY, firstValueFrom, of } from 'rxjs'
import * as v from 'valibot'
import { z } from 'zod'
import { implement, service, type, unary } from '../../lib/node/index.ts'
import { failure, inBothVersions } from '../support/serve.ts'

const isoToDate = z.codec(z.iso.datetime(), z.date(), {
  decode: text => new Date(text),
  encode: date => date.toISOString(),
})
const soon = <T>(value: T): Promise<T> => Promise.resolve(value)

/** The same method four times: with a schema of each library, at once and asynchronous. Both transform both ways. */
const Lengths = service('Lengths', {
  zod: unary({ input: z.string().transform(Number), output: z.number().transform(String) }),
  zodAsync: unary({
    input: z.string().transform(text => soon(Number(text))),
    output: z.number().transform(n => soon(String(n))),
  }),
  valibot: unary({ input: v.pipe(v.string(), v.transform(Number)), output: v.pipe(v.number(), v.transform(String)) }),
  valibotAsync: unary({
    input: v.pipeAsync(
      v.string(),
      v.transformAsync(text => soon(Number(text))),
    ),
    output: v.pipeAsync(
      v.number(),
      v.transformAsync(n => soon(String(n))),
    ),
  }),
})
const KEYS = ['zod', 'zodAsync', 'valibot', 'valibotAsync'] as const

inBothVersions('a schema', serve => {
  for (const key of KEYS) {
    it(`gives the handler what it makes of the input, and the caller what it makes of the output (${key})`, async t => {
      const seen: unknown[] = []
      const twice = (n: number): number => {
        seen.push(n)
        return n * 2
      }
      const handlers = { zod: twice, zodAsync: twice, valibot: twice, valibotAsync: twice }
      const { client } = await serve(t, { services: [implement(Lengths, handlers)] })
      assert.equal(await firstValueFrom(client.use(Lengths)[key]('21')), '42')
      assert.deepEqual(seen, [21])
    })

    it(`that refuses the input fails the call with rpc_decode, and the handler does not run (${key})`, async t => {
      let runs = 0
      const count = (): number => ++runs
      const handlers = { zod: count, zodAsync: count, valibot: count, valibotAsync: count }
      const { client } = await serve(t, { services: [implement(Lengths, handlers)] })
      const error = await failure(client.use(Lengths)[key](21 as unknown as string))
      assert.equal(error.code, 'rpc_decode')
      assert.equal(error.action, `Lengths.${key}`)
      assert.equal(runs, 0)
    })

    it(`that refuses the output fails the call with rpc_encode, and the log says why (${key})`, async t => {
      const wrong = (): number => 'forty-two' as unknown as number
      const handlers = { zod: wrong, zodAsync: wrong, valibot: wrong, valibotAsync: wrong }
      const { client, logged } = await serve(t, { services: [implement(Lengths, handlers)] })
      assert.equal((await failure(client.use(Lengths)[key]('1'))).code, 'rpc_encode')
      assert.equal(logged.length, 1)
      assert.equal(logged[0]!.action, `Lengths.${key}`)
      assert.match(
        logged[0]!.message + String(logged[0]!.error?.message),
        new RegExp(`the answer of Lengths.${key} is refused`),
      )
    })
  }

  it('sees the answer however it comes', async t => {
    const Echo = service('Echo', { a: unary({ input: type<number>(), output: z.number().transform(n => -n) }) })
    const answers = [3, Promise.resolve(3), of(3), Promise.resolve(of(3)), of(3, 4)]
    const { client } = await serve(t, { services: [implement(Echo, { a: at => answers[at] as number })] })
    for (const at of answers.keys()) assert.equal(await firstValueFrom(client.use(Echo).a(at)), -3, String(at))
  })

  it('of the output sees undefined where an Observable ends without a value', async t => {
    const Echo = service('Echo', {
      number: unary({ output: z.number() }),
      optional: unary({ output: z.number().default(5) }),
    })
    const { client } = await serve(t, { services: [implement(Echo, { number: () => EMPTY, optional: () => EMPTY })] })
    assert.equal((await failure(client.use(Echo).number())).code, 'rpc_encode')
    assert.equal(await firstValueFrom(client.use(Echo).optional()), 5)
  })

  it('that throws, or rejects, is an error of the server: rpc_internal_err, logged', async t => {
    const broken = (): never => {
      throw new Error('the schema is broken')
    }
    const Broken = service('Broken', {
      at: unary({ input: z.string().transform(broken) }),
      later: unary({
        input: v.pipeAsync(
          v.string(),
          v.transformAsync(async () => broken()),
        ),
      }),
    })
    const { client, logged } = await serve(t, { services: [implement(Broken, { at: () => {}, later: () => {} })] })
    assert.equal((await failure(client.use(Broken).at('x'))).code, 'rpc_internal_err')
    assert.equal((await failure(client.use(Broken).later('x'))).code, 'rpc_internal_err')
    assert.match(String(logged[0]?.error?.message), /the schema is broken/)
    assert.match(String(logged[1]?.error?.message), /the schema is broken/)
  })

  it('leaves what travels to the caller: a date goes as text, comes to the handler as a Date, and back as a number', async t => {
    const Clock = service('Clock', {
      at: unary({ input: z.object({ date: isoToDate }), output: z.date().transform(Number) }),
    })
    const seen: unknown[] = []
    const { client } = await serve(t, {
      services: [
        implement(Clock, {
          at: ({ date }) => {
            seen.push(date)
            return date
          },
        }),
      ],
    })
    const answer = await firstValueFrom(client.use(Clock).at({ date: '2026-01-02T03:04:05.000Z' }))
    assert.equal(answer, Date.UTC(2026, 0, 2, 3, 4, 5))
    assert.deepEqual(seen, [new Date('2026-01-02T03:04:05.000Z')])
  })

  it('stands beside a blob: it sees the value, and the blob goes by it', async t => {
    const Files = service('Files', {
      swap: unary({ input: z.string().transform(Number), output: z.number().transform(String), blob: 'both' }),
    })
    const { client } = await serve(t, {
      services: [
        implement(Files, { swap: async (n, { blob }) => ({ value: n + blob.length, blob: blob.slice().reverse() }) }),
      ],
    })
    const { value, blob } = await firstValueFrom(client.use(Files).swap('40', { blob: Uint8Array.of(1, 2) }))
    assert.equal(value, '42')
    assert.deepEqual(blob, Uint8Array.of(2, 1))
    assert.equal(
      (await failure(client.use(Files).swap(4 as unknown as string, { blob: new Uint8Array(1) }))).code,
      'rpc_decode',
    )
  })

  it('does not keep a user error from its caller', async t => {
    const Failing = service('Failing', { now: unary({ output: z.number(), error: type<'late'>() }) })
    const { client } = await serve(t, {
      services: [
        implement(Failing, {
          now: async (_, { fail }) => {
            throw fail('late')
          },
        }),
      ],
    })
    const error = await failure(client.use(Failing).now())
    assert.deepEqual([error.code, (error as { value?: unknown }).value], ['user', 'late'])
  })

  it('named by type<T>() checks nothing', async t => {
    const Loose = service('Loose', { echo: unary({ input: type<string>(), output: type<string>() }) })
    const { client } = await serve(t, { services: [implement(Loose, { echo: text => text })] })
    assert.equal(await firstValueFrom(client.use(Loose).echo(5 as unknown as string)), 5)
  })
})
