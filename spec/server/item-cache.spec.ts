/**
 * Fan-out: what many calls send is encoded once, and never what a call did not send.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { Codec } from '../../lib/codec/codec.ts'
import { MSGPACK } from '../../lib/codec/msgpack.ts'
import { RpcError } from '../../lib/error.ts'
import { ItemCache } from '../../lib/server/item-cache.ts'
import { writeItem } from '../../lib/server/write.ts'
import { LinkWriter } from '../../lib/transport/writer.ts'
import { toHex } from '../support/hex.ts'
import { RecordingLink } from '../support/recording-link.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** MessagePack that counts what it encodes. */
function counting(): { codec: Codec; encoded: unknown[] } {
  const encoded: unknown[] = []
  const codec: Codec = {
    ...MSGPACK,
    encode: value => {
      encoded.push(value)
      return MSGPACK.encode(value)
    },
  }
  return { codec, encoded }
}

/** A call that sends items through a cache; what it sent, as it stands on the wire. */
class Call {
  readonly sent: string[] = []
  readonly #cache: ItemCache
  #seen = 0

  constructor(cache: ItemCache) {
    this.#cache = cache
  }

  send(item: unknown): void {
    const { bytes, generation } = this.#cache.encoding(item, this.#seen)
    this.#seen = generation
    // As the writer does where the cache has nothing.
    this.sent.push(toHex(bytes ?? MSGPACK.encode(item)))
  }
}

function calls(cache: ItemCache, count: number): Call[] {
  return Array.from({ length: count }, () => new Call(cache))
}

const hex = (item: unknown): string => toHex(MSGPACK.encode(item))
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('an item that many calls send', () => {
  it('is encoded once for all but the first, and from then on once for all', () => {
    const { codec, encoded } = counting()
    const all = calls(new ItemCache(codec), 100)
    for (let n = 0; n < 10; n++) {
      const item = { n }
      for (const call of all) call.send(item)
      assert.equal(encoded.length, n + 1)
    }
    for (const call of all)
      assert.deepEqual(
        call.sent,
        Array.from({ length: 10 }, (_, n) => hex({ n })),
      )
  })

  it('is not encoded for the cache where one call alone sends it', () => {
    const { codec, encoded } = counting()
    const call = new Call(new ItemCache(codec))
    for (let n = 0; n < 10; n++) call.send({ n })
    assert.deepEqual(encoded, [])
  })

  it('is encoded anew where one call sends it again, changed', () => {
    const { codec } = counting()
    const [first, second] = calls(new ItemCache(codec), 2) as [Call, Call]
    const item = { n: 1 }
    for (let n = 1; n <= 3; n++) {
      item.n = n
      first.send(item)
      second.send(item)
    }
    const expected = [hex({ n: 1 }), hex({ n: 2 }), hex({ n: 3 })]
    assert.deepEqual([first.sent, second.sent], [expected, expected])
  })

  it('is forgotten at the end of the turn, however many calls sent it', async () => {
    const { codec, encoded } = counting()
    const [first, second, third] = calls(new ItemCache(codec), 3) as [Call, Call, Call]
    const item = { n: 1 }
    first.send(item)
    second.send(item)
    await turn()
    item.n = 2
    third.send(item)
    assert.deepEqual(third.sent, [hex({ n: 2 })])
    assert.equal(encoded.length, 2)
  })

  for (const [what, field] of [
    ['', 1],
    [', where it cannot be encoded, too', () => 1],
  ] as const) {
    it(`is let go of at the end of the turn${what}`, async () => {
      const cache = new ItemCache(MSGPACK)
      const [first, second] = calls(cache, 2) as [Call, Call]
      for (const call of [first, second]) call.send({ n: 0 })
      await turn()
      const weak = (() => {
        const item = { field }
        try {
          first.send(item)
        } catch (error) {
          assert.ok(RpcError.is(error, 'rpc_encode'))
        }
        return new WeakRef(item)
      })()
      await turn()
      collectGarbage()
      assert.equal(weak.deref(), undefined)
      assert.ok(cache)
    })
  }

  for (const item of [undefined, null, 7, 'text', true, Uint8Array.of(1)]) {
    it(`is not remembered where there is nothing to gain: ${item === null ? 'null' : typeof item}`, () => {
      const { codec, encoded } = counting()
      const cache = new ItemCache(codec)
      assert.deepEqual(cache.encoding(item, 5), { bytes: undefined, generation: 5 })
      assert.deepEqual(cache.encoding(item, 0), { bytes: undefined, generation: 0 })
      assert.deepEqual(encoded, [])
    })
  }

  it('fails each of them alike where it cannot be encoded, and holds nobody up behind it', () => {
    const cache = new ItemCache(MSGPACK)
    const [first, second, third] = calls(cache, 3) as [Call, Call, Call]
    const fine = { n: 1 }
    for (const call of [first, second, third]) call.send(fine)
    const broken = { f: () => 1 }
    for (const call of [first, second, third]) {
      assert.throws(
        () => call.send(broken),
        error => RpcError.is(error, 'rpc_encode'),
      )
    }
    for (const call of [first, second, third]) call.send(fine)
    assert.deepEqual(third.sent, [hex(fine), hex(fine)])
  })

  it('keeps within what each client accepts, shared or not', () => {
    const cache = new ItemCache(MSGPACK)
    const item = { text: 'x'.repeat(100) }
    const refusals = [1000, 50, 1000, 50].map(maxMessageBytes => {
      const writer = new LinkWriter(new RecordingLink())
      const { bytes } = cache.encoding(item, 0)
      try {
        writeItem(writer, MSGPACK, { maxMessageBytes, maxBlobBytes: 1000 }, 1, item, bytes)
        return 'sent'
      } catch (error) {
        assert.equal(writer.unsentBytes, 0)
        return RpcError.from(error).code
      }
    })
    assert.deepEqual(refusals, ['sent', 'rpc_too_large', 'sent', 'rpc_too_large'])
  })

  it('is always the bytes of the item, whichever calls send which items in which order', () => {
    const act = fc.tuple(fc.nat(3), fc.nat(3))
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), acts => {
        const all = calls(new ItemCache(MSGPACK), 4)
        const items = Array.from({ length: 4 }, (_, n) => ({ n }))
        const expected: string[][] = [[], [], [], []]
        for (const [call, item] of acts) {
          all[call]!.send(items[item])
          expected[call]!.push(hex({ n: item }))
        }
        assert.deepEqual(
          all.map(call => call.sent),
          expected,
        )
      }),
    )
  })
})
