/**
 * Bytes beside a value: where the contract says so, and nowhere else.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { EMPTY, firstValueFrom, of } from 'rxjs'
import { implement, ReplyWithBlob, service, type U64, unary } from '../../lib/node/index.ts'
import { failure, inBothVersions } from '../support/serve.ts'

const Files = service('Files', {
  read: unary<{ inode: U64 }, U64>({ action: 2, blob: 'response' }),
  write: unary<{ inode: U64; offset: U64 }, number>({ action: 3, blob: 'request' }),
  swap: unary<void, void>({ blob: 'both' }),
  plain: unary<string, string>(),
})
const files = implement(Files, {
  read: ({ inode }) => ({ value: inode, blob: Uint8Array.of(1, 2, 3) }),
  write: ({ offset }, { blob }) => Number(offset) + blob.length,
  swap: (_, { blob }) => of({ value: undefined, blob: blob.slice().reverse() }),
  plain: text => text,
})

for (const listenAt of ['memory:blobs', 'tcp://127.0.0.1:0']) {
  inBothVersions(`a blob (${listenAt.split(':')[0]})`, serve => {
    it('goes with the request, or comes with the answer, or both', async t => {
      const { client } = await serve(t, { services: [files], listenAt })
      const calls = client.use(Files)
      assert.equal(await firstValueFrom(calls.write({ inode: 1, offset: 10 }, { blob: new Uint8Array(5) })), 15)
      assert.deepEqual(await firstValueFrom(calls.read({ inode: 2n ** 63n })), {
        value: 2n ** 63n,
        blob: Uint8Array.of(1, 2, 3),
      })
      assert.deepEqual(await firstValueFrom(calls.swap(undefined, { blob: Uint8Array.of(1, 2, 3) })), {
        value: undefined,
        blob: Uint8Array.of(3, 2, 1),
      })
    })

    it('may be empty, and may be as large as maxBlobBytes', async t => {
      const { client } = await serve(t, {
        services: [files],
        listenAt,
        maxBlobBytes: 100_000,
        client: { maxBlobBytes: 100_000 },
      })
      const calls = client.use(Files)
      for (const bytes of [0, 1, 65_536, 100_000]) {
        const blob = Uint8Array.from({ length: bytes }, (_, at) => at)
        const answer = await firstValueFrom(calls.swap(undefined, { blob }))
        assert.deepEqual(answer.blob, blob.reverse())
      }
      const error = await failure(calls.swap(undefined, { blob: new Uint8Array(100_001) }))
      assert.deepEqual([error.code, error.executed], ['rpc_too_large', 'no'])
      assert.match(error.message, /100001.*maxBlobBytes 100000/)
    })

    it('is a plain Uint8Array on both sides, which its receiver may keep and change', async t => {
      const kept: Uint8Array[] = []
      const Keeping = service('Keeping', { keep: unary<void, void>({ blob: 'both' }) })
      const keeping = implement(Keeping, {
        keep: (_, { blob }) => {
          kept.push(blob)
          return { value: undefined, blob: Uint8Array.from(blob) }
        },
      })
      const { client } = await serve(t, { services: [keeping], listenAt })
      const sent = [Uint8Array.of(1, 1, 1), Uint8Array.of(2, 2, 2), Uint8Array.of(3, 3, 3)]
      const got: Uint8Array[] = []
      for (const blob of sent) {
        got.push((await firstValueFrom(client.use(Keeping).keep(undefined, { blob }))).blob)
        got.at(-1)!.fill(9, 2)
      }
      for (const bytes of [...kept, ...got]) assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype)
      assert.deepEqual(
        got.map(bytes => bytes[0]),
        [1, 2, 3],
      )
      if (!listenAt.startsWith('memory')) assert.deepEqual(kept, sent)
    })
  })
}

inBothVersions('a blob that nobody asked for', serve => {
  it('in a request is rpc_decode, and the handler does not run', async t => {
    let runs = 0
    const counting = implement(Files, {
      read: () => ({ value: 0, blob: new Uint8Array() }),
      write: () => 0,
      swap: (_, { blob }) => ({ value: undefined, blob }),
      plain: text => {
        runs++
        return text
      },
    })
    const { client } = await serve(t, { services: [counting] })
    const error = await failure(client.call({ action: 'Files.plain', input: 'x', blob: new Uint8Array(3) }))
    assert.equal(error.code, 'rpc_decode')
    assert.equal(runs, 0)
    assert.equal(await firstValueFrom(client.use(Files).plain('y')), 'y')
  })

  it('in an answer is rpc_decode at the caller, whose connection goes on', async t => {
    const { client } = await serve(t, {
      dispatch: ({ input }) => (input === 'x' ? new ReplyWithBlob('x', new Uint8Array(3)) : input),
    })
    const error = await failure(client.use(Files).plain('x'))
    assert.deepEqual([error.code, error.executed], ['rpc_decode', 'yes'])
    assert.equal(await firstValueFrom(client.use(Files).plain('y')), 'y')
  })
})

inBothVersions('an answer without the blob of its contract', serve => {
  it('is rpc_encode, logged with the action', async t => {
    const answers: unknown[] = [undefined, null, 5, { value: 1 }, { value: 1, blob: 'text' }, EMPTY]
    const lacking = {
      read: ({ inode }: { inode: U64 }) => answers[Number(inode)],
      write: () => 0,
      swap: () => undefined,
      plain: () => '',
    }
    const { client, logged } = await serve(t, { services: [implement(Files, lacking as never)] })
    for (const inode of answers.keys()) {
      assert.equal((await failure(client.use(Files).read({ inode }))).code, 'rpc_encode', String(answers[inode]))
    }
    assert.equal(logged.length, answers.length)
    for (const { action, error } of logged) {
      assert.equal(action, 2)
      assert.match(String(error?.message), /the answer of 2 has no blob/)
    }
  })
})
