/**
 * The writer of a link: what leaves, when, in which pieces, and that no byte of it is ever another's.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { VirtualTimeScheduler } from 'rxjs'
import type { Codec } from '../../lib/codec/codec.ts'
import { RpcError } from '../../lib/error.ts'
import { LinkWriter } from '../../lib/transport/writer.ts'
import { concat, fromHex, toHex } from '../support/hex.ts'
import { marbles } from '../support/marbles.ts'
import { RecordingLink } from '../support/recording-link.ts'

const KIB = 1024
const NONE: Uint8Array = new Uint8Array(0)

/** What the codec below encodes to: `bytes`, after it did `meanwhile`. */
interface Message {
  readonly bytes: Uint8Array
  readonly meanwhile?: () => void
}

/** Writes bytes as they are; scribbles over what it may where they do not fit, or where `meanwhile` throws. */
const codec: Codec = {
  name: 'bytes',
  encode: value => (value as Message).bytes.slice(),
  encodeInto: (value, target, offset) => {
    const { bytes, meanwhile } = value as Message
    target.fill(0xdd, offset, Math.min(target.length, offset + bytes.length))
    meanwhile?.()
    if (bytes.length > target.length - offset) return bytes.slice()
    target.set(bytes, offset)
    return bytes.length
  },
  decode: bytes => bytes,
}

/** `length` bytes that tell one `seed` from another. */
function filled(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff)
}

const HEAD = fromHex('25 4d 01 02 03 04 05 06')

interface Parts {
  readonly head?: Uint8Array
  readonly message?: Uint8Array
  readonly blob?: Uint8Array
  readonly meanwhile?: () => void
  readonly maxBytes?: number
  readonly isCall?: boolean
}

/** Writes a frame as the client does, and returns its bytes. */
function write(writer: LinkWriter, parts: Parts): Uint8Array {
  const { head = HEAD, message = NONE, blob = NONE, meanwhile, maxBytes = 1024 * KIB, isCall } = parts
  const at = writer.begin(head.length)
  const value: Message = meanwhile === undefined ? { bytes: message } : { bytes: message, meanwhile }
  assert.equal(writer.message(codec, value, maxBytes), message.length)
  writer.slab.set(head, at)
  writer.end(blob, isCall)
  return concat([head, message, blob])
}

/** A writer whose turns end when the spec says so, with a batch that few specs fill. */
function setUp(batchBytes = 64 * KIB): { link: RecordingLink; writer: LinkWriter; endTurn: () => void } {
  const link = new RecordingLink()
  const scheduler = new VirtualTimeScheduler()
  return { link, writer: new LinkWriter(link, { scheduler, batchBytes }), endTurn: () => scheduler.flush() }
}

describe('LinkWriter', () => {
  it('lets the frames of one turn leave together, in one piece', () => {
    const { link, writer, endTurn } = setUp()
    const frames = [1, 2, 3].map(i => write(writer, { message: filled(20, i), blob: filled(i, i) }))
    assert.equal(link.sends.length, 0)
    endTurn()
    assert.equal(link.sends.length, 1)
    assert.equal(toHex(link.wire), toHex(concat(frames)))
    assert.equal(link.sends[0]!.corked, false)
  })

  it('lets the next turn leave by itself', () => {
    const { link, writer, endTurn } = setUp()
    const first = write(writer, { message: filled(20, 1) })
    endTurn()
    const second = write(writer, { message: filled(20, 2) })
    endTurn()
    endTurn()
    assert.deepEqual(
      link.sends.map(send => toHex(send.bytes)),
      [toHex(first), toHex(second)],
    )
  })

  it(
    'ends its turn on the asap scheduler unless told otherwise',
    marbles(({ cold, flush }) => {
      const link = new RecordingLink()
      const writer = new LinkWriter(link)
      cold('a--b|', { a: 2, b: 1 }).subscribe({
        next: count => {
          const before = link.sends.length
          for (let i = 0; i < count; i++) write(writer, { message: filled(20, i) })
          assert.equal(link.sends.length, before)
        },
        error: assert.fail,
      })
      flush()
      assert.deepEqual(
        link.sends.map(send => send.bytes.length),
        [56, 28],
      )
    }),
  )

  it('flushes at once when it is told to, and not again at the end of the turn', () => {
    const { link, writer, endTurn } = setUp()
    const frame = write(writer, { message: filled(20, 1) })
    writer.flush()
    assert.equal(toHex(link.wire), toHex(frame))
    writer.flush()
    endTurn()
    assert.equal(link.sends.length, 1)
  })

  it('flushes in the midst of a turn as soon as a batch waits, of 6 KiB unless told', () => {
    const link = new RecordingLink()
    const scheduler = new VirtualTimeScheduler()
    const writer = new LinkWriter(link, { scheduler })
    const frames: Uint8Array[] = []
    let waiting = 0
    while (waiting + HEAD.length + 1000 < 6 * KIB) {
      frames.push(write(writer, { message: filled(1000, frames.length) }))
      waiting += HEAD.length + 1000
      assert.equal(link.sends.length, 0)
    }
    frames.push(write(writer, { message: filled(1000, 99) }))
    assert.deepEqual(link.wire, concat(frames))
    const sends = link.sends.length
    scheduler.flush()
    assert.equal(link.sends.length, sends)
  })

  it('flushes in the midst of a turn as soon as 32 calls or answers wait, and begins to count anew', () => {
    const link = new RecordingLink()
    const scheduler = new VirtualTimeScheduler()
    const writer = new LinkWriter(link, { scheduler })
    const sizes = (): number[] => link.sends.map(({ bytes }) => bytes.length)
    for (let i = 0; i < 100; i++) write(writer, { message: filled(2, i) })
    for (let i = 0; i < 31; i++) write(writer, { message: filled(2, i), isCall: true })
    assert.deepEqual(sizes(), [], 'items and others do not count')
    write(writer, { message: filled(2, 31), isCall: true })
    assert.deepEqual(sizes(), [1_320])
    for (let i = 0; i < 16; i++) write(writer, { message: filled(2, i), isCall: true })
    scheduler.flush()
    assert.deepEqual(sizes(), [1_320, 160])
    for (let i = 0; i < 31; i++) write(writer, { message: filled(2, i), isCall: true })
    assert.deepEqual(sizes(), [1_320, 160], 'those that left at the end of a turn do not count')
    writer.destroy()
  })

  it('corks all pieces but the last', () => {
    const { link, writer, endTurn } = setUp()
    write(writer, { message: filled(20, 1), blob: filled(5000, 1) })
    write(writer, { message: filled(20, 2), blob: filled(6000, 2) })
    write(writer, { message: filled(20, 3) })
    endTurn()
    assert.deepEqual(
      link.sends.map(send => [send.bytes.length, send.corked]),
      [
        [28, true],
        [5000, true],
        [28, true],
        [6000, true],
        [28, false],
      ],
    )
  })

  it('hands over a blob of 4 KiB or more without a copy, and a smaller one in one piece with its head', () => {
    const { link, writer, endTurn } = setUp()
    const large = filled(4096, 1)
    const small = filled(4095, 2)
    const frames = [write(writer, { blob: large }), write(writer, { blob: small })]
    endTurn()
    assert.deepEqual(link.wire, concat(frames))
    assert.deepEqual(
      link.sends.map(send => send.bytes === large),
      [false, true, false],
    )
    assert.equal(link.sends[2]!.bytes.length, HEAD.length + 4095)
  })

  it('puts a message that does not fit its slab behind its head all the same, large or small', () => {
    for (const bytes of [1500, 4095, 4096, 64 * KIB, 300 * KIB]) {
      const { link, writer, endTurn } = setUp()
      const frames: Uint8Array[] = []
      // Whatever room the slab has, these come to its end.
      for (let i = 0; i < 50; i++) frames.push(write(writer, { message: filled(bytes, i), blob: filled(i, i) }))
      endTurn()
      assert.ok(Buffer.compare(link.wire, concat(frames)) === 0, `${bytes}`)
    }
  })

  it('takes a head with a name of any length', () => {
    const { link, writer, endTurn } = setUp()
    const frames = [40, 2000, 70 * KIB].map(length => write(writer, { head: filled(length, 4), message: filled(9, 1) }))
    endTurn()
    assert.ok(Buffer.compare(link.wire, concat(frames)) === 0)
  })

  it('takes a message that was encoded before, of any length, also of none', () => {
    for (const length of [0, 10, 3000, 5000]) {
      const { link, writer, endTurn } = setUp()
      const message = filled(length, 3)
      const at = writer.begin(HEAD.length)
      writer.encoded(message)
      writer.slab.set(HEAD, at)
      writer.end(fromHex('aa'))
      endTurn()
      assert.deepEqual(link.wire, concat([HEAD, message, fromHex('aa')]))
      assert.equal(
        link.sends.some(send => send.bytes === message),
        length >= 4096,
      )
    }
  })

  it('copies what a link that is behind would hold, so that a small piece does not pin a slab', () => {
    const { link, writer, endTurn } = setUp()
    const first = write(writer, { message: filled(20, 1) })
    endTurn()
    link.unsentBytes = 1
    const second = write(writer, { message: filled(20, 2) })
    endTurn()
    link.unsentBytes = 0
    const third = write(writer, { message: filled(20, 3) })
    endTurn()
    assert.deepEqual(link.wire, concat([first, second, third]))
    assert.deepEqual(
      link.sends.map(send => send.bytes.buffer.byteLength <= 28),
      [false, true, false],
    )
  })

  it('holds no slab between turns, so that idle links cost none', () => {
    const { writer, endTurn } = setUp()
    assert.equal(writer.slab.length, 0)
    write(writer, { message: filled(20, 1) })
    endTurn()
    assert.equal(writer.slab.length, 0)
    assert.throws(() => write(writer, { message: filled(20, 2), meanwhile: boom }), /boom/)
    assert.equal(writer.slab.length, 0)
  })
})

describe('a frame that cannot be written', () => {
  it('leaves nothing behind, and the frames around it as they are', () => {
    const { link, writer, endTurn } = setUp()
    const before = write(writer, { message: filled(20, 1) })
    assert.throws(() => write(writer, { message: filled(500, 2), meanwhile: boom }), /boom/)
    const after = write(writer, { message: filled(20, 3) })
    endTurn()
    assert.equal(toHex(link.wire), toHex(concat([before, after])))
    assert.equal(writer.writtenBytes, before.length + after.length)
  })

  it('sends nothing where it is alone', () => {
    const { link, writer, endTurn } = setUp()
    assert.throws(() => write(writer, { message: filled(500, 2), meanwhile: boom }), /boom/)
    endTurn()
    writer.flush()
    assert.equal(link.sends.length, 0)
    assert.equal(writer.unsentBytes, 0)
  })

  it('is refused by its length, which is named, whether or not it fits the slab', () => {
    for (const bytes of [101, 200 * KIB]) {
      const { link, writer, endTurn } = setUp()
      const before = write(writer, { message: filled(100, 1), maxBytes: 100 })
      assert.throws(
        () => write(writer, { message: filled(bytes, 2), maxBytes: 100 }),
        error =>
          RpcError.is(error, 'rpc_too_large') &&
          error.message === `message of ${bytes} bytes is over maxMessageBytes 100`,
      )
      const after = write(writer, { message: filled(20, 3) })
      endTurn()
      assert.deepEqual(link.wire, concat([before, after]))
    }
  })

  it('is one that is begun within the encoding of another, which is not harmed', () => {
    const { link, writer, endTurn } = setUp()
    let inner: unknown
    const outer = write(writer, {
      message: filled(20, 1),
      meanwhile: () => {
        try {
          write(writer, { message: filled(20, 2) })
        } catch (error) {
          inner = error
        }
      },
    })
    assert.ok(RpcError.is(inner, 'rpc_encode'))
    assert.equal(inner.executed, 'no')
    assert.match(inner.message, /within the encoding of another/)
    endTurn()
    assert.equal(toHex(link.wire), toHex(outer))
  })
})

describe('what happens within the encoding of a message', () => {
  it('may flush: the whole frames leave, and the one that was begun follows whole', () => {
    for (const blob of [10, 5000]) {
      const { link, writer, endTurn } = setUp()
      const before = write(writer, { message: filled(20, 1), blob: filled(blob, 1) })
      let seen = NONE
      const frame = write(writer, {
        message: filled(20, 2),
        meanwhile: () => {
          writer.flush()
          seen = link.wire
        },
      })
      assert.equal(toHex(seen), toHex(before))
      endTurn()
      assert.equal(toHex(link.wire), toHex(concat([before, frame])))
    }
  })

  it('may flush and then fail, and the next frame is whole', () => {
    const { link, writer, endTurn } = setUp()
    const before = write(writer, { message: filled(20, 1) })
    const meanwhile = (): void => {
      writer.flush()
      boom()
    }
    assert.throws(() => write(writer, { message: filled(20, 2), meanwhile }), /boom/)
    const after = write(writer, { message: filled(20, 3) })
    endTurn()
    assert.equal(toHex(link.wire), toHex(concat([before, after])))
  })

  it('may use another writer', () => {
    const [one, other] = [setUp(), setUp()]
    const frames: Uint8Array[] = []
    const inner: Uint8Array[] = []
    for (let i = 0; i < 100; i++) {
      const meanwhile = (): void => {
        inner.push(write(other.writer, { message: filled(900, i + 1) }))
        if (i % 3 === 0) other.endTurn()
      }
      frames.push(write(one.writer, { message: filled(900, i), meanwhile }))
      if (i % 4 === 0) one.endTurn()
    }
    one.endTurn()
    other.endTurn()
    assert.ok(Buffer.compare(one.link.wire, concat(frames)) === 0)
    assert.ok(Buffer.compare(other.link.wire, concat(inner)) === 0)
  })

  it('may destroy the writer: nothing leaves', () => {
    const { link, writer, endTurn } = setUp()
    write(writer, { message: filled(20, 1) })
    write(writer, { message: filled(20, 2), meanwhile: () => writer.destroy() })
    endTurn()
    writer.flush()
    assert.equal(link.sends.length, 0)
  })
})

describe('what happens within a send', () => {
  it('goes behind the pieces that are on their way, however it is flushed', () => {
    for (const bytes of [20, 5000, 70 * KIB]) {
      const { link, writer, endTurn } = setUp()
      const frames = [1, 2].map(i => write(writer, { message: filled(20, i), blob: filled(5000, i) }))
      const answers: Uint8Array[] = []
      let left = 3
      link.onSend = () => {
        if (left-- <= 0) return
        answers.push(write(writer, { message: filled(bytes, 7), blob: filled(bytes, 8) }))
        writer.flush()
      }
      endTurn()
      assert.equal(answers.length, 3)
      assert.ok(Buffer.compare(link.wire, concat([...frames, ...answers])) === 0, `answers of ${bytes}`)
      assert.equal(writer.unsentBytes, 0)
    }
  })

  it('has left when the flush returns, so that the link may be closed then', () => {
    const { link, writer } = setUp()
    const frame = write(writer, { message: filled(20, 1), blob: filled(5000, 1) })
    let wire = NONE
    link.onSend = () => {
      link.onSend = () => undefined
      const last = write(writer, { message: filled(20, 2), blob: filled(5000, 2) })
      writer.flush()
      wire = link.wire
      assert.deepEqual(wire, concat([frame, last]))
      assert.equal(writer.unsentBytes, 0)
    }
    writer.flush()
    assert.deepEqual(link.wire, wire)
  })

  it('leaves at the end of the turn where it is not flushed', () => {
    const { link, writer, endTurn } = setUp()
    const frame = write(writer, { message: filled(20, 1), blob: filled(5000, 1) })
    let answer = NONE
    link.onSend = () => {
      link.onSend = () => undefined
      answer = write(writer, { message: filled(20, 2) })
    }
    writer.flush()
    assert.deepEqual(link.wire, frame)
    endTurn()
    assert.deepEqual(link.wire, concat([frame, answer]))
  })

  it('may destroy the writer: no further piece leaves', () => {
    const { link, writer, endTurn } = setUp()
    write(writer, { message: filled(20, 1), blob: filled(5000, 1) })
    link.onSend = () => writer.destroy()
    endTurn()
    assert.equal(link.sends.length, 1)
    assert.equal(writer.unsentBytes, 0)
  })
})

describe('the counters of a writer', () => {
  it('tell what has not left, here and in the link, and what was ever written', () => {
    const { link, writer, endTurn } = setUp()
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [0, 0])
    write(writer, { message: filled(20, 1) })
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [28, 28])
    write(writer, { message: filled(30, 1), blob: filled(10_000, 1) })
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [10_066, 10_066])
    endTurn()
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [0, 10_066])
    write(writer, { message: filled(20, 1) })
    endTurn()
    link.unsentBytes = 5
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [5, 10_094])
    write(writer, { message: filled(20, 1) })
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [33, 10_122])
    link.unsentBytes = 0
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [28, 10_122])
  })

  it('count a message that did not fit the slab', () => {
    const { writer } = setUp()
    write(writer, { message: filled(60 * KIB, 1), blob: filled(3, 1) })
    const bytes = HEAD.length + 60 * KIB + 3
    assert.deepEqual([writer.unsentBytes, writer.writtenBytes], [bytes, bytes])
  })

  it('tell within a send what is still to be handed over', () => {
    const { link, writer, endTurn } = setUp()
    write(writer, { message: filled(20, 1), blob: filled(5000, 1) })
    const seen: number[] = []
    link.onSend = () => seen.push(writer.unsentBytes)
    endTurn()
    assert.deepEqual(seen, [5000, 0])
  })
})

describe('a writer that was destroyed', () => {
  it('forgets what waits and sends nothing any more', () => {
    const { link, writer, endTurn } = setUp()
    write(writer, { message: filled(20, 0) })
    endTurn()
    link.unsentBytes = 3
    write(writer, { message: filled(20, 1), blob: filled(5000, 1) })
    writer.destroy()
    writer.destroy()
    assert.equal(writer.unsentBytes, 3)
    endTurn()
    write(writer, { message: filled(20, 2), blob: filled(5000, 2) })
    assert.equal(writer.writtenBytes, 5056)
    writer.flush()
    endTurn()
    assert.equal(link.sends.length, 1)
  })
})

describe('slabs', () => {
  it('are small where the last turn was, so that an item for each of a hundred links does not take 64 KiB for each', () => {
    const all = Array.from({ length: 100 }, () => setUp())
    let held = 0
    for (const [i, { writer }] of all.entries()) {
      write(writer, { message: filled(20, i) })
      held += writer.slab.length
    }
    for (const { endTurn } of all) endTurn()
    assert.ok(held <= 100 * 4 * KIB, `${held} bytes are held for 100 small frames`)
  })

  it('grow within a turn: what stands in a small one moves on, and leaves in one piece with what follows', () => {
    const { link, writer, endTurn } = setUp()
    const frames = Array.from({ length: 50 }, (_, i) => write(writer, { message: filled(100, i) }))
    endTurn()
    assert.equal(link.sends.length, 1)
    assert.deepEqual(Buffer.from(link.wire), Buffer.from(concat(frames)))
  })

  const length = fc.oneof(
    { weight: 4, arbitrary: fc.nat(60) },
    { weight: 3, arbitrary: fc.integer({ min: 500, max: 4200 }) },
    { weight: 1, arbitrary: fc.constantFrom(1023, 1024, 1025, 4095, 4096, 20_000, 66_000) },
  )
  const step = fc.record({
    who: fc.nat(2),
    message: length,
    blob: length,
    how: fc.constantFrom('write', 'write', 'write', 'write', 'fail', 'flush', 'end turn', 'behind', 'nest', 'destroy'),
  })

  it('go from writer to writer, and no byte of one is ever written by another', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), list => {
        const all = [0, 1, 2].map(() => ({ ...setUp(), expected: [] as Uint8Array[] }))
        const wires: { link: RecordingLink; expected: Uint8Array[] }[] = [...all]
        const snapshots: { bytes: Uint8Array; copy: Uint8Array }[] = []
        const record = (bytes: Uint8Array): void => {
          snapshots.push({ bytes, copy: bytes.slice() })
        }
        for (const { link } of all) link.onSend = record
        for (const [i, { who, message, blob, how }] of list.entries()) {
          const one = all[who]!
          const parts = { message: filled(message, i), blob: filled(blob, i + 1) }
          if (how === 'write') {
            one.expected.push(write(one.writer, parts))
          } else if (how === 'nest') {
            const other = all[(who + 1) % 3]!
            const meanwhile = (): void => {
              other.expected.push(write(other.writer, parts))
              other.writer.flush()
              one.writer.flush()
            }
            one.expected.push(write(one.writer, { ...parts, meanwhile }))
          } else if (how === 'fail') {
            assert.throws(() => write(one.writer, { ...parts, meanwhile: boom }), /boom/)
          } else if (how === 'flush') {
            one.writer.flush()
          } else if (how === 'end turn') {
            one.endTurn()
          } else if (how === 'behind') {
            one.link.unsentBytes = one.link.unsentBytes > 0 ? 0 : 1
          } else {
            // Its connection is lost, and another takes its place. What it had flushed still leaves, as it was.
            one.writer.destroy()
            one.expected.splice(0, one.expected.length, one.link.wire)
            all[who] = { ...setUp(), expected: [] }
            all[who].link.onSend = record
            wires.push(all[who])
          }
        }
        for (const { endTurn } of all) endTurn()
        for (const [i, { link, expected }] of wires.entries()) {
          if (Buffer.compare(link.wire, concat(expected)) !== 0) assert.fail(`the bytes of writer ${i} are not its own`)
        }
        for (const { bytes, copy } of snapshots) {
          if (Buffer.compare(bytes, copy) !== 0) assert.fail('a piece changed after it was sent')
        }
      }),
      { numRuns: 150 },
    )
  })
})

function boom(): never {
  throw new Error('boom')
}
