/**
 * What a contract is at run time: plain data, checked when it is made.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstValueFrom } from 'rxjs'
import { z } from 'zod'
import { implement, service, type, unary } from '../../lib/node/index.ts'
import { failure, serve } from '../support/serve.ts'

describe('a contract', () => {
  it('fills in Service.method as the action where no number stands', () => {
    const Host = service('Host', { load: unary<void, number>(), read: unary<void, number>({ action: 2 }) })
    assert.equal(Host.name, 'Host')
    assert.equal(Host.methods.load.action, 'Host.load')
    assert.equal(Host.methods.read.action, 2)
  })

  it('leaves the methods it is made of as they are, so two services can share one', () => {
    const load = unary<void, number>()
    const Host = service('Host', { load })
    const Guest = service('Guest', { load })
    assert.equal(Host.methods.load.action, 'Host.load')
    assert.equal(Guest.methods.load.action, 'Guest.load')
  })

  it('is plain data: it survives a copy by JSON', () => {
    const Host = service('Host', { load: unary<string, number, number>({ errors: 'errno', idempotent: true }) })
    assert.deepEqual(JSON.parse(JSON.stringify(Host)), {
      name: 'Host',
      methods: { load: { kind: 'unary', action: 'Host.load', errors: 'errno', idempotent: true } },
    })
  })

  it('says of each method how errors travel, where bytes are, and whether it may be repeated', () => {
    const { methods } = service('Host', {
      plain: unary<string, number>(),
      full: unary<string, number, { a: 1 }>({ errors: 'coded', blob: 'both', idempotent: true }),
    })
    const { errors, blob, idempotent } = methods.plain
    assert.deepEqual({ errors, blob, idempotent }, { errors: 'text', blob: undefined, idempotent: false })
    assert.equal(methods.full.errors, 'coded')
    assert.equal(methods.full.blob, 'both')
    assert.equal(methods.full.idempotent, true)
  })

  it('has no schema where type<T>() stands: it checks nothing', () => {
    const { methods } = service('Host', { a: unary({ input: type<string>(), output: z.string() }) })
    assert.equal(methods.a.input, undefined)
    assert.notEqual(methods.a.output, undefined)
  })

  it('refuses a service name that is empty or has a dot', () => {
    for (const name of ['', '.', 'Host.v2', 'Host.']) {
      assert.throws(() => service(name, {}), { name: 'TypeError', message: new RegExp(`'${name}'$`) })
    }
  })

  it('refuses two methods with one action, and names it', () => {
    const methods = { a: unary({ action: 3 }), b: unary({ action: 3 }) }
    assert.throws(() => service('Files', methods), { name: 'TypeError', message: /two methods of Files .* 3$/ })
  })

  it('refuses a number that is no action', () => {
    for (const action of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
      assert.throws(() => service('Files', { a: unary({ action }) }), { name: 'TypeError', message: /Files\.a/ })
    }
    service('Files', { a: unary({ action: 1 }), b: unary({ action: 2 ** 31 - 1 }) })
  })

  it('lets method names have dots, and names that every object has', async t => {
    const Odd = service('Odd', {
      'a.b': unary<void, string>(),
      constructor: unary<void, string>(),
      toString: unary<void, string>(),
      // biome-ignore lint/suspicious/noThenProperty: a proxy must not be taken for a Promise by its own doing
      then: unary<void, string>(),
      ['__proto__']: unary<void, string>(),
    })
    const { client } = await serve(t, {
      services: [
        implement(Odd, {
          'a.b': () => 'dotted',
          constructor: () => 'constructor',
          toString: () => 'toString',
          // biome-ignore lint/suspicious/noThenProperty: as above
          then: () => 'then',
          ['__proto__']: () => 'proto',
        }),
      ],
    })
    const odd = client.use(Odd)
    const answers: string[] = []
    for (const key of ['a.b', 'constructor', 'toString', 'then', '__proto__'] as const) {
      answers.push(await firstValueFrom(odd[key]()))
    }
    assert.deepEqual(answers, ['dotted', 'constructor', 'toString', 'then', 'proto'])
  })
})

describe('services side by side', () => {
  const One = service('One', { a: unary<void, string>(), n: unary<void, string>({ action: 5 }) })
  const one = implement(One, { a: () => 'One.a', n: () => 'five' })

  it('answer each to its own name and number', async t => {
    const Two = service('Two', { a: unary<void, string>(), n: unary<void, string>({ action: 6 }) })
    const { client } = await serve(t, { services: [one, implement(Two, { a: () => 'Two.a', n: () => 'six' })] })
    assert.equal(await firstValueFrom(client.use(One).a()), 'One.a')
    assert.equal(await firstValueFrom(client.use(Two).a()), 'Two.a')
    assert.equal(await firstValueFrom(client.use(One).n()), 'five')
    assert.equal(await firstValueFrom(client.use(Two).n()), 'six')
  })

  it('may not share an action', async t => {
    const Two = service('Two', { n: unary<void, string>({ action: 5 }) })
    const two = implement(Two, { n: () => '' })
    await assert.rejects(serve(t, { services: [one, two] }), { name: 'TypeError', message: /action 5$/ })
    await assert.rejects(serve(t, { services: [one, one] }), { name: 'TypeError', message: /action One\.a$/ })
  })

  it('tell an unknown service from an unknown method', async t => {
    const { client } = await serve(t, { services: [one] })
    const codeOf = async (action: string | number): Promise<string> => (await failure(client.call({ action }))).code
    assert.equal(await codeOf('One.b'), 'rpc_method_notfound')
    assert.equal(await codeOf('Three.a'), 'rpc_service_notfound')
    assert.equal(await codeOf('One'), 'rpc_method_notfound')
    assert.equal(await codeOf(''), 'rpc_method_notfound')
    assert.equal(await codeOf(7), 'rpc_method_notfound')
    assert.equal(await codeOf('__proto__.a'), 'rpc_service_notfound')
    assert.equal(await codeOf('One.__proto__'), 'rpc_method_notfound')
  })

  it('leave all other actions to the dispatch beside them', async t => {
    const { client } = await serve(t, { services: [one], dispatch: call => `other: ${call.action}` })
    assert.equal(await firstValueFrom(client.use(One).a()), 'One.a')
    assert.deepEqual((await firstValueFrom(client.call({ action: 'One.b' }))).value, 'other: One.b')
    assert.deepEqual((await firstValueFrom(client.call({ action: 9 }))).value, 'other: 9')
  })

  it('work over TCP as they do in memory', async t => {
    const { client } = await serve(t, { services: [one], listenAt: 'tcp://127.0.0.1:0' })
    assert.equal(await firstValueFrom(client.use(One).n()), 'five')
    assert.equal((await failure(client.call({ action: 'One.b' }))).executed, 'no')
  })
})
